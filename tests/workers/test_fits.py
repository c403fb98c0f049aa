"""Least squares finds the family and the path, as far as the noise lets it."""

from __future__ import annotations

import numpy as np
import pytest

from workers.config import SceneConfig
from workers.data.scenes import sample_scenes
from workers.data.trajectories import FAMILIES
from workers.evaluation.fits import best_fit, fit

SCENE = SceneConfig()
SCENES = sample_scenes(7, range(40), SCENE)
T = np.arange(SCENE.ground_truth_frames) / (SCENE.frames - 1)
OBSERVED = slice(0, SCENE.frames)


def paths() -> list[tuple[str, np.ndarray]]:
    return [
        (FAMILIES[label], path.astype(float))
        for label, path in zip(SCENES.label, SCENES.positions, strict=True)
    ]


def test_exact_paths_are_found_exactly_beyond_what_was_seen() -> None:
    for family, path in paths():
        found = best_fit(T[OBSERVED], path[OBSERVED])
        assert found.family == family
        assert found.residual < 1e-6
        assert np.abs(found.at(T) - path).max() < 1e-5


def test_noise_costs_what_the_numbers_of_the_family_cost() -> None:
    rng, level = np.random.default_rng(0), 0.01
    for family, path in paths():
        seen = path[OBSERVED] + level * rng.standard_normal((SCENE.frames, 3))
        found = fit(family, T[OBSERVED], seen)
        assert 0.7 * level < found.residual < 1.2 * level
        assert np.sqrt(np.square(found.at(T[OBSERVED]) - path[OBSERVED]).mean()) < 0.6 * level


@pytest.mark.parametrize("family", ["circular", "helical"])
def test_a_fitted_coil_is_round_and_climbs_along_its_axis(family: str) -> None:
    rng = np.random.default_rng(1)
    path = paths()[FAMILIES.index(family)][1][OBSERVED] + 0.02 * rng.standard_normal((SCENE.frames, 3))
    _, start, onwards, *climb = fit(family, T[OBSERVED], path).coefficients
    assert np.linalg.norm(start) == pytest.approx(np.linalg.norm(onwards))
    assert start @ onwards == pytest.approx(0, abs=1e-9)
    assert all(abs(part @ start) < 1e-9 for part in climb)
