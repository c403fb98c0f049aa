"""The four families are what they are named, to rounding."""

from __future__ import annotations

import numpy as np
import pytest

from workers.config import SceneConfig
from workers.data.trajectories import FAMILIES, path_length, random_rotation, sample_path

SCENE = SceneConfig()
SEEDS = range(25)


def paths(family: str) -> list[np.ndarray]:
    return [sample_path(family, SCENE, np.random.default_rng(seed)) for seed in SEEDS]


@pytest.mark.parametrize("path", paths("linear"))
def test_a_line_has_no_acceleration(path: np.ndarray) -> None:
    assert np.abs(np.diff(path, 2, axis=0)).max() < 1e-12


@pytest.mark.parametrize("path", paths("parabolic"))
def test_a_parabola_has_constant_acceleration_across_its_velocity(path: np.ndarray) -> None:
    acceleration = np.diff(path, 2, axis=0)
    assert np.abs(np.diff(acceleration, axis=0)).max() < 1e-12
    along = np.diff(path, axis=0) @ acceleration[0]  # changes sign at the apex
    assert along[0] < 0 < along[SCENE.frames - 2]


@pytest.mark.parametrize("path", paths("circular"))
def test_a_circle_is_flat_and_keeps_its_radius(path: np.ndarray) -> None:
    acceleration = np.diff(path, 2, axis=0)  # towards the centre, by 2 (1 - cos w) of the radius
    ratio = np.linalg.norm(acceleration, axis=1)[0] / np.linalg.norm(np.diff(path, axis=0), axis=1)[0]
    centre = path[1:-1] + acceleration / ratio**2
    assert np.abs(centre - centre[0]).max() < 1e-9
    assert np.linalg.matrix_rank(path - path.mean(axis=0), tol=1e-9) == 2


@pytest.mark.parametrize("path", paths("helical"))
def test_a_helix_is_a_circle_plus_a_steady_climb(path: np.ndarray) -> None:
    acceleration = np.diff(path, 2, axis=0)  # perpendicular to the axis
    axis = np.linalg.svd(acceleration)[2][2]
    climb = np.diff(path, axis=0) @ axis
    speed = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert np.ptp(climb) < 1e-9
    assert np.ptp(speed) < 1e-9
    share = abs(climb[0]) / speed[0]
    assert SCENE.climb[0] - 0.01 < share < SCENE.climb[1] + 0.01
    assert np.linalg.matrix_rank(path - path.mean(axis=0), tol=1e-9) == 3


@pytest.mark.parametrize("family", FAMILIES)
def test_path_lengths_span_the_same_range_in_every_family(family: str) -> None:
    lengths = [path_length(path[: SCENE.frames]) for path in paths(family)]
    low, high = SCENE.path_length
    assert low <= min(lengths) < low + 0.2 * (high - low)
    assert high - 0.2 * (high - low) < max(lengths) <= high


def test_rotations_are_rotations() -> None:
    rotation = random_rotation(np.random.default_rng(0))
    assert np.allclose(rotation @ rotation.T, np.eye(3))
    assert np.linalg.det(rotation) == pytest.approx(1)
