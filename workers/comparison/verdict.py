"""Who won, by a test that is stated; a tie is a tie.

Branches are compared by accuracy first, and those that accuracy cannot tell apart by their error at t+5. The
bootstrap draws runs (seeds) and, within them, clips; where two branches saw the same clips it draws the same
ones for both. A branch drops out when the interval of its difference to the best leaves zero out, at a level
of 5 % shared among the comparisons (Bonferroni).
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workers.comparison.evidence import Branch, Samples

RESAMPLES = 2000
LEVEL = 0.05
SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    name: str
    values: Callable[[Samples], tuple[float, ...]]
    higher_wins: bool


CRITERIA = (
    Criterion(name="accuracy", values=lambda samples: samples.hit, higher_wins=True),
    Criterion(name="error at t+5 (MSE)", values=lambda samples: samples.prediction_mse, higher_wins=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    mean: float
    low: float
    high: float

    @property
    def leaves_out_zero(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How much better the best branch is than another one; positive is better."""

    criterion: str
    best: str
    other: str
    lead: Interval
    paired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    winner: str | None
    reason: str
    comparisons: tuple[Comparison, ...]


def decide(branches: Sequence[Branch]) -> Verdict:
    measured = [branch for branch in branches if _samples(branch)]
    unmeasured = [branch.name for branch in branches if not _samples(branch)]
    if len(branches) < 2:
        return Verdict(winner=None, reason="there is nothing to compare", comparisons=())
    if unmeasured:
        names = ", ".join(unmeasured)
        reason = f"no winner: {names} left no per-sample results (python -m workers.evaluate writes them)"
        return Verdict(winner=None, reason=reason, comparisons=())
    return _decide(measured)


def _decide(branches: Sequence[Branch]) -> Verdict:
    left, done = list(branches), []
    for criterion in CRITERIA:
        best = _best(left, criterion)
        level = LEVEL / max(1, len(left) - 1)
        found = [_compare(best, other, criterion, level) for other in left if other is not best]
        done += found
        beaten = {one.other for one in found if one.lead.leaves_out_zero}
        left = [branch for branch in left if branch.name not in beaten]
        if len(left) == 1:
            return Verdict(winner=left[0].name, reason=_won(found, criterion), comparisons=tuple(done))
    names = ", ".join(branch.name for branch in left)
    return Verdict(
        winner=None,
        reason=f"a tie between {names}: no difference that chance does not explain",
        comparisons=tuple(done),
    )


def _won(found: Sequence[Comparison], criterion: Criterion) -> str:
    closest = min(found, key=lambda one: one.lead.mean)
    lead = closest.lead
    return (
        f"best by {criterion.name}: ahead of {closest.other} by {lead.mean:.4f} "
        f"(interval {lead.low:.4f} to {lead.high:.4f})"
    )


def interval(branch: Branch, criterion: Criterion) -> Interval | None:
    """The branch's own mean with its 95 % interval."""
    runs = _samples(branch)
    if not runs:
        return None
    values = [criterion.values(run) for run in runs]
    rng = random.Random(SEED)
    drawn = [_resampled_mean(values, rng, None) for _ in range(RESAMPLES)]
    return _interval(_mean(values), drawn, LEVEL)


def _compare(best: Branch, other: Branch, criterion: Criterion, level: float) -> Comparison:
    a, b = ([criterion.values(run) for run in _samples(branch)] for branch in (best, other))
    paired = len({run.of for branch in (best, other) for run in _samples(branch)}) == 1 and (
        len({len(values) for values in [*a, *b]}) == 1
    )
    sign = 1 if criterion.higher_wins else -1
    rng = random.Random(SEED)
    drawn = []
    for _ in range(RESAMPLES):
        rows = rng.choices(range(len(a[0])), k=len(a[0])) if paired else None
        drawn.append(sign * (_resampled_mean(a, rng, rows) - _resampled_mean(b, rng, rows)))
    return Comparison(
        criterion=criterion.name,
        best=best.name,
        other=other.name,
        lead=_interval(sign * (_mean(a) - _mean(b)), drawn, level),
        paired=paired,
    )


def _resampled_mean(runs: Sequence[Sequence[float]], rng: random.Random, rows: Sequence[int] | None) -> float:
    total = 0.0
    for run in rng.choices(runs, k=len(runs)):
        picked = rng.choices(run, k=len(run)) if rows is None else [run[row] for row in rows]
        total += sum(picked) / len(picked)
    return total / len(runs)


def _best(branches: Sequence[Branch], criterion: Criterion) -> Branch:
    def worth(branch: Branch) -> float:
        mean = _mean([criterion.values(run) for run in _samples(branch)])
        return mean if criterion.higher_wins else -mean

    return max(branches, key=worth)


def _samples(branch: Branch) -> list[Samples]:
    return [run.samples for run in branch.runs if run.samples]


def _mean(runs: Sequence[Sequence[float]]) -> float:
    return sum(sum(run) / len(run) for run in runs) / len(runs)


def _interval(mean: float, drawn: list[float], level: float) -> Interval:
    drawn.sort()
    cut = int(level / 2 * len(drawn))
    return Interval(mean=mean, low=drawn[cut], high=drawn[-1 - cut])
