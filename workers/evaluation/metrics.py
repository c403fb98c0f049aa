"""Validation figures of a model over a dataset."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.config import TasksConfig
from workers.data.dataset import ClipDataset
from workers.data.trajectories import FAMILIES
from workers.models.losses import multi_task_loss
from workers.models.unified import UnifiedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    total_loss: float
    classification_loss: float
    prediction_loss: float
    confusion: tuple[tuple[int, ...], ...]  # rows: true class, columns: predicted

    @property
    def classification_acc(self) -> float:
        hits = sum(row[i] for i, row in enumerate(self.confusion))
        return hits / sum(map(sum, self.confusion))

    def figures(self) -> dict[str, float]:
        return {
            "classification_acc": self.classification_acc,
            "prediction_mse": self.prediction_loss,
            "total_loss": self.total_loss,
            "classification_loss": self.classification_loss,
            "prediction_loss": self.prediction_loss,
        }


@torch.no_grad()
def evaluate(
    model: UnifiedModel, dataset: ClipDataset, tasks: TasksConfig, after_batch: Callable[[], None]
) -> Evaluation:
    """Put the model into eval mode and measure it; `after_batch` may raise to break off."""
    model.eval()
    sums = torch.zeros(3, dtype=torch.float64)
    confusion = torch.zeros(len(FAMILIES), len(FAMILIES), dtype=torch.int64)
    for clips in dataset.batches():
        output = model(clips.video)
        losses = multi_task_loss(output, clips.label, clips.target, tasks)
        parts = torch.stack([losses.total, losses.classification, losses.prediction])
        sums += len(clips) * parts.double().cpu()
        confusion += _count_pairs(clips.label.cpu(), output.class_logits.argmax(dim=1).cpu())
        after_batch()
    total, classification, prediction = (sums / len(dataset)).tolist()
    return Evaluation(
        total_loss=total,
        classification_loss=classification,
        prediction_loss=prediction,
        confusion=tuple(map(tuple, confusion.tolist())),
    )


def _count_pairs(true: Tensor, predicted: Tensor) -> Tensor:
    cells = torch.bincount(true * len(FAMILIES) + predicted, minlength=len(FAMILIES) ** 2)
    return cells.view(len(FAMILIES), len(FAMILIES))
