"""`metrics`: what a branch measured and committed, held against bounds and against a baseline.

What cannot be compared is no pass.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.checks.asked import Settings
from orchestrator.checks.finding import Finding, Sibling, Subject, finding
from orchestrator.checks.trees import files_at
from orchestrator.core.stages import Improving, Requirement, parse_requirement, unmet
from orchestrator.plan_file.problems import unknown

_FILES = ("final_metrics.json", "validation_metrics.json")
_DIRECTIONS: Mapping[str, bool | None] = {"higher": True, "lower": False, "ignored": None}
_TOLERANCES = ("abs", "rel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The flat numbers of one file, and their histories."""

    path: str
    metrics: Mapping[str, float]
    history: Mapping[str, Sequence[float]]


def findings(subject: Subject) -> tuple[Finding, ...]:
    asked = Settings(subject, known=("require", "file", "baseline", "tolerance", "better", "samples"))
    rules, texts = [], asked.texts("require")
    for text in texts:
        try:
            rules.append(parse_requirement(text))
        except ValueError as error:
            asked.fail(f"require: {error}")
    asked.text("file"), asked.text("baseline")
    asked.numbers("samples")
    for key, value in asked.numbers("tolerance").items():
        if key not in _TOLERANCES:
            asked.fail(unknown("tolerance", key, _TOLERANCES, "allowed"))
        elif value < 0:
            asked.fail(f"tolerance: {key} is {value:g}; 0 or more is wanted")
    asked.choices("better", _DIRECTIONS)
    if not any(subject.settings.get(key) for key in ("require", "baseline", "samples")):
        asked.fail("nothing is asked of the metrics; name `require`, `baseline` or `samples`")
    if asked.faults:
        return tuple(asked.faults)
    own = subject.workstream
    judged = [Sibling(workstream=own, commit=subject.commit)] if own is not None else list(subject.siblings)
    return tuple(found for one in judged for found in _of_branch(subject, asked, rules, one))


def _of_branch(
    subject: Subject, asked: Settings, rules: Sequence[Requirement], one: Sibling
) -> Iterator[Finding]:
    names = (
        [asked.text("file")]
        if asked.text("file")
        else [f"{one.workstream.results}/{name}" for name in _FILES]
    )
    texts = files_at(subject, *((one.commit, name) for name in names))
    found = next(((name, text) for name, text in zip(names, texts, strict=True) if text is not None), None)
    if found is None:
        message = f"no metrics are committed: there is no {' nor '.join(names)}"
        yield finding(subject, "metrics/missing", message, names[0], workstream=one.name)
        return
    measured = read_measured(*found)
    if isinstance(measured, str):
        yield finding(subject, "metrics/unreadable", measured, found[0], 1, workstream=one.name)
        return
    for rule, message in _faults(subject, asked, rules, measured):
        yield finding(subject, rule, message, measured.path, 1, workstream=one.name)


def read_measured(path: str, text: str) -> Measured | str:
    """What a metrics file holds, or why it cannot be read."""
    try:
        content: Any = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        return f"is no JSON: {error}"
    if not isinstance(content, dict):
        return "is no mapping of metrics"
    history = content.get("history")
    return Measured(
        path=path,
        metrics={key: _number(value) for key, value in content.items() if _is_number(value)},
        history=history if isinstance(history, dict) else {},
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a metric that stands there twice, nobody knows which one counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # JSON holds integers that no float can
        return math.inf


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _faults(
    subject: Subject, asked: Settings, rules: Sequence[Requirement], measured: Measured
) -> Iterator[tuple[str, str]]:
    # How long it took is known to whoever ran it, who may have written it among the metrics.
    elapsed = measured.metrics.get("elapsed_s", math.nan)
    for message in unmet(rules, measured.metrics, measured.history, elapsed):
        yield "metrics/unmet", message
    for name, least in asked.numbers("samples").items():
        count = measured.metrics.get(name)
        if count is None or not math.isfinite(count) or count < least:
            said = "is missing" if count is None else f"is {count:g}"
            yield "metrics/too-few", f"{name} {said}, at least {least:g} samples are wanted"
    if asked.text("baseline"):
        yield from _against_baseline(subject, asked, measured)


def _against_baseline(subject: Subject, asked: Settings, measured: Measured) -> Iterator[tuple[str, str]]:
    """The baseline is base's: a branch does not choose what it is measured against."""
    path = asked.text("baseline")
    (text,) = files_at(subject, (subject.base, path))
    baseline = "there is none on base" if text is None else read_measured(path, text)
    if isinstance(baseline, str):
        yield "metrics/incomparable", f"cannot be compared with the baseline {path}: {baseline}"
        return
    better = asked.choices("better", _DIRECTIONS)
    ignored = {name for name, higher in better.items() if higher is None}
    wanted = [name for name in dict.fromkeys((*baseline.metrics, *better)) if name not in ignored]
    if not wanted:
        yield "metrics/incomparable", f"cannot be compared with the baseline {path}: it holds no number"
    for name in wanted:
        fault = _compared(
            name, measured.metrics.get(name), baseline.metrics.get(name), asked, better.get(name)
        )
        if fault is not None:
            yield fault


def _compared(
    name: str, now: float | None, before: float | None, asked: Settings, higher: bool | None
) -> tuple[str, str] | None:
    for value, whose in ((now, "the branch"), (before, "the baseline")):
        if value is None:
            return "metrics/incomparable", f"{name} cannot be compared: {whose} has none"
        if not math.isfinite(value):
            return "metrics/incomparable", f"{name} cannot be compared: that of {whose} is {value}"
    assert now is not None and before is not None
    tolerance = asked.numbers("tolerance")
    allowed = max(tolerance.get("abs", 0.0), tolerance.get("rel", 0.0) * abs(before))
    is_higher_better = Improving(metric=name).higher_is_better if higher is None else higher
    worse = before - now if is_higher_better else now - before
    if worse <= allowed:
        return None
    message = f"{name} is {now:.6g}, worse than the baseline's {before:.6g} by {worse:.3g}"
    return "metrics/regressed", f"{message}; {allowed:.3g} is allowed"
