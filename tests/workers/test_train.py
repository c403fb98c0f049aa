"""What a run leaves behind, and how it fails."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from subprocess import run as run_process

import pytest
import torch

from tests.workers.conftest import ROOT, start, tiny_config, train_here
from workers.cli import UsageError
from workers.config import OptimConfig, TrainConfig
from workers.config_file import config_hash, load_config
from workers.evaluate import main as evaluate_main
from workers.evaluation.metrics import calibration_error
from workers.result_syncer import ResultSyncer
from workers.runtime.checkpoint import list_checkpoints, load_checkpoint
from workers.runtime.status import StatusFile
from workers.runtime.trainer import epochs_without_gain, learning_rate
from workers.train import main as train_main

WANTED = {"classification_acc", "prediction_mse", "total_loss", "model_parameters", "train_seconds", "epochs"}


def test_a_part_of_the_run_leaves_validation_metrics_and_the_whole_final_ones(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_RESULTS", str(tmp_path))
    config = tiny_config(tiny, "run.branch=branch1")
    train_here(config, tmp_path, 2)
    assert not (tmp_path / "final_metrics.json").exists()
    assert json.loads((tmp_path / "validation_metrics.json").read_text())["epochs"] == 2
    train_here(config, tmp_path, 4)
    metrics = json.loads((tmp_path / "final_metrics.json").read_text())
    history = metrics.pop("history")
    assert metrics.pop("alignment_label") == "not_run"
    assert metrics.keys() >= WANTED
    assert all(isinstance(value, int | float) and math.isfinite(value) for value in metrics.values())
    assert {len(values) for values in history.values()} == {4}
    assert history["total_loss"][-1] == metrics["total_loss"]
    assert metrics["prediction_skill"] == pytest.approx(
        1 - metrics["prediction_mse"] / metrics["baseline_constant_velocity_mse"]
    )
    assert metrics["baseline_constant_velocity_mse"] < metrics["baseline_last_position_mse"]
    assert metrics["baseline_last_position_mse"] < metrics["baseline_mean_mse"]
    curves = (tmp_path / "training_curves.png").read_bytes()
    assert curves.startswith(b"\x89PNG")
    [dated] = tmp_path.glob("*_training_curves.png")
    assert re.match(r"\d{8}_\d{4}_", dated.name)
    assert dated.read_bytes() == curves
    assert {path.name for path in tmp_path.iterdir()} >= {
        "checkpoint_epoch_4.pt",
        "PROGRESS.txt",
        "branch1_status.json",
    }
    assert min(metrics["train_seconds"], metrics["model_size_mb"]) > 0


def test_a_loss_that_is_not_finite_exits_70_and_keeps_the_good_checkpoint(tmp_path: Path, tiny: Path) -> None:
    train_here(tiny_config(tiny), tmp_path, 2)
    options = ["--config", tiny, "--results", tmp_path, "--device", "cpu"]
    wild = start("workers.train", *options, "--set", "optim.learning_rate=1e25")
    _, errors = wild.communicate(timeout=60)
    assert wild.returncode == 70, errors
    assert "not finite" in errors
    assert "Traceback" not in errors
    newest = list_checkpoints(tmp_path)[-1]
    assert newest.name == "checkpoint_epoch_2.pt"
    assert load_checkpoint(newest).epoch == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "optim.epoch=3"], "optim.epoch"),
        (["--set", "model.extractor.name=unheard_of"], "unheard_of"),
        (["--set", "data.validation_fraction=1.5"], "validation_fraction"),
        (["--set", "optim.learning_rate=-1"], "learning_rate"),
        (["--set", "tasks.prediction.predict_future=99"], "ground_truth_frames"),
        (["--epochs", "9"], "1..4"),
        (["--set", "nonsense"], "KEY=VALUE"),
        (["--resume", "absent.pt"], "absent.pt"),
        (["--device", "toaster"], "toaster"),
        (["--results", "/dev/null/results"], "/dev/null/results cannot be a folder"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert train_main(["--config", str(tiny), "--results", str(tmp_path), *arguments]) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.startswith("workers.train: error: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("text", ["- a list", "a: [", "a: 1\na: {"])
def test_a_file_that_is_no_config_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    assert train_main(["--config", str(tmp_path / "bad.yaml"), "--results", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_hash_ignores_only_what_may_change_on_resume(tiny: Path) -> None:
    base = config_hash(tiny_config(tiny))
    assert config_hash(tiny_config(tiny, "optim.epochs=9", "optim.learning_rate=1e-5")) == base
    assert config_hash(tiny_config(tiny, "run.seed=1")) != base
    assert config_hash(tiny_config(tiny, "data.augmentation.rotation=false")) != base


def test_the_learning_rate_rises_to_its_peak_and_falls_to_a_hundredth() -> None:
    config = OptimConfig(epochs=1, learning_rate=2.0, warmup_fraction=0.1)
    rates = [learning_rate(step, 100, config) for step in range(101)]
    assert rates[0] < 0.2
    assert max(rates) == rates[10] == 2.0
    assert rates == sorted(rates[:11]) + sorted(rates[11:], reverse=True)
    assert rates[-1] == pytest.approx(0.02)


def test_evaluation_repeats_the_figures_of_training(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_here(tiny_config(tiny), tmp_path, 2)
    options = ["--config", str(tiny), "--results", str(tmp_path), "--device", "cpu"]
    assert evaluate_main(options) == 0
    found = json.loads((tmp_path / "evaluation_metrics.json").read_text())
    trained = json.loads((tmp_path / "validation_metrics.json").read_text())
    assert found["prediction_mse"] == trained["prediction_mse"]
    assert sum(map(sum, found["confusion"])) == 12
    assert "helical" in capsys.readouterr().out
    assert 0 <= found["oracle_classification_acc"] <= 1
    assert found["oracle_mse"] < found["baseline_constant_velocity_mse"]
    assert found["forecast_1_skill"] == pytest.approx(
        1 - found["forecast_1_mse"] / found["baseline_constant_velocity_forecast_1_mse"]
    )
    samples = json.loads((tmp_path / "sample_results.json").read_text())
    assert sum(samples["hit"]) / 12 == pytest.approx(found["classification_acc"])
    assert sum(samples["prediction_mse"]) / 12 == pytest.approx(found["prediction_mse"])
    [picture] = tmp_path.glob("*_confusion_matrix.png")
    assert re.match(r"\d{8}_\d{4}_", picture.name)
    assert evaluate_main([*options[:2], "--results", str(tmp_path / "empty")]) == 2
    assert evaluate_main([*options, "--checkpoint", "absent.pt"]) == 2


def test_the_syncer_reports_at_most_once_per_interval_but_every_new_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_RESULTS", str(tmp_path))
    now = [100.0]
    syncer = ResultSyncer(tmp_path, heartbeat_interval=30, checkpoint_interval=2, clock=lambda: now[0])
    assert syncer.update_heartbeat("begun", step=0, total=9, metrics={"loss": 2.0})
    assert not syncer.update_heartbeat("too soon")
    assert syncer.update_heartbeat("an epoch", step=1)
    now[0] += 31
    assert syncer.update_heartbeat("still here")
    written = json.loads((tmp_path / "progress.json").read_text())
    assert (written["message"], written["step"], written["total"]) == ("still here", 1, 9)
    assert written["metrics"] == {"loss": 2.0}
    assert [epoch for epoch in range(1, 6) if syncer.checkpoint_due(epoch)] == [2, 4]


def test_the_status_of_a_branch_is_one_line_of_a_monitor(tmp_path: Path, tiny: Path) -> None:
    train_here(tiny_config(tiny, "run.branch=team/branch1"), tmp_path, 2)
    status = json.loads((tmp_path / "team-branch1_status.json").read_text())
    figures = json.loads((tmp_path / "validation_metrics.json").read_text())
    assert (status["branch"], status["epoch"], status["epochs"]) == ("team/branch1", 2, 2)
    assert status["accuracy"] == figures["classification_acc"]
    assert (status["loss"], status["mae"]) == (figures["total_loss"], figures["forecast_mae"])


def test_the_status_is_renewed_between_epochs_and_named_after_the_workstream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_WORKSTREAM", "i3d")
    now = [0.0]
    status = StatusFile(tmp_path, None, clock=lambda: now[0])
    path = tmp_path / "i3d_status.json"
    status.write("begun", 0, 4, {})
    now[0] = 59
    status.write("too soon", 0, 4, {})
    assert json.loads(path.read_text())["message"] == "begun"
    now[0] = 61
    status.write("later", 0, 4, {})
    assert json.loads(path.read_text())["message"] == "later"
    now[0] = 100
    status.write("an epoch", 1, 4, {"total_loss": 2.0})
    assert json.loads(path.read_text())["eta_s"] == 300


def test_help_and_bad_configs_do_not_load_torch() -> None:
    program = (
        "import sys, workers, workers.train, workers.evaluate, workers.generate\n"
        "workers.train.main(['--config', 'absent.yaml'])\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert (
        run_process([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=60).returncode
        == 0
    )


def test_training_needs_no_torchvision() -> None:
    program = (
        "import sys; sys.modules['torchvision'] = None\n"
        "import workers.runtime.session, workers.evaluation.session"
    )
    assert run_process([sys.executable, "-c", program], cwd=ROOT, timeout=60).returncode == 0


@pytest.mark.parametrize(
    "path", sorted((ROOT / "workers" / "configs").glob("*.yaml")), ids=lambda path: path.stem
)
def test_packaged_configs_are_valid(path: Path) -> None:
    assert load_config(TrainConfig, path).optim.epochs >= 8


def test_an_unreadable_config_names_itself(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.yaml"):
        load_config(TrainConfig, tmp_path / "absent.yaml")


def test_training_ends_when_no_epoch_helps_any_more(tmp_path: Path, tiny: Path) -> None:
    # No loss is better by a thousand: the first epoch counts, the next two are the patience.
    config = tiny_config(tiny, "optim.early_stopping={patience: 2, min_delta: 1000}")
    train_here(config, tmp_path, 4)
    found = json.loads((tmp_path / "final_metrics.json").read_text())
    assert found["epochs"] == 3
    assert [path.name for path in list_checkpoints(tmp_path)][-1] == "checkpoint_epoch_3.pt"
    train_here(config, tmp_path, 4)
    assert json.loads((tmp_path / "final_metrics.json").read_text())["epochs"] == 3


@pytest.mark.parametrize(
    ("losses", "idle"),
    [
        ([], 0),
        ([3.0], 0),
        ([3.0, 2.0, 1.0], 0),
        ([1.0, 2.0, 3.0], 2),
        ([3.0, 1.0, 2.0, 0.5], 0),
        ([1.0, 1.0], 1),
    ],
)
def test_epochs_without_gain(losses: list[float], idle: int) -> None:
    assert epochs_without_gain(losses, 0.0) == idle


def test_calibration_error() -> None:
    sure_and_right = torch.tensor([1.0, 1.0]), torch.tensor([True, True])
    sure_and_half_right = torch.tensor([1.0, 1.0]), torch.tensor([True, False])
    assert calibration_error(*sure_and_right) == 0
    assert calibration_error(*sure_and_half_right) == pytest.approx(0.5)
