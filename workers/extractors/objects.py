"""Object tokens: image moments of the ball per frame, related over time by a small transformer."""

import math

import torch
from torch import Tensor, nn

from workers.config import ObjectsConfig, SceneConfig
from workers.extractors.feature_extractor import FeatureExtractor

# A ball never reaches the corners of the image, so they show the ground.
CORNER_PX = 6
MAX_FRAMES = 64
TOKEN_FEATURES = 7
# A tenth of the peak contrast is above the pixel noise; from 0.6 of it a pixel counts as covered.
MASK_FLOOR, MASK_SLOPE = 0.1, 2.0


class ObjectTokens(nn.Module):
    """(B, T, C, H, W) -> (B, T, 7): camera-frame place, the same relative to the clip, the clip's extent.

    The camera and the ball's radius are known, so the ball's area gives its depth (pinhole, z = f R / r).
    """

    def __init__(self, scene: SceneConfig) -> None:
        super().__init__()
        self.tan = scene.field_of_view_tan
        self.ball_radius = scene.ball_radius

    def forward(self, video: Tensor) -> Tensor:
        # bf16 keeps 8 bits: the place of a pixel would be lost.
        with torch.autocast(video.device.type, enabled=False):
            u, v, area = image_moments(ball_mask(video))  # (B, T) each
            radius = (4 / math.pi * area).clamp_min(1e-5).sqrt()  # share of half the image
            depth = self.ball_radius / (self.tan * radius)
            place = torch.stack([u * depth * self.tan, v * depth * self.tan, depth], dim=-1)  # (B, T, 3)
            centred = place - place.mean(dim=1, keepdim=True)
            squared = centred.square().sum(dim=-1).mean(dim=1).clamp_min(1e-6)
            extent = squared.sqrt()[:, None, None]  # (B, 1, 1)
            return torch.cat([place, centred / extent, extent.expand(-1, place.shape[1], 1)], dim=-1)


class ObjectTransformer(FeatureExtractor):
    def __init__(self, config: ObjectsConfig, scene: SceneConfig) -> None:
        super().__init__()
        self.feature_dim = config.dim
        self.tokens = ObjectTokens(scene)
        self.embed = nn.Sequential(
            nn.Linear(TOKEN_FEATURES, config.dim), nn.GELU(), nn.Linear(config.dim, config.dim)
        )
        self.frame_position = nn.Parameter(torch.randn(MAX_FRAMES, config.dim) * 0.02)
        layer = nn.TransformerEncoderLayer(
            config.dim,
            config.heads,
            dim_feedforward=4 * config.dim,
            dropout=config.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(
            layer, config.layers, norm=nn.LayerNorm(config.dim), enable_nested_tensor=False
        )

    def extract(self, video: Tensor) -> Tensor:
        tokens = self.embed(self.tokens(video))  # (B, T, D)
        features: Tensor = self.encoder(tokens + self.frame_position[: tokens.shape[1]])
        return features


def ball_mask(video: Tensor) -> Tensor:
    """Return (B, T, H, W) in 0..1, soft at the edge."""
    return soft_mask(relative_contrast(video)[0], MASK_FLOOR, MASK_SLOPE)


def relative_contrast(video: Tensor) -> tuple[Tensor, Tensor]:
    """Return each pixel's contrast to the ground (B, T, H, W), as a share of its frame's peak (B, T)."""
    contrast = (video - corner_colour(video)).abs_().mean(dim=2)
    peak = contrast.flatten(2).amax(dim=2).clamp_min(1e-3)
    return contrast.div_(peak[..., None, None]), peak


def soft_mask(contrast: Tensor, floor: float, slope: float) -> Tensor:
    return (contrast - floor).mul_(slope).clamp_(0, 1)


def corner_colour(video: Tensor) -> Tensor:
    """Return the mean colour (B, 1, C, 1, 1) of the four corners over all frames."""
    edge = torch.cat([video[..., :CORNER_PX, :], video[..., -CORNER_PX:, :]], dim=-2)
    corners = torch.cat([edge[..., :CORNER_PX], edge[..., -CORNER_PX:]], dim=-1)
    return corners.mean(dim=(1, 3, 4), keepdim=True)


def image_moments(mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return centroid u, v in -1..1 and area as a share of the image for (..., H, W) masks."""
    height, width = mask.shape[-2:]
    rows, columns = mask.sum(dim=-1), mask.sum(dim=-2)  # (..., H), (..., W)
    total = rows.sum(dim=-1)
    u = columns @ pixel_centres(width, mask) / total.clamp_min(1e-3)
    v = rows @ pixel_centres(height, mask) / total.clamp_min(1e-3)
    return u, v, total / (height * width)


def pixel_centres(count: int, like: Tensor) -> Tensor:
    return (torch.arange(count, device=like.device, dtype=like.dtype) * 2 + 1) / count - 1
