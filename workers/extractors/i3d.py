"""Inception-I3D (Carreira & Zisserman 2017, arXiv 1705.07750): Inception-v1 with every filter inflated to 3D.

Parameters bear the names of the public RGB weights, so that a file of them loads as it is.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from workers.cli import UsageError
from workers.config import I3DConfig
from workers.extractors.feature_extractor import FeatureExtractor, initialise_for_relu, stretched

Size = tuple[int, int, int]  # time, height, width
Branches = tuple[int, int, int, int, int, int]

# Out-channels of the branches of each block, 1x1 | 1x1, 3x3 | 1x1, 3x3 | pool, 1x1 (Inception-v1, table 1).
_BLOCKS: tuple[tuple[str, Branches], ...] = (
    ("Mixed_3b", (64, 96, 128, 16, 32, 32)),
    ("Mixed_3c", (128, 128, 192, 32, 96, 64)),
    ("Mixed_4b", (192, 96, 208, 16, 48, 64)),
    ("Mixed_4c", (160, 112, 224, 24, 64, 64)),
    ("Mixed_4d", (128, 128, 256, 24, 64, 64)),
    ("Mixed_4e", (112, 144, 288, 32, 64, 64)),
    ("Mixed_4f", (256, 160, 320, 32, 128, 128)),
    ("Mixed_5b", (256, 160, 320, 32, 128, 128)),
    ("Mixed_5c", (384, 192, 384, 48, 128, 128)),
)
# Pools that come before a block: kernel, stride.
_POOLS: dict[str, tuple[Size, Size]] = {
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}


class Unit3D(nn.Module):
    """Convolution, batch norm, ReLU: (B, C, T, H, W) -> (B, C', T/s, H/s, W/s), padded as TensorFlow does."""

    def __init__(self, inputs: int, outputs: int, kernel: Size, stride: Size, momentum: float) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=1e-3, momentum=momentum)

    def forward(self, volume: Tensor) -> Tensor:
        padded = same_padded(volume, self.kernel, self.stride)
        return functional.relu(self.bn(self.conv3d(padded)), inplace=True)


class InceptionBlock(nn.Module):
    def __init__(self, inputs: int, branches: Branches, momentum: float) -> None:
        super().__init__()
        one, three = (1, 1, 1), (3, 3, 3)

        def unit(channels_in: int, channels_out: int, kernel: Size) -> Unit3D:
            return Unit3D(channels_in, channels_out, kernel, one, momentum)

        straight, reduce_a, grow_a, reduce_b, grow_b, pooled = branches
        self.b0 = unit(inputs, straight, one)
        self.b1a, self.b1b = unit(inputs, reduce_a, one), unit(reduce_a, grow_a, three)
        self.b2a, self.b2b = unit(inputs, reduce_b, one), unit(reduce_b, grow_b, three)
        self.b3b = unit(inputs, pooled, one)

    def forward(self, volume: Tensor) -> Tensor:
        pooled = max_pool(volume, (3, 3, 3), (1, 1, 1))
        return torch.cat(
            [self.b0(volume), self.b1b(self.b1a(volume)), self.b2b(self.b2a(volume)), self.b3b(pooled)], dim=1
        )


class InceptionI3D(nn.Module):
    """The trunk up to Mixed_5c: (B, 3, T, H, W) in -1..1 -> (B, 1024 * width, T/8, H/32, W/32)."""

    def __init__(self, width: float, momentum: float) -> None:
        super().__init__()
        stem, reduced, grown = (_narrowed(count, width) for count in (64, 64, 192))
        self.Conv3d_1a_7x7 = Unit3D(3, stem, (7, 7, 7), (2, 2, 2), momentum)
        self.Conv3d_2b_1x1 = Unit3D(stem, reduced, (1, 1, 1), (1, 1, 1), momentum)
        self.Conv3d_2c_3x3 = Unit3D(reduced, grown, (3, 3, 3), (1, 1, 1), momentum)
        channels = grown
        for name, full in _BLOCKS:
            branches = tuple(_narrowed(count, width) for count in full)
            self.add_module(name, InceptionBlock(channels, branches, momentum))  # type: ignore[arg-type]
            channels = branches[0] + branches[2] + branches[4] + branches[5]
        self.channels = channels

    def forward(self, volume: Tensor) -> Tensor:
        volume = max_pool(self.Conv3d_1a_7x7(volume), (1, 3, 3), (1, 2, 2))
        volume = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(volume))
        for name, block in self.blocks():
            if name in _POOLS:
                volume = max_pool(volume, *_POOLS[name])
            volume = block(volume)
        return volume

    def blocks(self) -> Iterator[tuple[str, nn.Module]]:
        yield from ((name, self.get_submodule(name)) for name, _ in _BLOCKS)


class I3D(FeatureExtractor):
    """Features of 1024 * width channels; the trunk's T/8 steps are stretched to one per frame."""

    def __init__(self, config: I3DConfig) -> None:
        super().__init__()
        self.trunk = InceptionI3D(config.width, config.batch_norm_momentum)
        self.feature_dim = self.trunk.channels
        initialise_for_relu(self.trunk)
        if config.weights is not None:
            load_public_weights(self.trunk, config.weights)

    def extract(self, video: Tensor) -> Tensor:
        volume = self.trunk(video.transpose(1, 2) * 2 - 1)  # (B, D, T/8, H/32, W/32)
        return stretched(volume.mean(dim=(3, 4)), video.shape[1])


def load_public_weights(trunk: InceptionI3D, path: Path) -> None:
    """Load a state dict of the public RGB model; its classifier is left out.

    Raises:
        UsageError: the file does not fit the full-width trunk.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        trunk.load_state_dict(
            {name: value for name, value in state.items() if not name.startswith("logits.")}
        )
    except (OSError, RuntimeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"model.extractor.weights {path}: {reason} (they need width: 1.0)") from None


def same_padded(volume: Tensor, kernel: Size, stride: Size) -> Tensor:
    """Pad with zeros so that a step of `stride` covers all: more behind than before, as TensorFlow has it."""
    pads: list[int] = []
    for size, k, s in zip(reversed(volume.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        missing = max(k - (s if size % s == 0 else size % s), 0)
        pads += [missing // 2, missing - missing // 2]
    return functional.pad(volume, pads) if any(pads) else volume


def max_pool(volume: Tensor, kernel: Size, stride: Size) -> Tensor:
    return functional.max_pool3d(same_padded(volume, kernel, stride), kernel, stride)


def _narrowed(channels: int, width: float) -> int:
    return max(1, round(channels * width))
