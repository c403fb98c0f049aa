"""What a clip shows, and what it must not give away."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from workers.config import Augmentation, SceneConfig
from workers.data.augment import augment_scenes
from workers.data.camera import project, unproject
from workers.data.render import AMBIENT, render
from workers.data.scenes import Scenes, sample_scenes
from workers.data.trajectories import FAMILIES

SCENE = SceneConfig()
FRAMES = np.arange(SCENE.frames)
SCENES = sample_scenes(3, range(1200), SCENE)


def outline_reach(scenes: Scenes) -> np.ndarray:
    """Distance of the ball's outline from the optical axis, as a share of half the image."""
    observed = scenes.positions[:, : SCENE.frames]
    lateral = np.linalg.norm(observed[..., :2], axis=2) + SCENE.ball_radius
    return lateral / (observed[..., 2] * SCENE.field_of_view_tan)


def test_every_observed_ball_is_wholly_visible() -> None:
    assert outline_reach(SCENES).max() <= 1
    assert outline_reach(SCENES).max() > 0.95  # framed, not merely far away


def test_augmentation_keeps_the_ball_visible_and_moves_the_target_along() -> None:
    config = Augmentation(noise_level=0, rotation=True, scale=0.1)
    changed = augment_scenes(SCENES, config, np.random.default_rng(0))
    assert outline_reach(changed).max() <= 1.02  # the ball keeps its size when the path shrinks
    scale = np.linalg.norm(changed.positions, axis=2) / np.linalg.norm(SCENES.positions, axis=2)
    assert np.ptp(scale, axis=1).max() < 1e-5
    assert 0.9 - 1e-5 < scale.min() < 0.92
    assert np.abs(changed.positions[:, 40, :2] - SCENES.positions[:, 40, :2]).mean() > 0.1


def test_the_camera_does_not_know_the_future() -> None:
    short = sample_scenes(3, range(40), SCENE.model_copy(update={"ground_truth_frames": SCENE.frames}))
    assert np.array_equal(short.positions, SCENES.positions[:40, : SCENE.frames])


def test_projection_round_trip() -> None:
    points = SCENES.positions.astype(np.float64)[:, : SCENE.frames]
    assert np.allclose(unproject(project(points, SCENE), points[..., 2], SCENE), points)


def test_classes_are_balanced() -> None:
    assert np.bincount(SCENES.label).tolist() == [300] * len(FAMILIES)


def test_a_video_does_not_depend_on_its_batch() -> None:
    rows = np.arange(12)
    alone = np.concatenate([render(SCENES.rows(rows[i : i + 1]), FRAMES, SCENE) for i in rows])
    assert np.array_equal(render(SCENES.rows(rows), FRAMES, SCENE), alone)


def test_the_renderer_equals_a_plain_one() -> None:
    scenes = SCENES.rows(np.arange(6))
    fast = render(scenes, FRAMES[:3], SCENE)
    slow = np.stack([[plain_frame(scenes, n, frame) for frame in range(3)] for n in range(6)])
    assert np.abs(fast.astype(int) - slow).max() <= 1


def plain_frame(scenes: Scenes, number: int, frame: int) -> np.ndarray:
    """Draw one frame pixel by pixel."""
    x, y, z = scenes.positions[number, frame].astype(float)
    focal = SCENE.image_size / 2 / SCENE.field_of_view_tan
    column, row, radius = focal * x / z + 32, focal * y / z + 32, focal * SCENE.ball_radius / z
    image = np.empty((3, 64, 64))
    for i in range(64):
        for j in range(64):
            dx, dy = j + 0.5 - column, i + 0.5 - row
            coverage = min(1.0, max(0.0, radius - np.hypot(dx, dy) + 0.5))
            normal = np.array([dx, dy, -np.sqrt(max(0.0, radius**2 - dx**2 - dy**2))]) / radius
            shade = AMBIENT + (1 - AMBIENT) * min(1.0, max(0.0, normal @ scenes.light[number]))
            ground = scenes.background[number]
            image[:, i, j] = ground + coverage * (shade * scenes.colour[number] - ground)
    return np.floor(image + 0.5)


def probe_accuracy(features: np.ndarray) -> float:
    """Held-out accuracy of a small network that sees only these features."""
    torch.manual_seed(0)
    x = torch.from_numpy((features - features.mean(0)) / features.std(0)).float()
    y = torch.from_numpy(SCENES.label)
    model = nn.Sequential(
        nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, len(FAMILIES))
    )
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.1)
    for _ in range(120):
        loss = nn.functional.cross_entropy(model(x[:800]), y[:800])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float((model(x[800:]).argmax(1) == y[800:]).float().mean())


PIXELS = project(SCENES.positions[:, : SCENE.frames].astype(np.float64), SCENE)
SIZES = 1 / SCENES.positions[:, : SCENE.frames, 2:]
DISCS = np.concatenate([PIXELS, SIZES], axis=2)  # (N, F, 3): all that a frame shows


def test_the_probe_can_find_a_class() -> None:
    assert probe_accuracy(np.diff(DISCS[:, ::4], 2, axis=1).reshape(len(SCENES), -1)) > 0.6


@pytest.mark.parametrize("frame", [0, 8, 16, 31])
def test_a_single_frame_does_not_tell_the_class(frame: int) -> None:
    assert probe_accuracy(DISCS[:, frame]) <= 0.40


@pytest.mark.parametrize(
    "features",
    [
        pytest.param(
            np.concatenate([SCENES.colour, SCENES.background, SCENES.light], axis=1), id="appearance"
        ),
        pytest.param(
            np.linalg.norm(np.diff(PIXELS, axis=1), axis=2).mean(1, keepdims=True), id="image-speed"
        ),
        pytest.param(
            np.linalg.norm(np.diff(SCENES.positions[:, : SCENE.frames], axis=1), axis=2).mean(
                1, keepdims=True
            ),
            id="speed",
        ),
        pytest.param(SIZES.mean(1), id="size"),
    ],
)
def test_no_nuisance_tells_the_class(features: np.ndarray) -> None:
    assert probe_accuracy(features.astype(np.float64)) <= 0.40
