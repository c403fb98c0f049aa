"""The dataset card: what is in a dataset, how it was made and checked, and how it looks."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from workers.data.generate import open_dataset
from workers.data.trajectories import FAMILIES
from workers.data.validate import Report
from workers.runtime.atomic import replace_text, replacing

CARD, PICTURE = "DATASET_CARD.md", "samples.png"
_COLUMNS = 8


def write_card(directory: Path, output: Path, report: Report) -> Path:
    """Write the card and its picture into `output`."""
    dataset = open_dataset(directory)
    scene = dataset.config.scene
    _draw_samples(directory, output / PICTURE)
    classes = "\n".join(f"| {name} | {count} |" for name, count in report.per_class.items())
    checks = "\n".join(
        f"| {one.check} | {'yes' if one.ok else '**no**'} | {one.value:.6g} | {one.limit} | {one.says} |"
        for one in report.findings
    )
    text = f"""\
# Trajectories of a ball

{report.samples} synthetic videos of {scene.frames} frames of {scene.image_size} x {scene.image_size} RGB
pixels. Each shows one ball on a path of one of four families, seen by a camera of its own.

![One video of each class, from left to right in time]({PICTURE})

| class | videos |
|---|---|
{classes}

- **Made by** `python -m workers.generate --num-samples {report.samples} --seed {report.seed}`; the bytes
  follow from the configuration. Dataset hash `{report.dataset_hash}`.
- **Lengths** are world units: the ball's radius is {scene.ball_radius:g}, a path's length over the observed
  frames {scene.path_length[0]:g} to {scene.path_length[1]:g}. Positions are in the camera's frame
  (x right, y down, z forward), for {scene.ground_truth_frames} frames: what follows the video is known.
- **The camera** frames the observed part alone. Colour, light, speed and size do not depend on the class.
- **Not in it:** pixel noise, rotation and scale, which training adds; more than one ball; real footage.

## Checks

| check | passed | value | wanted | what it is |
|---|---|---|---|---|
{checks}
"""
    replace_text(output / CARD, text)
    return output / CARD


def _draw_samples(directory: Path, path: Path) -> None:
    dataset = open_dataset(directory)
    frames = np.linspace(0, dataset.config.scene.frames - 1, _COLUMNS).round().astype(np.int64)
    figure = Figure(figsize=(_COLUMNS, len(FAMILIES) + 0.2), layout="constrained")
    for row, axes in enumerate(figure.subplots(len(FAMILIES), _COLUMNS)):
        number = int(np.flatnonzero(dataset.scenes.label == row)[0])
        video = dataset.videos.read(np.array([number]), frames)[0]
        for axis, image in zip(axes, video, strict=True):
            axis.imshow(image.transpose(1, 2, 0))
            axis.set(xticks=[], yticks=[])
        axes[0].set_ylabel(FAMILIES[row])
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=80)
