"""SlowFast networks (Feichtenhofer et al. 2019, arXiv 1812.03982) on a ResNet of bottleneck blocks.

The slow pathway sees every `alpha`-th frame with many channels, the fast one every frame with a share
`beta` of them; lateral connections carry what the fast one saw into the slow one at four depths.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workers.config import SlowFastConfig
from workers.extractors.feature_extractor import FeatureExtractor, initialise_for_relu, stretched

_EXPANSION = 4  # of a bottleneck's width
_LATERAL_KERNEL = 5
_FUSION = 2  # the lateral convolution doubles the fast channels
# The slow pathway looks across time only in its two last stages (table 1 of the paper).
_SLOW_TIME_KERNELS = (1, 1, 3, 3)
_FAST_TIME_KERNEL = 3


class Bottleneck(nn.Module):
    """(B, C, T, H, W) -> (B, 4 * width, T, H / stride, W / stride)."""

    def __init__(self, inputs: int, width: int, *, time_kernel: int, stride: int) -> None:
        super().__init__()
        outputs = width * _EXPANSION
        self.layers = nn.Sequential(
            *_conv(inputs, width, (time_kernel, 1, 1)),
            nn.ReLU(inplace=True),
            *_conv(width, width, (1, 3, 3), (1, stride, stride)),
            nn.ReLU(inplace=True),
            *_conv(width, outputs, (1, 1, 1)),
        )
        changes = inputs != outputs or stride != 1
        self.shortcut = (
            nn.Sequential(*_conv(inputs, outputs, (1, 1, 1), (1, stride, stride)))
            if changes
            else nn.Identity()
        )

    def forward(self, volume: Tensor) -> Tensor:
        change: Tensor = self.layers(volume)
        return torch.relu(self.shortcut(volume) + change)


class Pathway(nn.Module):
    """A stem and four stages; `extra` channels arrive from the other pathway before each stage."""

    def __init__(
        self,
        channels: int,
        depths: Sequence[int],
        time_kernels: Sequence[int],
        stem: int,
        extra: Sequence[int],
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *_conv(3, channels, (stem, 7, 7), (1, 2, 2)),
            nn.ReLU(inplace=True),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        )
        inputs, width, stages = channels, channels, []
        for index, (depth, kernel) in enumerate(zip(depths, time_kernels, strict=True)):
            inputs += extra[index]
            blocks = []
            for block in range(depth):
                stride = 2 if block == 0 and index > 0 else 1
                blocks.append(Bottleneck(inputs, width, time_kernel=kernel, stride=stride))
                inputs = width * _EXPANSION
            stages.append(nn.Sequential(*blocks))
            width *= 2
        self.stages = nn.ModuleList(stages)
        self.channels = inputs


class SlowFast(FeatureExtractor):
    """D = slow + fast channels; the slow steps are stretched to one per frame."""

    def __init__(self, config: SlowFastConfig) -> None:
        super().__init__()
        self.alpha = config.alpha
        fast = max(1, round(config.channels * config.beta))
        # What the fast pathway has before each stage: its stem's channels, then each stage's.
        carried = [fast, *(fast * _EXPANSION * 2**stage for stage in range(3))]
        self.fast = Pathway(fast, config.depths, [_FAST_TIME_KERNEL] * 4, _LATERAL_KERNEL, [0] * 4)
        self.slow = Pathway(
            config.channels, config.depths, _SLOW_TIME_KERNELS, 1, [_FUSION * count for count in carried]
        )
        self.laterals = nn.ModuleList(_lateral(count, config.alpha) for count in carried)
        self.feature_dim = self.slow.channels + self.fast.channels
        initialise_for_relu(self)

    def extract(self, video: Tensor) -> Tensor:
        frames = video.shape[1]
        volume = video.transpose(1, 2) * 2 - 1  # (B, C, T, H, W)
        fast = self.fast.stem(volume)
        slow = self.slow.stem(volume[:, :, :: self.alpha])  # (B, C, ceil(T / alpha), H, W)
        for lateral, fast_stage, slow_stage in zip(
            self.laterals, self.fast.stages, self.slow.stages, strict=True
        ):
            slow = slow_stage(torch.cat([slow, lateral(fast)], dim=1))
            fast = fast_stage(fast)
        slow, fast = slow.mean(dim=(3, 4)), fast.mean(dim=(3, 4))
        return torch.cat([stretched(slow, frames), stretched(fast, frames)], dim=2)


def _lateral(channels: int, alpha: int) -> nn.Sequential:
    """Time-strided convolution: the paper's best of three ways to match the frame rates."""
    return nn.Sequential(
        *_conv(channels, _FUSION * channels, (_LATERAL_KERNEL, 1, 1), (alpha, 1, 1)), nn.ReLU(inplace=True)
    )


def _conv(
    inputs: int, outputs: int, kernel: tuple[int, int, int], stride: tuple[int, int, int] = (1, 1, 1)
) -> tuple[nn.Module, nn.Module]:
    padding = tuple(size // 2 for size in kernel)
    return (
        nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False),  # type: ignore[arg-type]
        nn.BatchNorm3d(outputs, momentum=0.1),
    )
