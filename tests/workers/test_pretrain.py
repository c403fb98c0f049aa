"""Pre-training goes on where it was stopped, and training starts from what it made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.workers.conftest import StopAtCheck, tiny_config, train_here
from workers.cli import InterruptedRun, StopRequest
from workers.pretrain import main
from workers.runtime.pretraining import pretrain
from workers.runtime.session import build_model

TRANSFORMER = "model.extractor={name: transformer, patch: 16, tubelet: 4, dim: 16, layers: 1, heads: 2}"


def encoder_after(config: Path, results: Path, stop: StopRequest) -> dict[str, torch.Tensor]:
    path = pretrain(tiny_config(config, TRANSFORMER), results, resume=True, device="cpu", stop=stop)
    weights: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["encoder"]
    return weights


def test_a_stopped_pre_training_ends_with_the_same_bits(tmp_path: Path, tiny: Path) -> None:
    straight = encoder_after(tiny, tmp_path / "straight", StopRequest())
    with pytest.raises(InterruptedRun):
        encoder_after(tiny, tmp_path / "stopped", StopAtCheck(7))  # 4 batches an epoch
    assert not (tmp_path / "stopped" / "encoder.pt").exists()
    resumed = encoder_after(tiny, tmp_path / "stopped", StopRequest())
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)
    losses = json.loads((tmp_path / "stopped" / "pretraining_metrics.json").read_text())["history"]
    assert len(losses["reconstruction_loss"]) == 4


def test_training_starts_from_the_encoder(tmp_path: Path, tiny: Path) -> None:
    encoder = encoder_after(tiny, tmp_path, StopRequest())
    config = tiny_config(tiny, TRANSFORMER, f"model.extractor.weights={tmp_path / 'encoder.pt'}")
    start = build_model(config, torch.device("cpu")).extractor.state_dict()
    assert all(torch.equal(start[f"encoder.{name}"], value) for name, value in encoder.items())
    train_here(config, tmp_path / "trained", 1)


def test_another_extractor_config_or_a_torn_state_is_refused(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--config", str(tiny), "--results", str(tmp_path), "--device", "cpu"]
    assert main(options) == 2
    assert "only the transformer" in capsys.readouterr().err
    assert main([*options, "--set", TRANSFORMER, "--epochs", "1"]) == 0
    assert main([*options, "--set", TRANSFORMER, "--set", "run.seed=4", "--epochs", "1"]) == 2
    assert "another config" in capsys.readouterr().err
    (tmp_path / "pretraining.pt").write_bytes(b"torn")
    assert main([*options, "--set", TRANSFORMER, "--epochs", "1"]) == 2
    assert main([*options, "--set", TRANSFORMER, "--epochs", "1", "--resume", "never"]) == 0
