"""Factorised space-time convolutions: 2D in space, then 1D in time, read out by a spatial softmax.

(2+1)D blocks after Tran et al. 2018; the spatial softmax (expected place of each channel's activation)
after Finn et al. 2016 keeps sub-pixel positions that pooling would throw away.
"""

import torch
from torch import Tensor, nn

from workers.config import FactorizedConvConfig
from workers.extractors.feature_extractor import FeatureExtractor
from workers.extractors.objects import pixel_centres


class SpaceTimeBlock(nn.Module):
    """(B, C, T, H, W) -> (B, C', T, H / stride, W / stride)."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        # Batch statistics of a short run lag behind at a momentum much below 0.1.
        self.layers = nn.Sequential(
            nn.Conv3d(
                inputs,
                outputs,
                kernel_size=(1, kernel, kernel),
                stride=(1, stride, stride),
                padding=(0, kernel // 2, kernel // 2),
                bias=False,
            ),
            nn.BatchNorm3d(outputs, momentum=0.1),
            nn.ReLU(inplace=True),
            nn.Conv3d(outputs, outputs, (3, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(outputs, momentum=0.1),
            nn.ReLU(inplace=True),
        )

    def forward(self, volume: Tensor) -> Tensor:
        result: Tensor = self.layers(volume)
        return result


class SpatialSoftmax(nn.Module):
    """(B, C, T, H, W) -> (B, T, 4 C): expected place, spread and mean activation of each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.log_sharpness = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, volume: Tensor) -> Tensor:
        height, width = volume.shape[-2:]
        logits = volume * self.log_sharpness[..., None].exp()
        weight = logits.flatten(3).softmax(dim=-1).view_as(logits)
        columns, rows = weight.sum(dim=-2), weight.sum(dim=-1)  # (B, C, T, W), (B, C, T, H)
        across, down = pixel_centres(width, volume), pixel_centres(height, volume)
        u, v = columns @ across, rows @ down
        spread = columns @ across**2 - u**2 + rows @ down**2 - v**2
        return torch.cat([u, v, spread, volume.mean(dim=(-2, -1))], dim=1).transpose(1, 2)


class TemporalResidual(nn.Module):
    """(B, D, T) -> (B, D, T) with a view of 2 * dilation frames to both sides."""

    def __init__(self, dim: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(1, dim),
            nn.Conv1d(dim, dim, 5, padding=2 * dilation, dilation=dilation),
            nn.GELU(),
            nn.Conv1d(dim, dim, 1),
        )

    def forward(self, sequence: Tensor) -> Tensor:
        change: Tensor = self.layers(sequence)
        return sequence + change


class FactorizedConv(FeatureExtractor):
    def __init__(self, config: FactorizedConvConfig) -> None:
        super().__init__()
        self.feature_dim = config.dim
        width = config.channels
        self.shrink = nn.AvgPool3d((1, 2, 2))
        self.blocks = nn.Sequential(
            SpaceTimeBlock(3, width, kernel=5, stride=2),
            SpaceTimeBlock(width, 2 * width, kernel=3, stride=1),
        )
        self.readout = SpatialSoftmax(2 * width)
        self.embed = nn.Linear(8 * width, config.dim)
        self.temporal = nn.Sequential(
            *(TemporalResidual(config.dim, 2**i) for i in range(config.temporal_layers))
        )

    def extract(self, video: Tensor) -> Tensor:
        volume = self.shrink(video.transpose(1, 2))  # (B, C, T, H/2, W/2)
        volume = volume - volume.mean(dim=(2, 3, 4), keepdim=True)
        volume = volume / volume.std(dim=(1, 2, 3, 4), keepdim=True).clamp_min(1e-3)
        frames = self.embed(self.readout(self.blocks(volume)))  # (B, T, D)
        features: Tensor = self.temporal(frames.transpose(1, 2)).transpose(1, 2)
        return features
