"""The metrics files and the picture that a run leaves as evidence."""

import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from workers.language.backends import Label
from workers.models.unified import UnifiedModel
from workers.runtime.atomic import replace_json, replacing

VALIDATION_METRICS = "validation_metrics.json"
FINAL_METRICS = "final_metrics.json"
TRAINING_CURVES = "training_curves.png"

History = Mapping[str, list[float]]

CURVES = (
    ("loss", ("train_total_loss", "total_loss"), "linear"),
    ("classification accuracy", ("train_classification_acc", "classification_acc"), "linear"),
    ("position error at t+5 (MSE)", ("train_prediction_loss", "prediction_mse"), "log"),
)


def write_metrics(
    path: Path, figures: Mapping[str, float], history: History, labels: Mapping[str, str]
) -> None:
    """The figures that are finite; under an orchestrator also whose they are, should they come late."""
    finite = {name: value for name, value in figures.items() if math.isfinite(value)}
    launch = os.environ.get("ORCHESTRATOR_LAUNCH")
    own = {"launch": launch} if launch else {}
    replace_json(path, {**finite, **labels, "history": dict(history), **own})


def alignment_label(model: UnifiedModel) -> dict[str, str]:
    """How far the figures of CLIP alignment may be trusted; a tiny text model says nothing of CLIP."""
    label = Label.NOT_RUN if model.alignment is None else model.alignment.label
    return {"alignment_label": str(label)}


def draw_curves(path: Path, history: History) -> None:
    """Draw what was learned per epoch; without matplotlib say so and go on."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print(f"matplotlib is not installed: no {path.name}", file=sys.stderr)
        return
    figure = Figure(figsize=(12, 3.5), layout="constrained")
    for axes, (title, names, scale) in zip(figure.subplots(1, len(CURVES)), CURVES, strict=True):
        for name in names:
            axes.plot(range(1, len(history[name]) + 1), history[name], marker=".", label=name)
        axes.set(title=title, xlabel="epoch", yscale=scale)
        axes.legend()
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=100)
