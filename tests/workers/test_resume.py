"""A run that was stopped, killed or damaged ends with the same bits as one that was not."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.eventually import eventually
from tests.workers.conftest import StopAtCheck, start, tiny_config, train_here
from workers.cli import InterruptedRun, StopRequest, UsageError
from workers.runtime.checkpoint import (
    Checkpoint,
    Position,
    checkpoint_path,
    list_checkpoints,
    load_checkpoint,
    newest_checkpoint,
    position_of,
    save_checkpoint,
)
from workers.runtime.rng import restore_rng, rng_state, seed_everything
from workers.runtime.session import train
from workers.train import main as train_main

CONV = "model.extractor={name: factorized_conv, channels: 2, dim: 16, temporal_layers: 1}"


def newest(results: Path) -> Checkpoint:
    found = newest_checkpoint(results)
    assert found
    return found[1]


def assert_same_state(a: Checkpoint, b: Checkpoint) -> None:
    assert (a.epoch, a.batch, a.history, a.loss_sums) == (b.epoch, b.batch, b.history, b.loss_sums)
    assert a.model.keys() == b.model.keys()
    assert all(torch.equal(a.model[name], b.model[name]) for name in a.model)
    for index, state in a.optimizer["state"].items():
        assert all(torch.equal(state[name], b.optimizer["state"][index][name]) for name in state)
    assert a.optimizer["param_groups"] == b.optimizer["param_groups"]
    assert (a.schedule, a.config_hash) == (b.schedule, b.config_hash)
    assert a.rng["python"] == b.rng["python"]
    assert all(torch.equal(torch.as_tensor(one), torch.as_tensor(other)) for one, other in _generators(a, b))


def _generators(a: Checkpoint, b: Checkpoint) -> list[tuple[object, object]]:
    name, *numpy_a = a.rng["numpy"]
    other, *numpy_b = b.rng["numpy"]
    assert name == other
    return [(a.rng["torch"], b.rng["torch"]), *zip(numpy_a, numpy_b, strict=True)]


def evidence(results: Path) -> dict[str, object]:
    """What a run leaves, but for what it cost."""
    found = json.loads((results / "final_metrics.json").read_text())
    kept = [path.name for path in list_checkpoints(results)]
    cost = {"train_seconds", "peak_memory_mb"}
    return {"kept": kept, **{name: value for name, value in found.items() if name not in cost}}


# No loss is better by a thousand: the third epoch is the last.
EARLY = "optim.early_stopping={patience: 2, min_delta: 1000}"


@pytest.mark.parametrize("override", ["run.seed=0", CONV, EARLY])
def test_two_epochs_and_two_more_equal_four(tmp_path: Path, tiny: Path, override: str) -> None:
    config = tiny_config(tiny, override)
    train_here(config, tmp_path / "straight", 4)
    train_here(config, tmp_path / "resumed", 2)
    half = newest(tmp_path / "resumed")
    train_here(config, tmp_path / "resumed", 4)
    assert_same_state(newest(tmp_path / "straight"), newest(tmp_path / "resumed"))
    assert evidence(tmp_path / "straight") == evidence(tmp_path / "resumed")
    assert newest(tmp_path / "resumed").epoch == (3 if override == EARLY else 4)
    assert half.epoch == 2
    assert any(not torch.equal(half.model[k], newest(tmp_path / "resumed").model[k]) for k in half.model)


def test_the_verified_checkpoint_is_gone_on_from_until_there_is_an_own(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config, results = tiny_config(tiny), tmp_path / "r"
    train_here(config, results, 1)
    train_here(config, results, 2)
    verified, refused = (checkpoint_path(results, Position(epoch, 0)) for epoch in (1, 2))
    began = refused.stat().st_mtime + 0.001
    (results / "heartbeat.json").write_text(json.dumps({"started": began}))
    monkeypatch.setenv("ORCHESTRATOR_CHECKPOINT", str(verified))
    train_here(config, results, 2)
    assert "resuming from checkpoint_epoch_1.pt" in capsys.readouterr().out
    train_here(config, results, 3)
    assert "resuming from checkpoint_epoch_2.pt" in capsys.readouterr().out


@pytest.mark.parametrize("look", [1, 3, 4, 5, 9])  # 4 batches of training and 1 of validation per epoch
def test_a_stop_at_any_batch_changes_nothing(tmp_path: Path, tiny: Path, look: int) -> None:
    config = tiny_config(tiny)
    train_here(config, tmp_path / "straight", 2)
    with pytest.raises(InterruptedRun, match="resumable from"):
        train_here(config, tmp_path / "stopped", 2, StopAtCheck(look))
    assert newest(tmp_path / "stopped").batch == (look - 1) % 5 + 1 - (look % 5 == 0)
    train_here(config, tmp_path / "stopped", 2)
    assert_same_state(newest(tmp_path / "straight"), newest(tmp_path / "stopped"))


def test_sigterm_saves_and_exits_75_and_the_next_run_goes_on(tmp_path: Path, tiny: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    options = ["--config", tiny, "--set", "optim.epochs=1000", "--device", "cpu"]
    run = start("workers.train", *options, ORCHESTRATOR_RESULTS=str(results))
    eventually(lambda: (results / "validation_metrics.json").exists(), 60)
    run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=10)
    assert run.returncode == 75, errors
    stopped = newest(results)
    progress = json.loads((results / "progress.json").read_text())
    assert progress["checkpoint"] == checkpoint_path(results, Position(stopped.epoch, stopped.batch)).name
    assert progress["total"] == 1000
    assert str(progress["checkpoint"]) in errors

    target = stopped.epoch + 2
    config = tiny_config(tiny, "optim.epochs=1000")
    train_here(config, results, target)
    train_here(config, tmp_path / "straight", target)
    assert_same_state(newest(tmp_path / "straight"), newest(results))


def test_sigkill_loses_no_more_than_the_last_interval(tmp_path: Path, tiny: Path) -> None:
    results = tmp_path / "results"
    run = start("workers.train", "--config", tiny, "--set", "optim.epochs=1000", "--results", results)
    eventually(lambda: len(list_checkpoints(results)) >= 2, 60)
    run.kill()
    run.communicate(timeout=10)
    assert run.returncode == -signal.SIGKILL
    config = tiny_config(tiny, "optim.epochs=1000")
    (results / ".checkpoint_epoch_9.pt.1.tmp").write_bytes(b"half a checkpoint")
    target = newest(results).epoch + 1
    train_here(config, results, target)
    train_here(config, tmp_path / "straight", target)
    assert_same_state(newest(tmp_path / "straight"), newest(results))
    assert not list(results.glob(".*.tmp"))


@pytest.mark.parametrize("damage", ["torn", "flipped", "without sha256"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, tiny: Path, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tiny_config(tiny)
    train_here(config, tmp_path / "straight", 4)
    train_here(config, tmp_path / "hurt", 3)
    path = checkpoint_path(tmp_path / "hurt", Position(3, 0))
    content = path.read_bytes()
    if damage == "torn":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    else:
        path.with_name(path.name + ".sha256").unlink()
    capfd.readouterr()
    train_here(config, tmp_path / "hurt", 4)
    said = capfd.readouterr()
    assert "checkpoint_epoch_3.pt" in said.err
    assert "resuming from checkpoint_epoch_2.pt" in said.out
    assert_same_state(newest(tmp_path / "straight"), newest(tmp_path / "hurt"))


def test_another_config_is_refused_and_a_longer_gentler_one_is_not(tmp_path: Path, tiny: Path) -> None:
    train_here(tiny_config(tiny), tmp_path / "results", 1)
    with pytest.raises(UsageError, match=r"optim\.weight_decay was 0\.01, is 0\.5"):
        train_here(tiny_config(tiny, "optim.weight_decay=0.5"), tmp_path / "results", 2)
    gentler = ["optim.epochs=6", "optim.learning_rate=1e-4", "checkpoint.interval_epochs=5"]
    train_here(tiny_config(tiny, *gentler), tmp_path / "results", 2)
    assert newest(tmp_path / "results").epoch == 2


def test_starting_over_sets_the_old_run_aside(tmp_path: Path, tiny: Path) -> None:
    config = tiny_config(tiny)
    train_here(config, tmp_path, 4)
    assert (tmp_path / "final_metrics.json").exists()
    train(config, tmp_path, 1, "never", "cpu", StopRequest())
    assert [position_of(path) for path in list_checkpoints(tmp_path)] == [(1, 0)]
    assert not (tmp_path / "final_metrics.json").exists()
    assert load_checkpoint(tmp_path / "superseded" / "checkpoint_epoch_4.pt").epoch == 4


def test_the_newest_and_the_best_checkpoints_are_kept(tmp_path: Path, tiny: Path) -> None:
    config = tiny_config(
        tiny, "optim.epochs=7", "checkpoint={interval_epochs: 2, keep_last: 1, keep_best: 2}"
    )
    train_here(config, tmp_path, 7)
    losses = newest(tmp_path).history["total_loss"]
    best = sorted((2, 4, 6, 7), key=lambda epoch: losses[epoch - 1])[:2]
    assert {position_of(path).epoch for path in list_checkpoints(tmp_path)} == {*best, 7}


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path: Path, tiny: Path) -> None:
    train_here(tiny_config(tiny), tmp_path, 1)
    good = newest(tmp_path)
    unwritable = {"lock": (_ for _ in ())}  # a generator cannot be pickled
    with pytest.raises(TypeError):
        save_checkpoint(tmp_path, Checkpoint(**{**_fields(good), "rng": unwritable}))
    assert_same_state(newest(tmp_path), good)
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that can be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(
    tmp_path: Path,
    tiny: Path,
    small_disk: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tiny_config(tiny)
    train_here(config, small_disk, 2)
    fill = small_disk / "fill"
    with fill.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    options = ["--config", str(tiny), "--results", str(small_disk), "--device", "cpu"]
    monkeypatch.setattr(StopRequest, "listen", lambda self: self)  # this process keeps its handlers
    assert train_main(options) == 1
    said = capsys.readouterr().err
    assert "No space left" in said
    assert "goes on from checkpoint_epoch_2.pt" in said
    assert "Traceback" not in said
    fill.unlink()
    train_here(config, small_disk, 4)
    train_here(config, tmp_path / "straight", 4)
    assert_same_state(newest(tmp_path / "straight"), newest(small_disk))


def _fields(checkpoint: Checkpoint) -> dict[str, object]:
    return {name: getattr(checkpoint, name) for name in checkpoint.__slots__}


def test_every_random_generator_is_restored() -> None:
    seed_everything(4)
    state = rng_state()
    drawn = (random.random(), np.random.rand(3).tolist(), torch.rand(3).tolist())
    restore_rng(state)
    assert drawn == (random.random(), np.random.rand(3).tolist(), torch.rand(3).tolist())
