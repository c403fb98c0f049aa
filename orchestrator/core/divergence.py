"""A worker's reports one after another: when their numbers are no numbers any more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

REPORTS_IN_A_ROW = 3
REPORTS_WITH_GAPS = 10
"""Where reports come faster than we look, those between may have been sound: more looks are asked for."""

# A best so far begins as infinite in many trainers.
_RECORDS = {"best", "min", "max", "lowest", "highest"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Reports, one after another, in which a metric was not finite. `steps` are the last few."""

    steps: tuple[float | None, ...] = ()
    in_a_row: int = 0
    seen: int = 0

    def after(self, step: float | None, *, follows: bool) -> Run:
        return Run(
            steps=(*self.steps, step)[-REPORTS_IN_A_ROW:],
            in_a_row=self.in_a_row + 1 if follows else 1,
            seen=self.seen + 1,
        )

    @property
    def is_long(self) -> bool:
        return self.in_a_row >= REPORTS_IN_A_ROW or self.seen >= REPORTS_WITH_GAPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """What one attempt's reports said. `finite` holds each metric's last finite value and its step."""

    seq: int = 0
    finite: Mapping[str, tuple[float, float | None]] = field(default_factory=dict)
    runs: Mapping[str, Run] = field(default_factory=dict)

    def after(
        self, seq: int, step: float | None, metrics: Mapping[str, float], not_finite: tuple[str, ...]
    ) -> Reports:
        if seq == self.seq:
            return self
        follows = seq == self.seq + 1
        runs = {name: self.runs.get(name, Run()).after(step, follows=follows) for name in not_finite}
        if not metrics and not runs and not self.runs:
            return replace(self, seq=seq)
        finite = {**self.finite, **{name: (value, step) for name, value in metrics.items()}}
        return Reports(seq=seq, finite=finite, runs=runs)

    @property
    def diverged(self) -> str | None:
        """Which metric is lost for good, at which steps, and what it was before; None while none is."""
        for name, run in self.runs.items():
            if run.is_long and (name in self.finite or _is_loss(name)):
                return self._in_words(name, run)
        return None

    def _in_words(self, name: str, run: Run) -> str:
        steps = ", ".join(_step(step) for step in run.steps)
        before = self.finite.get(name)
        was = f"; it was {before[0]:.6g} at step {_step(before[1])}" if before else ""
        return f"{name} is not a finite number in {run.seen} reports one after another (steps {steps}){was}"


def _is_loss(name: str) -> bool:
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    return "loss" in name.lower() and words.isdisjoint(_RECORDS)


def _step(step: float | None) -> str:
    return "unknown" if step is None else f"{step:g}"
