"""The multi-task loss."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from workers.config import AlignmentTask, TasksConfig
from workers.data.dataset import Clips
from workers.models.alignment import Alignment, cosine_loss, info_nce
from workers.models.unified import ModelOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    total: Tensor
    classification: Tensor  # cross-entropy, nats
    prediction: Tensor  # squared error at t+5, mean over axes, world units squared
    forecast: Tensor  # squared error of the next steps, mean over steps and axes
    alignment: Tensor | None = None  # InfoNCE, nats, or 1 - cosine; none without CLIP alignment

    def parts(self) -> dict[str, Tensor]:
        """By the names that figures and histories have."""
        named = {
            "total_loss": self.total,
            "classification_loss": self.classification,
            "prediction_loss": self.prediction,
            "forecast_loss": self.forecast,
        }
        return named if self.alignment is None else {**named, "alignment_loss": self.alignment}


def multi_task_loss(output: ModelOutput, clips: Clips, tasks: TasksConfig) -> Losses:
    classification = functional.cross_entropy(output.class_logits, clips.label)
    prediction = functional.mse_loss(output.future_position, clips.target)
    forecast = functional.mse_loss(output.forecast, clips.forecast)
    total = (
        tasks.classification.weight * classification
        + tasks.prediction.weight * prediction
        + tasks.forecast.weight * forecast
    )
    alignment = None
    if tasks.alignment is not None and output.alignment is not None:
        alignment = _alignment_loss(output.alignment, clips, tasks.alignment)
        total = total + tasks.alignment.weight * alignment
    return Losses(
        total=total,
        classification=classification,
        prediction=prediction,
        forecast=forecast,
        alignment=alignment,
    )


def _alignment_loss(alignment: Alignment, clips: Clips, task: AlignmentTask) -> Tensor:
    measure = info_nce if task.objective == "infonce" else cosine_loss
    return measure(alignment, clips.label)
