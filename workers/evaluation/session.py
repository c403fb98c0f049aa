"""One evaluation of a stored checkpoint."""

from pathlib import Path

import torch

from workers.cli import UsageError
from workers.config import TrainConfig
from workers.data.dataset import load_datasets
from workers.data.trajectories import FAMILIES
from workers.evaluation.baselines import BaselineErrors, baseline_errors
from workers.evaluation.metrics import Evaluation, evaluate
from workers.runtime.atomic import replace_json
from workers.runtime.checkpoint import Checkpoint, load_checkpoint, newest_checkpoint
from workers.runtime.session import build_model, choose_device, require_same_config

EVALUATION_METRICS = "evaluation_metrics.json"


def evaluate_checkpoint(config: TrainConfig, results: Path, checkpoint_name: str, device_name: str) -> None:
    """Print the figures and write them, with the confusion matrix, into `results`."""
    torch.set_num_threads(config.run.threads)
    path, checkpoint = _require_checkpoint(results, checkpoint_name)
    require_same_config(checkpoint, config, path)
    device = choose_device(device_name)
    training, validation = load_datasets(config, device)
    model = build_model(config, device)
    model.load_state_dict(checkpoint.model)
    evaluation = evaluate(model, validation, config.tasks, after_batch=lambda: None)
    baselines = baseline_errors(training, validation, config.tasks.prediction.predict_future)
    results.mkdir(parents=True, exist_ok=True)
    _write(results / EVALUATION_METRICS, path, evaluation, baselines)
    _print(path, evaluation, baselines)


def _require_checkpoint(results: Path, name: str) -> tuple[Path, Checkpoint]:
    if name != "auto":
        return Path(name), load_checkpoint(Path(name))
    if found := newest_checkpoint(results):
        return found
    raise UsageError(f"{results} holds no checkpoint; name one with --checkpoint")


def _write(path: Path, checkpoint: Path, evaluation: Evaluation, baselines: BaselineErrors) -> None:
    replace_json(
        path,
        {
            **evaluation.figures(),
            "prediction_skill": baselines.skill(evaluation.prediction.mse),
            "baseline_mean_mse": baselines.mean,
            "baseline_last_position_mse": baselines.last_position,
            "baseline_constant_velocity_mse": baselines.constant_velocity,
            "checkpoint": checkpoint.name,
            "classes": FAMILIES,
            "confusion": evaluation.confusion,
        },
    )


def _print(path: Path, evaluation: Evaluation, baselines: BaselineErrors) -> None:
    print(f"{path.name}")
    for name, value in evaluation.figures().items():
        print(f"  {name:<22} {value:.4f}")
    skill = baselines.skill(evaluation.prediction.mse)
    print(f"  {'prediction_skill':<22} {skill:.4f}  (0: constant velocity, 1: exact)")
    print("\n" + " " * 12 + "".join(f"{family:>11}" for family in FAMILIES) + "   <- predicted")
    for family, row in zip(FAMILIES, evaluation.confusion, strict=True):
        print(f"{family:>12}" + "".join(f"{count:>11}" for count in row))
