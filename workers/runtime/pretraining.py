"""Pre-training of the video transformer: no labels, the same batches as training.

The state is kept after each epoch. Batches and masks are pure functions of (seed, epoch, batch), so a run
that goes on from there ends as one that was never stopped; what is lost is the epoch it was in.
"""

import math
import pickle
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workers.cli import DivergedError, StopRequest, UsageError
from workers.config import TrainConfig, TransformerConfig
from workers.config_file import config_hash
from workers.data.augment import NoiseBank
from workers.data.dataset import TrainingBatches, load_datasets
from workers.extractors.transformer import MaskedVideoModel
from workers.result_syncer import ResultSyncer
from workers.runtime.atomic import replace_json, replacing
from workers.runtime.rng import seed_everything
from workers.runtime.session import choose_device
from workers.runtime.trainer import learning_rate

STATE, ENCODER, METRICS = "pretraining.pt", "encoder.pt", "pretraining_metrics.json"


def pretrain(config: TrainConfig, results: Path, *, resume: bool, device: str, stop: StopRequest) -> Path:
    """Train for `optim.epochs` and return the path of the encoder's weights.

    Raises:
        InterruptedRun: a stop was asked for; the last whole epoch is kept.
    """
    torch.set_num_threads(config.run.threads)
    seed_everything(config.run.seed)
    run = _Pretraining(config, _syncer(config, results), choose_device(device), stop)
    if resume and (results / STATE).exists():
        run.restore(results / STATE)
    while len(run.losses) < config.optim.epochs:
        run.train_epoch()
        run.save(results / STATE)
        print(f"epoch {len(run.losses):3}  reconstruction_loss {run.losses[-1]:.4f}", flush=True)
    with replacing(results / ENCODER) as file:
        run.model.save_encoder(file)
    replace_json(
        results / METRICS,
        {
            "reconstruction_loss": run.losses[-1],
            "train_seconds": run.seconds,
            "history": {"reconstruction_loss": run.losses},
        },
    )
    return results / ENCODER


class _Pretraining:
    def __init__(
        self, config: TrainConfig, syncer: ResultSyncer, device: torch.device, stop: StopRequest
    ) -> None:
        assert isinstance(config.model.extractor, TransformerConfig)
        self.config, self.syncer, self.device, self.stop = config, syncer, device, stop
        self.model = MaskedVideoModel(
            config.model.extractor, frames=config.data.clip.frames, image_size=config.data.scene.image_size
        ).to(device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), config.optim.learning_rate, weight_decay=config.optim.weight_decay
        )
        self.batches = TrainingBatches(
            dataset=load_datasets(config, device)[0],
            noise=NoiseBank.drawn(config.run.seed, device),
            batch_size=config.optim.batch_size,
            seed=config.run.seed,
        )
        self.losses: list[float] = []  # of each epoch
        self.seconds = 0.0

    def train_epoch(self) -> None:
        started, epoch, total = time.monotonic(), len(self.losses), 0.0
        self.model.train()
        for batch, clips in enumerate(self.batches.of_epoch(epoch, 0)):
            total += self._train_batch(clips.video, epoch, batch)
            self.stop.check()
            self.syncer.update_heartbeat(f"pre-training: epoch {epoch + 1}, batch {batch + 1}")
        self.losses.append(total / len(self.batches))
        self.seconds += time.monotonic() - started
        self.syncer.update_heartbeat(
            f"pre-training: epoch {epoch + 1} complete",
            step=epoch + 1,
            total=self.config.optim.epochs,
            metrics={"reconstruction_loss": self.losses[-1]},
        )

    def _train_batch(self, video: torch.Tensor, epoch: int, batch: int) -> float:
        optim, count = self.config.optim, len(self.batches)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(epoch * count + batch, optim.epochs * count, optim)
        rng = np.random.default_rng([self.config.run.seed, epoch, batch, 1])
        masks = torch.Generator().manual_seed(int(rng.integers(2**63)))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.run.precision == "bf16"):
            loss = self.model(video, masks)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), optim.clip_norm)
        if not math.isfinite(loss.item()):
            raise DivergedError(f"the loss is not finite in epoch {epoch + 1}; lower optim.learning_rate")
        self.optimizer.step()
        return float(loss.item())

    def save(self, path: Path) -> None:
        with replacing(path) as file:
            torch.save(
                {
                    "model": self.model.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "losses": self.losses,
                    "seconds": self.seconds,
                    "config_hash": config_hash(self.config),
                },
                file,
            )

    def restore(self, path: Path) -> None:
        state = _read(path)
        if state["config_hash"] != config_hash(self.config):
            raise UsageError(f"{path} is from another config; choose another --results or --resume never")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.losses, self.seconds = list(state["losses"]), float(state["seconds"])
        print(f"resuming from {path.name}: epoch {len(self.losses)}", flush=True)


def _syncer(config: TrainConfig, results: Path) -> ResultSyncer:
    return ResultSyncer(results, config.run.heartbeat_s, branch=config.run.branch)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, LookupError, pickle.UnpicklingError) as error:
        raise UsageError(
            f"{path} cannot be read: {str(error).splitlines()[0]}; start over with --resume never"
        ) from None
    return state
