"""What a position error is worth: predictors that need no learning, given the true observed positions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.data.dataset import ClipDataset

Positions = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineErrors:
    """Mean squared errors per axis, world units squared."""

    mean: float
    last_position: float
    constant_velocity: float

    def skill(self, mse: float) -> float:
        """Return 1 for a perfect prediction, 0 for one as good as constant velocity."""
        return 1 - mse / self.constant_velocity


def baseline_errors(training: ClipDataset, validation: ClipDataset, clip_steps_ahead: int) -> BaselineErrors:
    observed = validation.scenes.positions[:, validation.frames]  # (N, T, 3)
    target = validation.scenes.positions[:, validation.target_frame]  # (N, 3)
    last, velocity = observed[:, -1], observed[:, -1] - observed[:, -2]
    return BaselineErrors(
        mean=_mse(training.targets().mean(dim=0).numpy(), target),
        last_position=_mse(last, target),
        constant_velocity=_mse(last + clip_steps_ahead * velocity, target),
    )


def _mse(prediction: Positions, target: Positions) -> float:
    return float(np.square(prediction - target, dtype=np.float64).mean())
