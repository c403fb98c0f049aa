"""Places of the ball, read off the pixels.

The ball's radius is known, so its size in the image gives its depth. How large a mask of it comes out
depends on its light, its colour and the ground as well, by some per cent, and always the same way within a
clip. So several measures of size are weighed by least squares, on clips whose depth is known.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workers.config import SceneConfig
from workers.data.dataset import ClipDataset
from workers.extractors.objects import (
    MASK_FLOOR,
    MASK_SLOPE,
    corner_colour,
    image_moments,
    pixel_centres,
    relative_contrast,
    soft_mask,
)

Floats = NDArray[np.float64]

CALIBRATION_CLIPS = 1000
_BLOCK = 50  # clips measured at once
# Floor and slope of masks beside the tokens' own: wide with a steep edge, wide with a soft one, narrow.
_OTHER_MASKS = ((0.05, 4.0), (0.1, 1.1), (0.3, 3.0))
_LEAST = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceReader:
    scene: SceneConfig
    weights: Floats  # (36,), of 1, the measures and their products; they give the logarithm of the depth

    @classmethod
    def calibrated(cls, clips: ClipDataset, count: int = CALIBRATION_CLIPS) -> "PlaceReader":
        """Learn the depth from the first `count` clips."""
        numbers = np.arange(min(count, len(clips)))
        measures, _ = _measured(clips, numbers)
        depth = clips.scenes.positions[numbers][:, clips.frames, 2].astype(np.float64)
        weights = np.linalg.lstsq(_products(measures), np.log(depth).ravel(), rcond=None)[0]
        return cls(scene=clips.config.scene, weights=weights.astype(np.float64))

    def places(self, clips: ClipDataset, numbers: NDArray[np.int64]) -> Floats:
        """Return (N, T, 3), camera frame, for the clips of these numbers."""
        measures, centres = _measured(clips, numbers)
        depth = np.exp(_products(measures) @ self.weights).reshape(measures.shape[:2])[..., None]
        return np.concatenate([centres * depth * self.scene.field_of_view_tan, depth], axis=-1)


def _measured(clips: ClipDataset, numbers: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return (N, T, 7) measures and (N, T, 2) centres in -1..1."""
    blocks = [_measures(clips.clips(block).video) for block in _blocks(numbers)]
    measures, centres = (torch.cat(part).double().cpu().numpy() for part in zip(*blocks, strict=True))
    return measures, centres


def _blocks(numbers: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [numbers[start : start + _BLOCK] for start in range(0, len(numbers), _BLOCK)]


def _measures(video: Tensor) -> tuple[Tensor, Tensor]:
    contrast, peak = relative_contrast(video)
    mask = soft_mask(contrast, MASK_FLOOR, MASK_SLOPE)
    u, v, area = image_moments(mask)
    others = [soft_mask(contrast, *edge).mean(dim=(-2, -1)) for edge in _OTHER_MASKS]
    sizes = [one.clamp_min(_LEAST).log() for one in (area, *others, _spread(mask, u, v))]
    ground = corner_colour(video).mean(dim=2)[..., 0, 0]  # (B, 1)
    lights = [ground / peak, peak / peak.amax(dim=1, keepdim=True)]
    return torch.stack([*sizes, *lights], dim=-1), torch.stack([u, v], dim=-1)


def _spread(mask: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """The sum of both variances of the mask's pixels about its centre (u, v)."""
    total = mask.sum(dim=(-2, -1)).clamp_min(1e-3)
    across, down = (pixel_centres(size, mask) ** 2 for size in (mask.shape[-1], mask.shape[-2]))
    return (mask.sum(dim=-2) @ across + mask.sum(dim=-1) @ down) / total - u**2 - v**2


def _products(measures: Floats) -> Floats:
    """Return (N * T, 36): one, each measure, and each product of two."""
    rows = np.concatenate([np.ones((*measures.shape[:2], 1)), measures], axis=-1)
    first, second = np.triu_indices(rows.shape[-1])
    products: Floats = rows[..., first] * rows[..., second]
    return products.reshape(-1, len(first))
