"""What a position error is worth: predictors that need no learning, given the true observed positions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.data.dataset import ClipDataset
from workers.data.trajectories import FAMILIES
from workers.evaluation.fits import best_fit

Positions = NDArray[np.float32]

ORACLE_NOISE = 0.02  # world units, per axis, on the true points that the oracle is given
ORACLE_SAMPLES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineErrors:
    """Mean squared errors per axis at t+5, world units squared."""

    mean: float
    last_position: float
    constant_velocity: float

    def skill(self, mse: float) -> float:
        """Return 1 for a perfect prediction, 0 for one as good as constant velocity."""
        return 1 - mse / self.constant_velocity


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonErrors:
    """Of one predictor so many clip steps after the last observed frame; per axis, world units."""

    mse: float
    mae: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Oracle:
    """Least squares on true points with noise: its family is the information criterion's choice."""

    classification_acc: float
    errors: Mapping[int, HorizonErrors]  # by clip steps ahead
    samples: int


def baseline_errors(training: ClipDataset, validation: ClipDataset, clip_steps_ahead: int) -> BaselineErrors:
    found = {
        name: errors[clip_steps_ahead].mse
        for name, errors in horizon_errors(training, validation, [clip_steps_ahead]).items()
    }
    return BaselineErrors(**found)


def horizon_errors(
    training: ClipDataset, validation: ClipDataset, steps_ahead: list[int]
) -> dict[str, dict[int, HorizonErrors]]:
    """Return the errors of each baseline, by clip steps after the last observed frame."""
    observed = validation.scenes.positions[:, validation.frames]  # (N, T, 3)
    last, velocity = observed[:, -1], observed[:, -1] - observed[:, -2]
    predictors: dict[str, Callable[[int], Positions]] = {
        "mean": lambda steps: _at(training, steps).mean(axis=0),
        "last_position": lambda _steps: last,
        "constant_velocity": lambda steps: last + steps * velocity,
    }
    return {
        name: {steps: _errors(predict(steps), _at(validation, steps)) for steps in steps_ahead}
        for name, predict in predictors.items()
    }


def oracle(validation: ClipDataset, steps_ahead: list[int]) -> Oracle:
    """Fit the first `ORACLE_SAMPLES` clips; about ten milliseconds each."""
    count = min(ORACLE_SAMPLES, len(validation))
    rng = np.random.default_rng(0)
    unit = validation.config.scene.frames - 1
    observed_at, ahead_at = validation.frames / unit, np.array([_frame(validation, s) for s in steps_ahead])
    hits, found = 0, np.empty((count, len(steps_ahead), 3))
    for number in range(count):
        path = validation.scenes.positions[number].astype(np.float64)
        seen = path[validation.frames] + ORACLE_NOISE * rng.standard_normal((len(observed_at), 3))
        fitted = best_fit(observed_at, seen)
        hits += fitted.family == FAMILIES[validation.scenes.label[number]]
        found[number] = fitted.at(ahead_at / unit)
    return Oracle(
        classification_acc=hits / count,
        errors={
            steps: _errors(found[:, place], _at(validation, steps)[:count])
            for place, steps in enumerate(steps_ahead)
        },
        samples=count,
    )


def _frame(dataset: ClipDataset, steps_ahead: int) -> int:
    return int(dataset.frames[-1]) + steps_ahead * dataset.config.clip.stride


def _at(dataset: ClipDataset, steps_ahead: int) -> Positions:
    return dataset.scenes.positions[:, _frame(dataset, steps_ahead)]


def _errors(prediction: NDArray[np.floating], truth: Positions) -> HorizonErrors:
    error = prediction.astype(np.float64) - truth
    return HorizonErrors(mse=float(np.square(error).mean()), mae=float(np.abs(error).mean()))
