"""Training-time changes that keep video and target consistent.

Rotation about the optical axis and scaling from the camera's centre act on the 3D path before it is drawn:
both keep the ball inside the image circle. Pixel noise comes from a bank, because drawing fresh normal
numbers costs more than drawing the balls.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workers.config import Augmentation
from workers.data.scenes import Scenes

NOISE_BANK_SIZE = 1 << 20


def augment_scenes(scenes: Scenes, config: Augmentation, rng: np.random.Generator) -> Scenes:
    turn = rng.uniform(0, 2 * np.pi, len(scenes)) if config.rotation else np.zeros(len(scenes))
    scale = rng.uniform(1 - config.scale, 1 + config.scale, len(scenes))
    about_axis = _rotations(turn)  # (N, 3, 3)
    positions = scenes.positions @ about_axis.transpose(0, 2, 1) * scale[:, None, None]
    light = (scenes.light[:, None] @ about_axis.transpose(0, 2, 1))[:, 0]
    return replace(scenes, positions=positions.astype(np.float32), light=light.astype(np.float32))


def _rotations(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    cos, sin, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], axis=1).reshape(-1, 3, 3)


@dataclass(frozen=True, slots=True)
class NoiseBank:
    values: Tensor  # (NOISE_BANK_SIZE,), standard normal

    @classmethod
    def drawn(cls, seed: int, device: torch.device) -> "NoiseBank":
        rng = np.random.default_rng([seed, NOISE_BANK_SIZE])
        return cls(torch.from_numpy(rng.standard_normal(NOISE_BANK_SIZE, dtype=np.float32)).to(device))

    def add_to(self, video: Tensor, level: float, rng: np.random.Generator) -> Tensor:
        """Add noise to (B, T, C, H, W) float video in place, from a random place of the bank per clip."""
        for clip in video:
            start = int(rng.integers(len(self.values) - clip.numel()))
            clip.add_(self.values[start : start + clip.numel()].view_as(clip), alpha=level)
        return video.clamp_(0, 1)
