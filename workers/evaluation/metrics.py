"""Validation figures of a model over a dataset."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.config import TasksConfig
from workers.data.dataset import ClipDataset, Clips
from workers.data.trajectories import FAMILIES
from workers.models.alignment import Alignment
from workers.models.losses import Losses, multi_task_loss
from workers.models.unified import ModelOutput, UnifiedModel

CALIBRATION_BINS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionErrors:
    """Per axis, in world units."""

    mse: float
    mae: float

    @property
    def rmse(self) -> float:
        return math.sqrt(self.mse)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleResults:
    """Of each clip, in the dataset's order: what a comparison of models draws its samples from."""

    hit: tuple[bool, ...]
    prediction_mse: tuple[float, ...]
    forecast_mae: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentFigures:
    """Retrieval is the share of clips whose nearest description is of their family."""

    loss: float
    retrieval_acc: float  # among the descriptions that were learned
    unseen_wording_acc: float  # among those that were not
    cosine: float  # with the mean description of the own family
    other_cosine: float  # with those of the others: the control

    def figures(self) -> dict[str, float]:
        return {
            "alignment_loss": self.loss,
            "alignment_retrieval_acc": self.retrieval_acc,
            "alignment_unseen_wording_acc": self.unseen_wording_acc,
            "alignment_cosine": self.cosine,
            "alignment_other_cosine": self.other_cosine,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    total_loss: float
    classification_loss: float
    prediction: PositionErrors  # at t+5
    forecast: tuple[PositionErrors, ...]  # of each next step
    path_spread: float  # RMS distance of a true path from its mean, per axis: the unit of forecast_mae_share
    calibration_error: float  # expected, over 15 bins of confidence (Guo et al. 2017)
    confusion: tuple[tuple[int, ...], ...]  # rows: true class, columns: predicted
    samples: SampleResults
    alignment: AlignmentFigures | None = None

    @property
    def classification_acc(self) -> float:
        hits = sum(row[i] for i, row in enumerate(self.confusion))
        return hits / sum(map(sum, self.confusion))

    def figures(self) -> dict[str, float]:
        steps = len(self.forecast)
        mae = sum(step.mae for step in self.forecast) / steps
        mse = sum(step.mse for step in self.forecast) / steps
        return {
            "classification_acc": self.classification_acc,
            "calibration_error": self.calibration_error,
            "prediction_mse": self.prediction.mse,
            "prediction_mae": self.prediction.mae,
            "prediction_rmse": self.prediction.rmse,
            "forecast_mse": mse,
            "forecast_mae": mae,
            "forecast_mae_share": mae / self.path_spread,
            "forecast_rmse": math.sqrt(mse),
            **{f"forecast_mae_{n}": step.mae for n, step in enumerate(self.forecast, 1)},
            **{f"forecast_rmse_{n}": step.rmse for n, step in enumerate(self.forecast, 1)},
            "total_loss": self.total_loss,
            "classification_loss": self.classification_loss,
            "prediction_loss": self.prediction.mse,
            **(self.alignment.figures() if self.alignment else {}),
        }


@torch.no_grad()
def evaluate(
    model: UnifiedModel, dataset: ClipDataset, tasks: TasksConfig, after_batch: Callable[[], None]
) -> Evaluation:
    """Put the model into eval mode and measure it; `after_batch` may raise to break off."""
    model.eval()
    tally = _Tally(tasks.forecast.horizon)
    for clips in dataset.batches():
        output = model(clips.video)
        tally.add(clips, output, multi_task_loss(output, clips, tasks))
        after_batch()
    return tally.evaluation(len(dataset))


class _Tally:
    """Sums over batches, in double precision on the CPU."""

    def __init__(self, horizon: int) -> None:
        self.losses = torch.zeros(2, dtype=torch.float64)
        self.squared = torch.zeros(1 + horizon, dtype=torch.float64)  # t+5, then each next step
        self.absolute = torch.zeros(1 + horizon, dtype=torch.float64)
        self.spread = torch.zeros((), dtype=torch.float64)
        self.confidence: list[Tensor] = []
        self.hit: list[Tensor] = []
        self.clip_errors: list[Tensor] = []  # (B, 2): squared at t+5, absolute over the forecast
        self.alignment = torch.zeros(5, dtype=torch.float64)  # as AlignmentFigures has them
        self.is_aligned = False
        self.confusion = torch.zeros(len(FAMILIES), len(FAMILIES), dtype=torch.int64)

    def add(self, clips: Clips, output: ModelOutput, losses: Losses) -> None:
        self.losses += len(clips) * torch.stack([losses.total, losses.classification]).double().cpu()
        if output.alignment is not None and losses.alignment is not None:
            self.is_aligned = True
            self.alignment += _aligned(output.alignment, losses.alignment, clips.label)
        truth = torch.cat([clips.target[:, None], clips.forecast], dim=1)
        found = torch.cat([output.future_position[:, None], output.forecast], dim=1)
        error = (found - truth).double().cpu()  # (B, 1 + horizon, 3)
        self.squared += error.square().mean(dim=2).sum(dim=0)
        self.absolute += error.abs().mean(dim=2).sum(dim=0)
        forecast = error[:, 1:].abs().mean(dim=(1, 2))
        self.clip_errors.append(torch.stack([error[:, 0].square().mean(dim=1), forecast], dim=1))
        path = clips.observed.double().cpu()
        self.spread += (path - path.mean(dim=1, keepdim=True)).square().mean(dim=(1, 2)).sum()
        confidence, predicted = output.class_logits.float().softmax(dim=1).cpu().max(dim=1)
        label = clips.label.cpu()
        self.confidence.append(confidence)
        self.hit.append(predicted == label)
        self.confusion += _count_pairs(label, predicted)

    def evaluation(self, count: int) -> Evaluation:
        total, classification = (self.losses / count).tolist()
        errors = [
            PositionErrors(mse=mse, mae=mae)
            for mse, mae in zip(
                (self.squared / count).tolist(), (self.absolute / count).tolist(), strict=True
            )
        ]
        return Evaluation(
            total_loss=total,
            classification_loss=classification,
            prediction=errors[0],
            forecast=tuple(errors[1:]),
            path_spread=float((self.spread / count).sqrt()),
            calibration_error=calibration_error(torch.cat(self.confidence), torch.cat(self.hit)),
            confusion=tuple(map(tuple, self.confusion.tolist())),
            samples=self._samples(),
            alignment=self._alignment(count),
        )

    def _alignment(self, count: int) -> AlignmentFigures | None:
        if not self.is_aligned:
            return None
        loss, learned, unseen, own, other = (self.alignment / count).tolist()
        return AlignmentFigures(
            loss=loss, retrieval_acc=learned, unseen_wording_acc=unseen, cosine=own, other_cosine=other
        )

    def _samples(self) -> SampleResults:
        squared, absolute = torch.cat(self.clip_errors).T.tolist()
        hit = torch.cat(self.hit).tolist()
        return SampleResults(hit=tuple(hit), prediction_mse=tuple(squared), forecast_mae=tuple(absolute))


def _aligned(alignment: Alignment, loss: Tensor, label: Tensor) -> Tensor:
    """Sums over the clips, in the order of AlignmentFigures."""
    unseen, cosine = alignment.unseen, alignment.cosine
    learned, learned_family = cosine[:, ~unseen], alignment.family[~unseen]
    own = alignment.family_cosine.gather(1, label[:, None]).sum()
    others = alignment.family_cosine.sum() - own
    return (
        torch.stack(
            [
                loss * len(label),
                (learned_family[learned.argmax(dim=1)] == label).float().sum(),
                (alignment.family[unseen][cosine[:, unseen].argmax(dim=1)] == label).float().sum(),
                own,
                others / (len(FAMILIES) - 1),
            ]
        )
        .double()
        .cpu()
    )


def calibration_error(confidence: Tensor, hit: Tensor) -> float:
    """How far confidence and accuracy lie apart, averaged over equal bins of confidence, for (N,) clips."""
    bins = (confidence * CALIBRATION_BINS).long().clamp_max(CALIBRATION_BINS - 1)
    gap = torch.zeros(CALIBRATION_BINS, dtype=torch.float64)
    gap.index_add_(0, bins, hit.double() - confidence.double())
    return float(gap.abs().sum() / len(confidence))


def _count_pairs(true: Tensor, predicted: Tensor) -> Tensor:
    cells = torch.bincount(true * len(FAMILIES) + predicted, minlength=len(FAMILIES) ** 2)
    return cells.view(len(FAMILIES), len(FAMILIES))
