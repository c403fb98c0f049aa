"""A MAGVIT tokenizer: video to a grid of discrete tokens and back.

Causal 3D convolutions as in MAGVIT-v2 (Yu et al. 2024, arXiv 2310.05737): no step sees a later frame, and
the first frame is a token step of its own. The quantiser is that of vector-quantize-pytorch.
"""

import math
from dataclasses import dataclass
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional
from vector_quantize_pytorch import FSQ, LFQ, VectorQuantize

from workers.config import FSQConfig, LFQConfig, MagvitConfig, QuantizerConfig, VQConfig
from workers.extractors.feature_extractor import FeatureExtractor, stretched

_GROUPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    codes: Tensor  # (B, C, T', H', W'), quantised; gradients pass straight through
    indices: Tensor  # (B, T', H', W') or (B, T', H', W', codebooks)
    commitment: Tensor  # scalar loss that keeps the encoder near its codes


class CausalConv3d(nn.Module):
    """(B, C, T, H, W) -> (B, C', T / s, H / s, W / s); pads time at its beginning only."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: tuple[int, int, int] = (1, 1, 1)
    ) -> None:
        super().__init__()
        self.before = kernel - 1
        space = kernel // 2
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride, padding=(0, space, space))

    def forward(self, volume: Tensor) -> Tensor:
        past = [volume[:, :, :1]] * self.before  # the first frame, again and again
        result: Tensor = self.conv(torch.cat([*past, volume], dim=2))
        return result


class ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            FrameNorm(channels),
            nn.SiLU(),
            CausalConv3d(channels, channels),
            FrameNorm(channels),
            nn.SiLU(),
            CausalConv3d(channels, channels),
        )

    def forward(self, volume: Tensor) -> Tensor:
        change: Tensor = self.layers(volume)
        return volume + change


class FrameNorm(nn.Module):
    """Group norm of each frame by itself: over all frames it would let the past see the future."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, channels)

    def forward(self, volume: Tensor) -> Tensor:
        batch, _, frames = volume.shape[:3]
        normed: Tensor = self.norm(volume.transpose(1, 2).flatten(0, 1))
        return normed.view(batch, frames, *normed.shape[1:]).transpose(1, 2)


class Upsample(nn.Module):
    """Doubles space, and time too if asked; of a doubled first frame only one is kept."""

    def __init__(self, inputs: int, outputs: int, *, time: bool) -> None:
        super().__init__()
        self.time = time
        self.conv = CausalConv3d(inputs, outputs)

    def forward(self, volume: Tensor) -> Tensor:
        volume = functional.interpolate(volume, scale_factor=(2 if self.time else 1, 2, 2), mode="nearest")
        result: Tensor = self.conv(volume[:, :, 1:] if self.time else volume)
        return result


class VectorQuantizer(nn.Module):
    """(B, C, T, H, W) -> the nearest codes, their indices, and the commitment loss."""

    def __init__(self, config: QuantizerConfig, channels: int) -> None:
        super().__init__()
        match config:
            case VQConfig(codes=codes):
                self.quantizer: nn.Module = VectorQuantize(
                    channels, codes, accept_image_fmap=False, rotation_trick=False, kmeans_init=True
                )
            case LFQConfig(bits=bits):
                self.quantizer = LFQ(dim=channels, codebook_size=2**bits, entropy_loss_weight=0.1)
            case FSQConfig(levels=levels):
                self.quantizer = FSQ(list(levels), dim=channels)
            case _ as never:
                assert_never(never)

    def forward(self, volume: Tensor) -> Encoded:
        grid = volume.movedim(1, -1)  # (B, T, H, W, C)
        flat = grid.flatten(1, 3)
        codes, indices, *loss = self.quantizer(flat)
        return Encoded(
            codes=codes.unflatten(1, grid.shape[1:4]).movedim(-1, 1),
            indices=indices.unflatten(1, grid.shape[1:4]),
            commitment=loss[0].sum() if loss else volume.new_zeros(()),
        )

    def codes_of(self, indices: Tensor) -> Tensor:
        """The codes (B, C, T, H, W) that indices stand for."""
        shape = indices.shape[1:4]
        flat = indices.flatten(1, 3)
        if isinstance(self.quantizer, VectorQuantize):
            codes = self.quantizer.get_output_from_indices(flat)
        else:
            codes = self.quantizer.indices_to_codes(flat)  # type: ignore[operator]
        result: Tensor = codes.unflatten(1, shape).movedim(-1, 1)
        return result


