"""A dataset's bytes depend on its config alone."""

from __future__ import annotations

import fcntl
import json
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.support.eventually import eventually
from tests.workers.conftest import start, tiny_config, train_here
from workers.cli import StopRequest, UsageError
from workers.config import GenerateConfig
from workers.data.generate import generate, open_dataset
from workers.data.render import render
from workers.data.scenes import sample_scenes
from workers.generate import _parser as parser
from workers.runtime.checkpoint import newest_checkpoint

CONFIG = GenerateConfig(num_samples=70, seed=5, shard_size=16)
STOPPED = GenerateConfig(num_samples=600, seed=5, shard_size=20)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_one_and_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    hashes = [generate(tmp_path / str(count), CONFIG, count, StopRequest()) for count in (1, 2)]
    assert hashes[0] == hashes[1]
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert len(list((tmp_path / "1").glob("videos_*.npy"))) == 5


def test_videos_are_those_of_seed_and_number(tmp_path: Path) -> None:
    generate(tmp_path, CONFIG, 1, StopRequest())
    dataset = open_dataset(tmp_path)
    numbers = [69, 3, 16]
    frames = np.arange(0, 32, 2)
    expected = render(sample_scenes(5, numbers, CONFIG.scene), frames, CONFIG.scene)
    assert np.array_equal(dataset.videos.read(np.array(numbers), frames), expected)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What a generation that nothing stops writes, and its hash."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, generate(folder, STOPPED, 1, StopRequest())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 75)])
def test_a_stopped_generation_goes_on_to_the_same_bytes(
    tmp_path: Path, whole: tuple[Path, str], number: signal.Signals, status: int
) -> None:
    options = ["--num-samples", 600, "--seed", 5, "--set", "shard_size=20", "--workers", 2]
    torn = start("workers.generate", *options, "--output", tmp_path / "torn")
    eventually(lambda: list((tmp_path / "torn").glob("shard_*.json")), 30)
    torn.send_signal(number)
    torn.communicate(timeout=30)
    assert torn.returncode == status
    assert not (tmp_path / "torn" / "index.json").exists()
    written = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "torn").glob("shard_*.json")}
    with pytest.raises(UsageError, match="no complete dataset"):
        open_dataset(tmp_path / "torn")

    assert generate(tmp_path / "torn", STOPPED, 1, StopRequest()) == whole[1]
    kept = {name: (tmp_path / "torn" / name).stat().st_mtime_ns for name in written}
    assert not list((tmp_path / "torn").glob(".*.tmp"))
    assert kept == written or number == signal.SIGKILL  # an orphan may finish the shard it was at
    torn_files, whole_files = contents(tmp_path / "torn"), contents(whole[0])
    assert {name: torn_files[name] for name in whole_files} == whole_files


def test_another_config_or_a_second_writer_is_refused(tmp_path: Path) -> None:
    generate(tmp_path, CONFIG, 1, StopRequest())
    with pytest.raises(UsageError, match="another config"):
        generate(tmp_path, CONFIG.model_copy(update={"seed": 6}), 1, StopRequest())
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another generator"):
            generate(tmp_path, CONFIG, 1, StopRequest())


def test_a_missing_shard_file_is_written_again(tmp_path: Path) -> None:
    generate(tmp_path, CONFIG, 1, StopRequest())
    before = contents(tmp_path)
    (tmp_path / "videos_00002.npy").unlink()
    (tmp_path / "scenes_00003.npy").write_bytes(b"torn")
    generate(tmp_path, CONFIG, 1, StopRequest())
    assert contents(tmp_path) == before


def test_training_from_a_directory_equals_training_from_the_seed(tmp_path: Path, tiny: Path) -> None:
    generate(tmp_path / "data", GenerateConfig(num_samples=48, shard_size=20), 1, StopRequest())
    stored = tiny_config(tiny, "data.source=directory", f"data.directory={tmp_path / 'data'}")
    train_here(stored, tmp_path / "a", 2)
    train_here(tiny_config(tiny), tmp_path / "b", 2)
    histories = [newest_checkpoint(tmp_path / name)[1].history for name in "ab"]  # type: ignore[index]
    assert histories[0] == histories[1]


def test_a_directory_of_another_seed_is_refused(tmp_path: Path, tiny: Path) -> None:
    generate(tmp_path / "data", GenerateConfig(num_samples=48, seed=1), 1, StopRequest())
    config = tiny_config(tiny, "data.source=directory", f"data.directory={tmp_path / 'data'}")
    with pytest.raises(UsageError, match="another seed"):
        train_here(config, tmp_path / "results", 1)


def test_the_index_says_what_the_directory_holds(tmp_path: Path) -> None:
    dataset_hash = generate(tmp_path, CONFIG, 1, StopRequest())
    index = json.loads((tmp_path / "index.json").read_text())
    assert index["dataset_hash"] == dataset_hash
    assert sum(shard["samples"] for shard in index["shards"]) == 70
    assert index["classes"] == ["linear", "circular", "helical", "parabolic"]


def test_a_shard_holds_two_thousand_samples_and_four_processes_write() -> None:
    assert GenerateConfig().shard_size == 2000
    assert parser().parse_args(["--output", "data"]).workers == 4
