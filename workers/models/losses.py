"""The multi-task loss."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from workers.config import TasksConfig
from workers.data.dataset import Clips
from workers.models.unified import ModelOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    total: Tensor
    classification: Tensor  # cross-entropy, nats
    prediction: Tensor  # squared error at t+5, mean over axes, world units squared
    forecast: Tensor  # squared error of the next steps, mean over steps and axes


def multi_task_loss(output: ModelOutput, clips: Clips, tasks: TasksConfig) -> Losses:
    classification = functional.cross_entropy(output.class_logits, clips.label)
    prediction = functional.mse_loss(output.future_position, clips.target)
    forecast = functional.mse_loss(output.forecast, clips.forecast)
    total = (
        tasks.classification.weight * classification
        + tasks.prediction.weight * prediction
        + tasks.forecast.weight * forecast
    )
    return Losses(total=total, classification=classification, prediction=prediction, forecast=forecast)