class MAGVIT_VQ_VAE(nn.Module):  # noqa: N801 - the name the component is claimed by
    """(B, C, T, H, W) in -1..1 to tokens of T/4 + 1, H/8, W/8 (T of 4 n + 1 frames) and back."""

    def __init__(self, config: MagvitConfig) -> None:
        super().__init__()
        narrow, middle, wide = config.channels, 2 * config.channels, 4 * config.channels
        stem = (
            [CausalConv3d(3, narrow, stride=(1, 2, 2))]
            if config.halving_stem
            else [CausalConv3d(3, narrow), CausalConv3d(narrow, narrow, stride=(1, 2, 2))]
        )
        self.encoder = nn.Sequential(
            *stem,
            *(ResidualBlock(narrow) for _ in range(config.depth)),
            CausalConv3d(narrow, middle, stride=(2, 2, 2)),
            *(ResidualBlock(middle) for _ in range(config.depth)),
            CausalConv3d(middle, wide, stride=(2, 2, 2)),
            *(ResidualBlock(wide) for _ in range(config.depth)),
            FrameNorm(wide),
            nn.SiLU(),
            CausalConv3d(wide, config.code_dim, kernel=1),
        )
        self.quantizer = VectorQuantizer(config.quantizer, config.code_dim)
        self.decoder = nn.Sequential(
            CausalConv3d(config.code_dim, wide),
            *(ResidualBlock(wide) for _ in range(config.depth)),
            Upsample(wide, middle, time=True),
            *(ResidualBlock(middle) for _ in range(config.depth)),
            Upsample(middle, narrow, time=True),
            *(ResidualBlock(narrow) for _ in range(config.depth)),
            Upsample(narrow, narrow, time=False),
            FrameNorm(narrow),
            nn.SiLU(),
            CausalConv3d(narrow, 3),
        )

    def encode(self, video: Tensor) -> Encoded:
        encoded: Encoded = self.quantizer(self.encoder(video))
        return encoded

    def decode(self, codes: Tensor) -> Tensor:
        video: Tensor = self.decoder(codes)
        return video

    def decode_indices(self, indices: Tensor) -> Tensor:
        return self.decode(self.quantizer.codes_of(indices))


class MagvitTokens(FeatureExtractor):
    """Features of the tokens: each step's grid of codes is read out whole, then related to the past.

    `auxiliary` is the tokenizer's own loss of the last clips: reconstruction, where the ball is above all,
    and commitment. The trainer adds it to the tasks' loss.
    """

    def __init__(self, config: MagvitConfig, *, image_size: int) -> None:
        super().__init__()
        self.tokenizer = MAGVIT_VQ_VAE(config)
        self.ball_weight, self.reconstructed = config.ball_weight, config.reconstructed
        places = (image_size // 8) ** 2
        self.readout = nn.Sequential(
            nn.Flatten(2),
            nn.Linear(places * config.code_dim, config.dim),
            nn.GELU(),
            nn.LayerNorm(config.dim),
        )
        layer = nn.TransformerEncoderLayer(
            config.dim, config.heads, 4 * config.dim, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.relate = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.step_position = nn.Parameter(torch.randn(64, config.dim) * 0.02)
        self.feature_dim = config.dim
        self._loss: Tensor | None = None

    def extract(self, video: Tensor) -> Tensor:
        padded = as_volume(video)
        encoded = self.tokenizer.encode(padded)
        if self.training:
            count = math.ceil(self.reconstructed * len(video))  # the first ones: a batch has no order
            decoded = self.tokenizer.decode(encoded.codes[:count])
            self._loss = reconstruction_loss(decoded, padded[:count], self.ball_weight) + encoded.commitment
        steps = self.readout(encoded.codes.transpose(1, 2))  # (B, T', D)
        related = self.relate(steps + self.step_position[: steps.shape[1]])
        return stretched(related.transpose(1, 2), video.shape[1])

    def auxiliary_loss(self) -> Tensor | None:
        loss, self._loss = self._loss, None
        return loss


class CompressedVideo(FeatureExtractor):
    """An extractor that sees nothing but what the codes keep: the decoded clip. Both are trained together."""

    def __init__(self, config: MagvitConfig, extractor: FeatureExtractor) -> None:
        super().__init__()
        self.tokenizer = MAGVIT_VQ_VAE(config)
        self.extractor = extractor
        self.ball_weight = config.ball_weight
        self.feature_dim = extractor.feature_dim
        self._loss: Tensor | None = None

    def extract(self, video: Tensor) -> Tensor:
        volume = as_volume(video)
        encoded = self.tokenizer.encode(volume)
        decoded = self.tokenizer.decode(encoded.codes)
        if self.training:
            self._loss = reconstruction_loss(decoded, volume, self.ball_weight) + encoded.commitment
        seen = (decoded[:, :, -video.shape[1] :].transpose(1, 2) + 1) / 2
        features: Tensor = self.extractor(seen)
        return features

    def auxiliary_loss(self) -> Tensor | None:
        loss, self._loss = self._loss, None
        return loss


def as_volume(video: Tensor) -> Tensor:
    """(B, T, C, H, W) in 0..1 -> (B, C, T', H, W) in -1..1; a first frame is doubled to make T' = 4 n + 1."""
    volume = video.transpose(1, 2) * 2 - 1
    return torch.cat([volume[:, :, :1], volume], dim=2) if volume.shape[2] % 4 == 0 else volume


def reconstruction_loss(decoded: Tensor, volume: Tensor, ball_weight: float) -> Tensor:
    """Squared error; most of a frame is ground, so the pixels that differ from it weigh more."""
    error = (decoded - volume).square()
    ground = volume.median(dim=2, keepdim=True).values
    weight = 1 + ball_weight * (volume - ground).abs().amax(dim=1, keepdim=True)
    return (weight * error).mean() / weight.mean()
