"""A sound dataset passes, and each kind of flaw is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from workers.cli import StopRequest
from workers.config import GenerateConfig, SceneConfig
from workers.data.generate import generate
from workers.data.leaks import probe_leaks
from workers.data.scenes import sample_scenes
from workers.validate import main

CONFIG = GenerateConfig(num_samples=1200, seed=3, shard_size=600)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("data")
    generate(directory, CONFIG, 1, StopRequest())
    return directory


def validated(dataset: Path, output: Path) -> tuple[int, dict[str, bool]]:
    status = main(["--data", str(dataset), "--output", str(output)])
    report = json.loads((output / "validation_report.json").read_text())
    return status, {one["check"]: one["ok"] for one in report["findings"]}


def test_a_sound_dataset_passes_and_gets_a_card(dataset: Path, tmp_path: Path) -> None:
    status, found = validated(dataset, tmp_path)
    assert (status, set(found.values())) == (0, {True})
    assert {"balance", "analytic residual", "single frame", "shuffled frames"} < found.keys()
    assert "valid" in (tmp_path / "validation_report.txt").read_text()
    card = (tmp_path / "DATASET_CARD.md").read_text()
    assert "| helical | 300 |" in card
    assert "--num-samples 1200 --seed 3" in card
    assert (tmp_path / "samples.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_labels_and_shifted_balls_are_found(tmp_path: Path) -> None:
    generate(tmp_path, CONFIG.model_copy(update={"num_samples": 80}), 1, StopRequest())
    scenes = np.load(tmp_path / "scenes_00000.npy")
    scenes["label"][0] = 3  # a line that is said to be a parabola
    np.save(tmp_path / "scenes_00000.npy", scenes)
    videos = np.load(tmp_path / "videos_00000.npy")
    np.save(tmp_path / "videos_00000.npy", np.roll(videos, 3, axis=-1))
    status, found = validated(tmp_path, tmp_path / "report")
    assert status == 4
    assert not found["files"]
    assert not found["balance"]
    assert not found["drawn ball"]
    assert not found["analytic residual"]
    assert found["centres in frame"]


def test_an_unfinished_dataset_is_wrong_usage(tmp_path: Path) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    (tmp_path / "index.json").write_text('{"con')
    assert main(["--data", str(tmp_path)]) == 4


def test_a_probe_finds_a_class_that_leaks() -> None:
    scene = SceneConfig()
    scenes = sample_scenes(3, range(1200), scene)
    observed = scenes.positions[:, : scene.frames].copy()
    assert probe_leaks(observed, scenes.label, scene).single_frame <= 0.40
    observed[..., 2] += 0.3 * scenes.label[:, None]
    assert probe_leaks(observed, scenes.label, scene).single_frame > 0.45
