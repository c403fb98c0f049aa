"""The four path families. Equal path length over the observed frames makes mean speed no class cue."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from workers.config import Range, SceneConfig

FAMILIES = ("linear", "circular", "helical", "parabolic")

Points = NDArray[np.float64]


def sample_path(family: str, scene: SceneConfig, rng: np.random.Generator) -> Points:
    """Return (ground_truth_frames, 3) world positions, randomly oriented."""
    t = np.arange(scene.ground_truth_frames) / (scene.frames - 1)  # 0..1 over the observed frames
    path = SHAPES[family](t, scene, rng)  # (G, 3)
    path *= rng.uniform(*scene.path_length) / path_length(path[: scene.frames])
    return path @ random_rotation(rng).T


def path_length(path: Points) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def random_rotation(rng: np.random.Generator) -> Points:
    """Return a rotation matrix uniform over SO(3), from a uniform unit quaternion."""
    quaternion = rng.standard_normal(4)
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _linear(t: Points, _scene: SceneConfig, _rng: np.random.Generator) -> Points:
    return np.stack([t, np.zeros_like(t), np.zeros_like(t)], axis=1)


def _circular(t: Points, scene: SceneConfig, rng: np.random.Generator) -> Points:
    return _coil(t, scene.turns, climb=0.0, rng=rng)


def _helical(t: Points, scene: SceneConfig, rng: np.random.Generator) -> Points:
    return _coil(t, scene.turns, climb=rng.choice([-1.0, 1.0]) * rng.uniform(*scene.climb), rng=rng)


def _coil(t: Points, turns: Range, *, climb: float, rng: np.random.Generator) -> Points:
    angle = 2 * np.pi * rng.uniform(*turns)
    radius = np.sqrt(1 - climb**2) / angle  # arc length 1 over t in 0..1
    return np.stack([radius * np.cos(angle * t), radius * np.sin(angle * t), climb * t], axis=1)


def _parabolic(t: Points, scene: SceneConfig, rng: np.random.Generator) -> Points:
    apex = rng.uniform(0.25, 0.75)  # both arms observed, or the path would pass for a line
    return np.stack([t, rng.uniform(*scene.bend) * (t - apex) ** 2, np.zeros_like(t)], axis=1)


SHAPES: dict[str, Callable[[Points, SceneConfig, np.random.Generator], Points]] = {
    "linear": _linear,
    "circular": _circular,
    "helical": _helical,
    "parabolic": _parabolic,
}
