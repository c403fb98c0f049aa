"""The multi-task loss."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from workers.config import TasksConfig
from workers.models.unified import ModelOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    total: Tensor
    classification: Tensor  # cross-entropy, nats
    prediction: Tensor  # squared error, mean over axes, world units squared


def multi_task_loss(output: ModelOutput, label: Tensor, target: Tensor, tasks: TasksConfig) -> Losses:
    classification = functional.cross_entropy(output.class_logits, label)
    prediction = functional.mse_loss(output.future_position, target)
    total = tasks.classification.weight * classification + tasks.prediction.weight * prediction
    return Losses(total=total, classification=classification, prediction=prediction)
