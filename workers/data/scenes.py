"""Scenes: paths in the camera frame plus appearance. A scene is a pure function of (seed, index)."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from workers.config import SceneConfig
from workers.data.camera import frame_path
from workers.data.trajectories import FAMILIES, random_rotation, sample_path

# Dark grounds and light balls: even the unlit side of a ball stands out in the mean channel.
BACKGROUND_LEVELS = (10, 80)
BALL_LEVELS = (150, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenes:
    """N scenes, one row each."""

    label: NDArray[np.int64]  # (N,), index into FAMILIES
    positions: NDArray[np.float32]  # (N, G, 3), camera frame
    colour: NDArray[np.float32]  # (N, 3), 0..255
    background: NDArray[np.float32]  # (N, 3), 0..255
    light: NDArray[np.float32]  # (N, 3), unit vector towards the light, camera frame

    def __len__(self) -> int:
        return len(self.label)

    def rows(self, indices: NDArray[np.int64]) -> "Scenes":
        return Scenes(**{field.name: getattr(self, field.name)[indices] for field in fields(self)})


def sample_scenes(seed: int, indices: Sequence[int], scene: SceneConfig) -> Scenes:
    """Return the scenes with these indices; classes take turns, so any range of them is balanced."""
    return join_scenes([_sample_scene(seed, index, scene) for index in indices])


def join_scenes(parts: Sequence[Scenes]) -> Scenes:
    return Scenes(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Scenes)
        }
    )


def _sample_scene(seed: int, index: int, scene: SceneConfig) -> Scenes:
    label = index % len(FAMILIES)
    rng = np.random.default_rng([seed, index])
    # Drawn before the path, whose number of draws depends on the class.
    colour = rng.uniform(*BALL_LEVELS, size=3)
    background = rng.uniform(*BACKGROUND_LEVELS, size=3)
    light = rng.standard_normal(3)
    light[2] = -abs(light[2])  # from the camera's side
    path = sample_path(FAMILIES[label], scene, rng)
    camera = frame_path(path[: scene.frames], random_rotation(rng), scene, rng)
    return Scenes(
        label=np.array([label]),
        positions=_row(camera.to_camera(path)),
        colour=_row(colour),
        background=_row(background),
        light=_row(light / np.linalg.norm(light)),
    )


def _row(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.astype(np.float32)[None]
