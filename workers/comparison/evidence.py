"""What a branch left as evidence, read from its files as they are; a wrong value is a missing one."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

METRICS = ("validation_metrics.json", "final_metrics.json", "evaluation_metrics.json")  # later ones win
VALIDATION = METRICS[:1]
SAMPLES = "sample_results.json"
EQUATIONS = "equation_metrics.json"
READ = frozenset({*METRICS, SAMPLES, EQUATIONS})
MAX_FILE_BYTES = 4 << 20
_MAX_SAMPLES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Results of each clip of one run."""

    of: str  # names the clips: equal names, equal clips
    hit: tuple[float, ...]
    prediction_mse: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    folder: str
    metrics: Mapping[str, float]
    history: Mapping[str, Sequence[float]]
    confusion: tuple[tuple[str, ...], tuple[tuple[int, ...], ...]] | None  # classes, rows
    samples: Samples | None
    equations: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One run for each seed."""

    name: str
    runs: tuple[Run, ...]
    pictures: tuple[str, ...] = ()
    problem: str = ""  # why there is nothing to compare
    damaged: tuple[str, ...] = field(default=())  # files that could not be read

    def mean(self, metric: str) -> float | None:
        values = [run.metrics[metric] for run in self.runs if metric in run.metrics]
        return sum(values) / len(values) if values else None


def read_branch(
    name: str, files: Mapping[str, bytes], pictures: Sequence[str], metrics: Sequence[str] = METRICS
) -> Branch:
    """`files` are contents by path with `/`; `metrics` are the files whose figures count."""
    documents: dict[str, Any] = {}
    damaged = []
    for path, content in files.items():
        try:
            documents[path] = _object(content)
        except ValueError:
            damaged.append(path)
    folders = sorted({str(PurePosixPath(path).parent) for path in documents if _name(path) in metrics})
    runs = tuple(_run(folder, documents, metrics) for folder in folders)
    return Branch(
        name=name,
        runs=runs,
        pictures=tuple(sorted(pictures)),
        problem="" if runs else "no metrics",
        damaged=tuple(sorted(damaged)),
    )


def read_folder(name: str, folder: Path, metrics: Sequence[str] = METRICS) -> Branch:
    if not folder.is_dir():
        return Branch(name=name, runs=(), problem=f"{folder} is no folder")
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and "superseded" not in path.parts]
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if path.name in READ and path.stat().st_size <= MAX_FILE_BYTES
    }
    pictures = [path.relative_to(folder).as_posix() for path in found if path.suffix == ".png"]
    return read_branch(name, files, pictures, metrics)


def is_improving(values: Sequence[float]) -> bool | None:
    """Whether the mean of the last third is below that of the middle third; None where that is unknown."""
    third = len(values) // 3
    if not third:
        return None
    last, middle = values[-third:], values[-2 * third : -third]
    return sum(last) < sum(middle)


def _run(folder: str, documents: Mapping[str, Any], metrics: Sequence[str]) -> Run:
    figures: dict[str, float] = {}
    history: dict[str, Sequence[float]] = {}
    for name in metrics:
        document = _in(folder, name, documents) or {}
        figures |= {key: float(value) for key, value in document.items() if _is_number(value)}
        history |= _history(document.get("history"))
    return Run(
        folder=folder,
        metrics=figures,
        history=history,
        confusion=_confusion(_in(folder, METRICS[2], documents)),
        samples=_samples(_in(folder, SAMPLES, documents)),
        equations=_in(folder, EQUATIONS, documents),
    )


def _in(folder: str, name: str, documents: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return documents.get(str(PurePosixPath(folder) / name))


def _name(path: str) -> str:
    return PurePosixPath(path).name


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond any float
        return False


def _history(found: object) -> Mapping[str, Sequence[float]]:
    if not isinstance(found, dict):
        return {}
    return {
        str(name): [float(value) for value in values]
        for name, values in found.items()
        if isinstance(values, list) and all(map(_is_number, values))
    }


def _samples(found: Mapping[str, Any] | None) -> Samples | None:
    if found is None:
        return None
    hit, error = found.get("hit"), found.get("prediction_mse")
    if (
        not isinstance(hit, list)
        or not isinstance(error, list)
        or not 0 < len(hit) == len(error) <= _MAX_SAMPLES
    ):
        return None
    if not all(isinstance(value, bool) for value in hit) or not all(map(_is_number, error)):
        return None
    return Samples(
        of=str(found.get("samples")), hit=tuple(map(float, hit)), prediction_mse=tuple(map(float, error))
    )


def _confusion(
    found: Mapping[str, Any] | None,
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]] | None:
    classes, rows = (found or {}).get("classes"), (found or {}).get("confusion")
    if not isinstance(classes, list) or not isinstance(rows, list) or len(rows) != len(classes):
        return None
    if not all(isinstance(row, list) and len(row) == len(classes) for row in rows):
        return None
    if not all(isinstance(count, int) for row in rows for count in row):
        return None
    return tuple(map(str, classes)), tuple(tuple(row) for row in rows)
