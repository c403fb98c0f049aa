"""What a stage must have reached when it ends: the rules under `require:`."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

_METRIC = r"[A-Za-z_][A-Za-z0-9_./@:-]*"
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_BOUND = re.compile(rf"\s*({_METRIC})\s*(<=|>=|==|!=|<|>)\s*({_NUMBER})\s*")
_IMPROVING = re.compile(rf"\s*improving\(\s*({_METRIC})\s*\)\s*")
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
ELAPSED = "elapsed_s"
"""The stage's wall time, which we supply: no two attempts have the same."""

_ALLOWED = "write 'loss < 0.1' (one of < <= > >= == !=) or 'improving(loss)'"
_HIGHER_IS_BETTER = {"acc", "accuracy", "precision", "recall", "f1", "score"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """`written` is the limit as the user wrote it, for messages."""

    metric: str
    comparison: str
    limit: float
    written: str

    def holds(self, value: float) -> bool:
        return _OPERATORS[self.comparison](value, self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Improving:
    """The mean of the last third of the metric's history is better than that of the middle third.

    Better is lower, unless a word of the metric's name is acc, accuracy, precision, recall, f1 or score.
    """

    metric: str

    @property
    def higher_is_better(self) -> bool:
        return not _HIGHER_IS_BETTER.isdisjoint(re.split(r"[^a-z0-9]+", self.metric.lower()))


Requirement = Bound | Improving


def parse_requirement(text: str) -> Requirement:
    """Read `METRIC OP NUMBER` or `improving(METRIC)`.

    Raises:
        ValueError: with the words the user is to see.
    """
    if match := _IMPROVING.fullmatch(text):
        return Improving(metric=match[1])
    match = _BOUND.fullmatch(text)
    if not match:
        raise ValueError(
            f"'{text}' is no requirement; write 'loss < 0.1' (< <= > >= == !=) or 'improving(loss)'"
        )
    limit = float(match[3])
    if not math.isfinite(limit):
        raise ValueError(f"'{match[3]}' is too large a number")
    return Bound(metric=match[1], comparison=match[2], limit=limit, written=match[3])


def unmet(
    requirements: Iterable[Requirement],
    metrics: Mapping[str, float],
    history: Mapping[str, Sequence[float]],
    elapsed_s: float,
) -> tuple[str, ...]:
    """A sentence for each requirement that fails. A metric that is missing or not finite fails."""
    known = {**metrics, ELAPSED: elapsed_s}
    sentences = [
        _bound_failure(rule, known) if isinstance(rule, Bound) else _improving_failure(rule, history)
        for rule in requirements
    ]
    return tuple(sentence for sentence in sentences if sentence)


def judged_numbers(
    requirements: Iterable[Requirement],
    metrics: Mapping[str, float],
    history: Mapping[str, Sequence[float]],
    elapsed_s: float,
) -> dict[str, float]:
    """The finite numbers that the rules are held against, for the record."""
    known = {**metrics, ELAPSED: elapsed_s}
    numbers: dict[str, float] = {}
    for rule in requirements:
        if isinstance(rule, Bound):
            numbers |= {rule.metric: known[rule.metric]} if rule.metric in known else {}
        elif thirds := _thirds(history.get(rule.metric, ())):
            numbers |= {f"{rule.metric} (middle third)": thirds[0], f"{rule.metric} (last third)": thirds[1]}
    return {name: float(value) for name, value in numbers.items() if _is_finite(value)}


def _thirds(values: Sequence[float]) -> tuple[float, float] | None:
    """The means of the middle and of the last third; None where they are too few or not finite."""
    third = len(values) // 3
    if third == 0 or not all(map(_is_finite, values[-2 * third :])):
        return None
    return _mean(values[-2 * third : -third]), _mean(values[-third:])


def _bound_failure(rule: Bound, metrics: Mapping[str, float]) -> str | None:
    required = f"required {rule.comparison} {rule.written}"
    if rule.metric not in metrics:
        return f"{rule.metric} is missing, {required}"
    value = metrics[rule.metric]
    if not _is_finite(value):
        return f"{rule.metric} is {value}, which is not a finite number, {required}"
    return None if rule.holds(value) else f"{rule.metric} is {_shown(value, rule.limit)}, {required}"


def _improving_failure(rule: Improving, history: Mapping[str, Sequence[float]]) -> str | None:
    values = history.get(rule.metric, ())
    third = len(values) // 3
    if third == 0:
        return f"{rule.metric} has {len(values)} values in its history, improving needs at least 3"
    thirds = _thirds(values)
    if thirds is None:
        return f"{rule.metric} has values that are not finite numbers in its history, required to improve"
    middle, last = thirds
    if last > middle if rule.higher_is_better else last < middle:
        return None
    wanted = "higher" if rule.higher_is_better else "lower"
    return (
        f"{rule.metric} is {_shown(last, middle)} on average over the last third, "
        f"required {wanted} than the {_shown(middle, last)} of the middle third"
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(value / len(values) for value in values)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except (TypeError, OverflowError):  # JSON holds integers that no float can, and nulls
        return False


def _shown(value: float, other: float) -> str:
    """Six digits, or all of them where six would hide that the two differ."""
    short = f"{value:.6g}"
    return repr(float(value)) if float(short) == other and value != other else short
