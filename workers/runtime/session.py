"""One run of training: assembled from a config, resumed where possible, its evidence written."""

import json
import math
import os
import sys
from datetime import datetime
from pathlib import Path

import torch

from workers.cli import NotWritten, StopRequest, UsageError
from workers.config import TrainConfig
from workers.config_file import RESUMABLE_CHANGES, config_hash, flatten
from workers.data.augment import NoiseBank
from workers.data.dataset import ClipDataset, TrainingBatches, load_datasets
from workers.evaluation.baselines import baseline_errors
from workers.extractors import build_extractor
from workers.models.clip_text import describe
from workers.models.unified import UnifiedModel
from workers.result_syncer import ResultSyncer
from workers.runtime.atomic import remove_leftovers, replacing
from workers.runtime.checkpoint import (
    Checkpoint,
    DamagedCheckpointError,
    list_checkpoints,
    load_checkpoint,
    newest_checkpoint,
    set_aside,
)
from workers.runtime.report import (
    FINAL_METRICS,
    TRAINING_CURVES,
    VALIDATION_METRICS,
    alignment_label,
    draw_curves,
    write_metrics,
)
from workers.runtime.rng import seed_everything
from workers.runtime.trainer import Trainer

EVIDENCE = (VALIDATION_METRICS, FINAL_METRICS, TRAINING_CURVES)


def train(
    config: TrainConfig, results: Path, target_epochs: int, resume: str, device_name: str, stop: StopRequest
) -> None:
    """Train up to `target_epochs` and write metrics, curves and checkpoints into `results`.

    Raises:
        NotWritten: the disk takes nothing more; the last whole checkpoint is named.
    """
    torch.set_num_threads(config.run.threads)
    syncer = ResultSyncer(
        results, config.run.heartbeat_s, config.checkpoint.interval_epochs, branch=config.run.branch
    )
    remove_leftovers(results, "checkpoint_")
    checkpoint = _checkpoint_to_resume(results, resume, config)
    done = checkpoint.epoch if checkpoint else 0
    syncer.update_heartbeat("preparing data", step=done, total=target_epochs)
    device = choose_device(device_name)
    if device.type == "cuda" and config.run.gpu_memory_share:
        torch.cuda.set_per_process_memory_fraction(config.run.gpu_memory_share, device)
    trainer = _assemble(config, device, syncer, stop)
    if checkpoint:
        trainer.restore(checkpoint)
    try:
        trainer.run(target_epochs)
        _write_evidence(trainer)
    except OSError as error:
        raise NotWritten(_not_written(results, error)) from error


def _not_written(results: Path, error: OSError) -> str:
    whole = list_checkpoints(results)
    goes_on = f"from {whole[-1].name}" if whole else "from the beginning"
    return f"{results} cannot be written to: {error.strerror or error}; the next run goes on {goes_on}"


def choose_device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {name}: {str(error).splitlines()[0]}") from None


def build_model(config: TrainConfig, device: torch.device) -> UnifiedModel:
    extractor = build_extractor(config.model.extractor, config.data)
    bf16 = config.run.precision == "bf16"
    model = UnifiedModel(extractor, config.tasks.forecast.horizon, bf16=bf16)
    if alignment := config.tasks.alignment:
        model.align_with(describe(alignment.text_model), learns_temperature=alignment.objective == "infonce")
    model.to(device)
    if device.type == "cpu":  # convolutions take a fifth less time
        model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if config.run.compile:
        extractor.compile()  # in place: the names in a checkpoint stay
    return model


def require_same_config(checkpoint: Checkpoint, config: TrainConfig, path: Path) -> None:
    """Raises UsageError that names what differs, unless only the resumable keys do."""
    if checkpoint.config_hash == config_hash(config):
        return
    now = flatten(config)
    names = sorted((now.keys() | checkpoint.config.keys()) - RESUMABLE_CHANGES)
    differing = [
        f"{name} was {checkpoint.config.get(name)!r}, is {now.get(name)!r}"
        for name in names
        if checkpoint.config.get(name) != now.get(name)
    ]
    raise UsageError(
        f"{path} is from another config: {'; '.join(differing)}. "
        "Go on with that config, choose another --results, or start over with --resume never"
    )


def _checkpoint_to_resume(results: Path, resume: str, config: TrainConfig) -> Checkpoint | None:
    if resume == "never":
        set_aside(results, EVIDENCE)
        return None
    if resume == "auto":
        found = _verified_checkpoint(results) or newest_checkpoint(results)
    else:
        try:
            found = Path(resume), load_checkpoint(Path(resume))
        except DamagedCheckpointError as error:
            raise UsageError(f"--resume: {error}") from None
    if found is None:
        return None
    path, checkpoint = found
    require_same_config(checkpoint, config, path)
    print(f"resuming from {path.name}: epoch {checkpoint.epoch}, batch {checkpoint.batch}", flush=True)
    return checkpoint


def _verified_checkpoint(results: Path) -> tuple[Path, Checkpoint] | None:
    """The checkpoint the orchestrator has verified for this attempt, where it is one of these results.

    Once the attempt has saved some of its own, as an earlier command of it may have, those count.
    """
    path = Path(os.environ.get("ORCHESTRATOR_CHECKPOINT") or os.devnull)
    if path.parent.resolve() != results.resolve() or not path.is_file():
        return None
    began = _attempt_began(results)
    if any(saved.stat().st_mtime >= began for saved in list_checkpoints(results)):
        return None
    try:
        return path, load_checkpoint(path)
    except DamagedCheckpointError as error:
        print(f"verified checkpoint: {error}; looking for another", file=sys.stderr)
        return None


def _attempt_began(results: Path) -> float:
    """By the host's clock, as the supervisor noted it; infinity where none did."""
    try:
        return float(json.loads((results / "heartbeat.json").read_text())["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return math.inf


def _assemble(config: TrainConfig, device: torch.device, syncer: ResultSyncer, stop: StopRequest) -> Trainer:
    seed_everything(config.run.seed)
    training, validation = load_datasets(config, device)
    baselines = baseline_errors(training, validation, config.tasks.prediction.predict_future)
    model = build_model(config, device)
    model.standardise(training.targets())
    return Trainer(
        config=config,
        model=model,
        optimizer=torch.optim.AdamW(
            model.parameters(), lr=config.optim.learning_rate, weight_decay=config.optim.weight_decay
        ),
        batches=_training_batches(config, training, device),
        validation=validation,
        baselines=baselines,
        syncer=syncer,
        stop=stop,
    )


def _training_batches(config: TrainConfig, training: ClipDataset, device: torch.device) -> TrainingBatches:
    return TrainingBatches(
        dataset=training,
        noise=NoiseBank.drawn(config.run.seed, device),
        batch_size=config.optim.batch_size,
        seed=config.run.seed,
    )


def _write_evidence(trainer: Trainer) -> None:
    results, history = trainer.syncer.local_results_dir, trainer.progress.history
    label = alignment_label(trainer.model)
    write_metrics(results / VALIDATION_METRICS, trainer.figures(), history, label)
    if trainer.is_finished:
        write_metrics(results / FINAL_METRICS, trainer.figures(), history, label)
    curves = results / TRAINING_CURVES
    draw_curves(curves, history)
    if trainer.is_finished and curves.exists():  # under a name that tells it apart from other runs' as well
        with replacing(results / f"{datetime.now():%Y%m%d_%H%M}_{TRAINING_CURVES}") as file:
            file.write(curves.read_bytes())
