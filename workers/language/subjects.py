"""The paths that a language model is asked about, and what it is told of each."""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from workers.config import TrainConfig
from workers.data.dataset import ClipDataset, load_datasets
from workers.data.trajectories import FAMILIES
from workers.evaluation.session import require_checkpoint
from workers.language.places import PlaceReader
from workers.language.scoring import Subject
from workers.runtime.session import build_model, require_same_config

NOISE = 0.02  # world units, per axis


class Points(StrEnum):
    TRUE = "true"
    NOISY = "noisy"  # the true ones, with noise of 0.02
    SEEN = "seen"  # found in the pixels of the clip, no model needed
    PREDICTED = "predicted"  # the same, with the class that the model found


def validation_subjects(
    config: TrainConfig, points: Points, count: int, results: Path | None
) -> list[Subject]:
    """Return the first `count` validation clips; `results` holds the checkpoint for predicted points."""
    training, validation = load_datasets(config, torch.device("cpu"))
    count = min(count, len(validation))
    if points is Points.SEEN:
        return _seen(training, validation, count)
    if points is Points.PREDICTED:
        assert results is not None
        seen = _seen(training, validation, count)
        return _with_found_class(config, validation, seen, results)
    scene, rng = config.data.scene, np.random.default_rng(0)
    told_frames = np.arange(scene.frames)
    subjects = []
    for number in range(count):
        points_told = validation.scenes.positions[number, told_frames].astype(np.float64)
        if points is Points.NOISY:
            points_told = points_told + NOISE * rng.standard_normal(points_told.shape)
        subjects.append(_subject(validation, number, points_told, told_frames, None))
    return subjects


def _seen(training: ClipDataset, validation: ClipDataset, count: int) -> list[Subject]:
    places = PlaceReader.calibrated(training).places(validation, np.arange(count))
    return [_subject(validation, n, places[n], validation.frames, None) for n in range(count)]


def _with_found_class(
    config: TrainConfig, validation: ClipDataset, seen: Sequence[Subject], results: Path
) -> list[Subject]:
    path, checkpoint = require_checkpoint(results, "auto")
    require_same_config(checkpoint, config, path)
    model = build_model(config, torch.device("cpu")).eval()
    model.load_state_dict(checkpoint.model)
    with torch.no_grad():
        logits = model(validation.clips(np.arange(len(seen))).video).class_logits
    classes = logits.argmax(dim=1).tolist()
    return [replace(one, hint=FAMILIES[found]) for one, found in zip(seen, classes, strict=True)]


def _subject(
    dataset: ClipDataset,
    number: int,
    points: NDArray[np.float64],
    frames: NDArray[np.int64],
    hint: str | None,
) -> Subject:
    scene = dataset.config.scene
    unit = scene.frames - 1
    return Subject(
        number=number,
        family=FAMILIES[dataset.scenes.label[number]],
        path=dataset.scenes.positions[number].astype(np.float64),
        t=np.arange(scene.ground_truth_frames) / unit,
        observed=scene.frames,
        points=points,
        points_t=frames / unit,
        hint=hint,
    )


def with_true_class(subjects: Sequence[Subject]) -> list[Subject]:
    """Tell the class as well: the easiest question."""
    return [replace(one, hint=one.family) for one in subjects]
