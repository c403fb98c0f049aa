"""The training loop: deterministic, interruptible after every batch, resumable bit for bit."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from workers.cli import DivergedError, InterruptedRun, StopRequest
from workers.config import OptimConfig, TrainConfig
from workers.config_file import config_hash, flatten
from workers.data.dataset import ClipDataset, Clips, TrainingBatches
from workers.evaluation.baselines import BaselineErrors
from workers.evaluation.cost import model_cost
from workers.evaluation.metrics import Evaluation, evaluate
from workers.models.losses import multi_task_loss
from workers.models.unified import UnifiedModel
from workers.result_syncer import ResultSyncer
from workers.runtime.checkpoint import Checkpoint, list_checkpoints, position_of, prune_checkpoints
from workers.runtime.report import VALIDATION_METRICS, alignment_label, write_metrics
from workers.runtime.rng import restore_rng, rng_state


@dataclass(slots=True)
class Progress:
    epoch: int = 0  # completed
    batch: int = 0  # done in the next one
    loss_sums: dict[str, float] = field(default_factory=dict)
    history: dict[str, list[float]] = field(default_factory=dict)
    train_seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class Trainer:
    config: TrainConfig
    model: UnifiedModel
    optimizer: torch.optim.Optimizer
    batches: TrainingBatches
    validation: ClipDataset
    baselines: BaselineErrors
    syncer: ResultSyncer
    stop: StopRequest
    clock: Callable[[], float] = time.monotonic
    progress: Progress = field(default_factory=Progress)

    def run(self, target_epochs: int) -> None:
        """Train until `target_epochs` are complete, or no epoch helps any more; leave a checkpoint.

        Raises:
            InterruptedRun: a stop was asked for; the state is saved.
            DivergedError: nothing was saved since the last good checkpoint.
        """
        self.syncer.update_heartbeat("training", step=self.progress.epoch, total=target_epochs)
        try:
            while self.progress.epoch < target_epochs and not self.has_stopped_improving:
                self._run_epoch()
                epoch = self.progress.epoch
                if self.syncer.checkpoint_due(epoch) or epoch == target_epochs or self.has_stopped_improving:
                    self._save()
        except InterruptedRun as request:
            path = self._save()
            raise InterruptedRun(f"{request}; resumable from {path}") from None

    @property
    def has_stopped_improving(self) -> bool:
        """Follows from the history alone, so that a resumed run stops where an uninterrupted one does."""
        stopping = self.config.optim.early_stopping
        if stopping is None:
            return False
        return (
            epochs_without_gain(self.progress.history.get("total_loss", []), stopping.min_delta)
            >= stopping.patience
        )

    @property
    def is_finished(self) -> bool:
        return self.progress.epoch >= self.config.optim.epochs or self.has_stopped_improving

    def figures(self) -> dict[str, float]:
        """Return the last epoch's figures, what they compare to, and what they cost."""
        return {
            **{name: values[-1] for name, values in self.progress.history.items()},
            "baseline_mean_mse": self.baselines.mean,
            "baseline_last_position_mse": self.baselines.last_position,
            "baseline_constant_velocity_mse": self.baselines.constant_velocity,
            **model_cost(self.model),
            "train_seconds": self.progress.train_seconds,
            "epochs": self.progress.epoch,
        }

    def restore(self, checkpoint: Checkpoint) -> None:
        self.model.load_state_dict(checkpoint.model)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        restore_rng(checkpoint.rng)
        self.progress = Progress(
            epoch=checkpoint.epoch,
            batch=checkpoint.batch,
            loss_sums=dict(checkpoint.loss_sums),
            history={name: list(values) for name, values in checkpoint.history.items()},
            train_seconds=checkpoint.train_seconds,
        )

    def _run_epoch(self) -> None:
        started = self.clock()
        try:
            self._train_epoch()
            evaluation = evaluate(self.model, self.validation, self.config.tasks, self._between_batches)
        finally:
            self.progress.train_seconds += self.clock() - started
        if not math.isfinite(evaluation.total_loss):
            raise DivergedError(self._diverged("the validation loss"))
        self._finish_epoch(evaluation)

    def _train_epoch(self) -> None:
        self.model.train()
        for clips in self.batches.of_epoch(self.progress.epoch, self.progress.batch):
            self._train_batch(clips)
            self.progress.batch += 1
            self._between_batches()

    def _train_batch(self, clips: Clips) -> None:
        rate = learning_rate(self._step, self._total_steps, self.config.optim)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        output = self.model(clips.video)
        losses = multi_task_loss(output, clips, self.config.tasks)
        auxiliary = self.model.extractor.auxiliary_loss()
        self.optimizer.zero_grad(set_to_none=True)
        goal = losses.total if auxiliary is None else losses.total + auxiliary
        goal.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optim.clip_norm)
        if not (torch.isfinite(goal) and torch.isfinite(norm)):
            raise DivergedError(self._diverged("the loss or its gradient"))
        self.optimizer.step()
        hits = (output.class_logits.argmax(dim=1) == clips.label).float().mean()
        self._add_to_sums({**losses.parts(), "classification_acc": hits})

    def _add_to_sums(self, parts: Mapping[str, Tensor]) -> None:
        sums = self.progress.loss_sums
        for name, part in parts.items():
            sums[name] = sums.get(name, 0.0) + part.item()

    def _between_batches(self) -> None:
        self.stop.check()
        self.syncer.update_heartbeat(
            f"epoch {self.progress.epoch + 1}: batch {self.progress.batch}/{len(self.batches)}"
        )

    def _finish_epoch(self, evaluation: Evaluation) -> None:
        means = {
            f"train_{name}": value / len(self.batches) for name, value in self.progress.loss_sums.items()
        }
        figures = {
            **evaluation.figures(),
            "prediction_skill": self.baselines.skill(evaluation.prediction.mse),
            **means,
            "learning_rate": learning_rate(self._step, self._total_steps, self.config.optim),
        }
        for name, value in figures.items():
            self.progress.history.setdefault(name, []).append(value)
        self.progress.epoch += 1
        self.progress.batch = 0
        self.progress.loss_sums = {}
        self.syncer.update_heartbeat(
            f"epoch {self.progress.epoch} complete", step=self.progress.epoch, metrics=figures
        )
        write_metrics(
            self.syncer.local_results_dir / VALIDATION_METRICS,
            self.figures(),
            self.progress.history,
            alignment_label(self.model),
        )
        print(_epoch_line(self.progress.epoch, figures), flush=True)

    def _save(self) -> Path:
        if not all(bool(torch.isfinite(value).all()) for value in self.model.parameters()):
            raise DivergedError(self._diverged("a weight"))
        path = self.syncer.save_checkpoint(self._checkpoint())
        prune_checkpoints(
            self.syncer.local_results_dir,
            keep_last=self.config.checkpoint.keep_last,
            keep_epochs=self._best_epochs(self.config.checkpoint.keep_best),
        )
        return path

    def _checkpoint(self) -> Checkpoint:
        progress = self.progress
        return Checkpoint(
            epoch=progress.epoch,
            batch=progress.batch,
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            schedule={
                "step": self._step,
                "total_steps": self._total_steps,
                "learning_rate": self.config.optim.learning_rate,
            },
            rng=rng_state(),
            loss_sums=progress.loss_sums,
            history=progress.history,
            train_seconds=progress.train_seconds,
            config=flatten(self.config),
            config_hash=config_hash(self.config),
        )

    def _best_epochs(self, count: int) -> set[int]:
        losses = self.progress.history.get("total_loss", [])
        kept = map(position_of, list_checkpoints(self.syncer.local_results_dir))
        saved = {found.epoch for found in kept if not found.batch and 0 < found.epoch <= len(losses)}
        return set(sorted(saved, key=lambda epoch: (losses[epoch - 1], epoch))[:count])

    @property
    def _step(self) -> int:
        return self.progress.epoch * len(self.batches) + self.progress.batch

    @property
    def _total_steps(self) -> int:
        return self.config.optim.epochs * len(self.batches)

    def _diverged(self, what: str) -> str:
        return (
            f"{what} is not finite in epoch {self.progress.epoch + 1} after batch {self.progress.batch}; "
            "the last good checkpoint is kept. Lower optim.learning_rate or optim.clip_norm"
        )


def epochs_without_gain(losses: Sequence[float], min_delta: float) -> int:
    """How many of the last epochs were not better, by more than `min_delta`, than the best before them."""
    best, idle = math.inf, 0
    for loss in losses:
        if loss < best - min_delta:
            best, idle = loss, 0
        else:
            idle += 1
    return idle


def _epoch_line(epoch: int, figures: dict[str, float]) -> str:
    shown = ("total_loss", "classification_acc", "prediction_mse", "prediction_skill")
    return f"epoch {epoch:3}  " + "  ".join(f"{name} {figures[name]:.4f}" for name in shown)


def learning_rate(step: int, total_steps: int, config: OptimConfig) -> float:
    """Return a linear warm-up followed by half a cosine down to a hundredth of the peak."""
    warmup = config.warmup_fraction * total_steps
    if step < warmup:
        return config.learning_rate * (step + 1) / (warmup + 1)
    done = min(1.0, (step - warmup) / max(1.0, total_steps - warmup))
    return config.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
