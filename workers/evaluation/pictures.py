"""Pictures of an evaluation, named by the minute they were drawn in."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from matplotlib.figure import Figure

from workers.data.trajectories import FAMILIES
from workers.runtime.atomic import replacing


def draw_confusion(directory: Path, now: datetime, confusion: Sequence[Sequence[int]]) -> Path:
    path = directory / f"{now:%Y%m%d_%H%M}_confusion_matrix.png"
    figure = Figure(figsize=(4.5, 4), layout="constrained")
    axes = figure.subplots()
    shares = [[count / max(1, sum(row)) for count in row] for row in confusion]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(confusion):
        for j, count in enumerate(row):
            axes.text(
                j, i, str(count), ha="center", va="center", color="white" if shares[i][j] > 0.5 else "black"
            )
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_xticks(range(len(FAMILIES)), FAMILIES)
    axes.set_yticks(range(len(FAMILIES)), FAMILIES)
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=100)
    return path
