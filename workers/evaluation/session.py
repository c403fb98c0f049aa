"""One evaluation of a stored checkpoint, each figure beside what needs no learning."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from workers.cli import UsageError
from workers.config import TrainConfig
from workers.config_file import config_hash
from workers.data.dataset import ClipDataset, load_datasets
from workers.data.leaks import single_frame_accuracy
from workers.data.trajectories import FAMILIES
from workers.evaluation.baselines import HorizonErrors, horizon_errors, oracle
from workers.evaluation.cost import model_cost
from workers.evaluation.metrics import Evaluation, PositionErrors, evaluate
from workers.evaluation.pictures import draw_confusion
from workers.evaluation.table import Reference, evaluation_table
from workers.models.unified import UnifiedModel
from workers.runtime.atomic import replace_json, replace_text
from workers.runtime.checkpoint import Checkpoint, DamagedCheckpointError, load_checkpoint, newest_checkpoint
from workers.runtime.report import alignment_label
from workers.runtime.session import build_model, choose_device, require_same_config

EVALUATION_METRICS = "evaluation_metrics.json"
EVALUATION_TABLE = "evaluation.md"
SAMPLE_RESULTS = "sample_results.json"


def evaluate_checkpoint(config: TrainConfig, results: Path, checkpoint_name: str, device_name: str) -> str:
    """Write figures, table, confusion matrix and per-sample results into `results`; return the table."""
    torch.set_num_threads(config.run.threads)
    path, checkpoint = require_checkpoint(results, checkpoint_name)
    require_same_config(checkpoint, config, path)
    device = choose_device(device_name)
    training, validation = load_datasets(config, device)
    model = build_model(config, device)
    model.load_state_dict(checkpoint.model)
    started = time.monotonic()
    evaluation = evaluate(model, validation, config.tasks, after_batch=lambda: None)
    seconds = time.monotonic() - started
    reference = _reference(config, training, validation)
    results.mkdir(parents=True, exist_ok=True)
    figures = _figures(model, checkpoint, evaluation, reference, seconds / len(validation))
    label = alignment_label(model)
    _write(results, path, config, evaluation, {**figures, **label})
    table = evaluation_table(path.name, evaluation, reference, figures, label["alignment_label"])
    replace_text(results / EVALUATION_TABLE, table)
    draw_confusion(results, datetime.now(), evaluation.confusion)
    return table


def require_checkpoint(results: Path, name: str) -> tuple[Path, Checkpoint]:
    if name != "auto":
        try:
            return Path(name), load_checkpoint(Path(name))
        except DamagedCheckpointError as error:
            raise UsageError(f"--checkpoint: {error}") from None
    if found := newest_checkpoint(results):
        return found
    raise UsageError(f"{results} holds no checkpoint; name one with --checkpoint")


def _reference(config: TrainConfig, training: ClipDataset, validation: ClipDataset) -> Reference:
    steps = [*range(1, config.tasks.forecast.horizon + 1), config.tasks.prediction.predict_future]
    middle = int(validation.frames[len(validation.frames) // 2])
    return Reference(
        steps=tuple(steps),
        baselines=horizon_errors(training, validation, steps),
        oracle=oracle(validation, steps),
        single_frame_acc=single_frame_accuracy(training.scenes, validation.scenes, middle, config.data.scene),
    )


def _figures(
    model: UnifiedModel,
    checkpoint: Checkpoint,
    evaluation: Evaluation,
    reference: Reference,
    seconds_per_clip: float,
) -> dict[str, float]:
    found = [*evaluation.forecast, evaluation.prediction]
    figures = {
        **evaluation.figures(),
        "single_frame_acc": reference.single_frame_acc,
        "oracle_classification_acc": reference.oracle.classification_acc,
        **model_cost(model),
        "epochs": checkpoint.epoch,
        "train_seconds": checkpoint.train_seconds,
        "evaluation_ms_per_clip": 1000 * seconds_per_clip,
    }
    names = [*(f"forecast_{n}" for n in range(1, len(found))), "prediction"]
    for name, steps, errors in zip(names, reference.steps, found, strict=True):
        figures |= _beside(name, errors, steps, reference)
    return figures


def _beside(name: str, found: PositionErrors, steps: int, reference: Reference) -> dict[str, float]:
    """Name the baselines' errors at this horizon, and the skill over constant velocity."""
    beside: dict[str, HorizonErrors] = {
        f"baseline_{baseline}": errors[steps] for baseline, errors in reference.baselines.items()
    } | {"oracle": reference.oracle.errors[steps]}
    suffix = "mse" if name == "prediction" else f"{name}_mse"
    return {
        f"{name}_mse": found.mse,
        f"{name}_skill": 1 - found.mse / reference.baselines["constant_velocity"][steps].mse,
        **{f"{baseline}_{suffix}": errors.mse for baseline, errors in beside.items()},
    }


def _write(
    results: Path,
    checkpoint: Path,
    config: TrainConfig,
    evaluation: Evaluation,
    figures: Mapping[str, float | str],
) -> None:
    labels: dict[str, Any] = {
        "checkpoint": checkpoint.name,
        "classes": FAMILIES,
        "confusion": evaluation.confusion,
    }
    replace_json(results / EVALUATION_METRICS, {**figures, **labels})
    replace_json(
        results / SAMPLE_RESULTS,
        {
            "v": 1,
            "samples": sample_set(config),
            "seed": config.run.seed,
            "config_hash": config_hash(config),
            **asdict(evaluation.samples),
        },
    )


def sample_set(config: TrainConfig) -> str:
    """A name that two evaluations share when they saw the same clips."""
    data = config.data
    scene = config_hash(data.scene)[:12]
    return f"seed {data.seed}, samples {data.training_samples}..{data.num_samples - 1}, scene {scene}"
