"""`benchmarks`: pytest-benchmark's figures on the tip against base's, on the same machine."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator import git
from orchestrator.checks.asked import Settings
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.junit import NOT_FOUND, pytest_trial
from orchestrator.checks.outward import not_followed
from orchestrator.checks.tools import broken
from orchestrator.checks.trees import files_at
from orchestrator.checks.trials import NoVerdict

_REPORT = "benchmark.json"
_SHELL = f'--benchmark-only --benchmark-json="$ORCHESTRATOR_OUT/{_REPORT}"'
_STATISTICS = ("min", "median", "mean")
_SLOWER = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds of each benchmark, and what tells machines apart."""

    machine: tuple[str, ...]
    seconds: Mapping[str, float]


def findings(subject: Subject) -> tuple[Finding, ...]:
    """Raises:
    NoVerdict: pytest could not be started, or was not done in time.
    """
    asked = Settings(subject, known=("args", "pytest", "baseline", "tolerance", "statistic"))
    statistic, allowed = asked.text("statistic", "min"), asked.number("tolerance", _SLOWER)
    if statistic not in _STATISTICS:
        asked.fail(f"statistic: '{statistic}' is none of {', '.join(_STATISTICS)}")
    if allowed < 0:
        asked.fail(f"tolerance: {allowed:g} is less than 0; 0.2 allows a fifth more time")
    asked.texts("args"), asked.text("baseline"), asked.text("pytest")
    if asked.faults:
        return tuple(asked.faults)
    now = _measured(subject, asked, subject.commit, statistic)
    if isinstance(now, Finding):
        return (now,)
    if not now.seconds:
        return (finding(subject, "benchmarks/none", "no benchmark was run"),)
    before = _baseline(subject, asked, statistic)
    if isinstance(before, Finding):
        return (before,)
    return (*_slower(subject, now, before, allowed), *not_followed(subject))


def _baseline(subject: Subject, asked: Settings, statistic: str) -> Times | Finding:
    """The file that base has, or, where the plan names none, base itself, measured in the same place."""
    path = asked.text("baseline")
    if not path:
        fork = git.merge_base(subject.git, subject.base, subject.commit) or subject.base
        return _measured(subject, asked, fork, statistic)
    (text,) = files_at(subject, (subject.base, path))
    found = read_times(text, statistic)
    if found is None or not found.seconds:
        said = "there is none on base" if text is None else "it is no report of pytest-benchmark"
        said = said if found is None else "it holds no benchmark"
        return finding(
            subject, "benchmarks/incomparable", f"cannot be compared with the baseline {path}: {said}", path
        )
    return found


def _measured(subject: Subject, asked: Settings, commit: str, statistic: str) -> Times | Finding:
    if subject.trials is None:
        raise NoVerdict("benchmarks are commands, and nobody gave them a place")
    trial = pytest_trial(
        subject,
        f"benchmarks {commit[:12]}",
        commit,
        asked.text("pytest", "pytest"),
        asked.texts("args"),
        shell=_SHELL,
    )
    outcome = subject.trials.run(replace(trial, wanted=(*trial.wanted, _REPORT)))
    if outcome.exit_code == NOT_FOUND or outcome.timed_out:
        raise NoVerdict(f"the benchmarks could not be run: {outcome.tail}", is_red=True)
    found = read_times(outcome.files.get(_REPORT), statistic)
    if commit != subject.commit and _had_none(subject, asked, commit, outcome.exit_code):
        return Times(machine=(), seconds={})
    if found is None or outcome.exit_code:
        return broken(subject, "benchmarks/broken", "pytest", outcome, outcome.tail)
    return found


_WRONGLY_CALLED, _NOTHING_FOUND = 4, 5


def _had_none(subject: Subject, asked: Settings, commit: str, status: int | None) -> bool:
    """Whether there was no benchmark yet: pytest found none, or what the gate names was not there."""
    if status != _WRONGLY_CALLED:
        return status == _NOTHING_FOUND
    named = [one.partition("::")[0].rstrip("/") for one in asked.texts("args") if not one.startswith("-")]
    there = {path: git.find_entry(subject.git, commit, path) for path in named if path}
    return None in there.values()


def read_times(text: str | None, statistic: str) -> Times | None:
    try:
        content: dict[str, Any] = json.loads(text or "")
        info = content["machine_info"]
        cpu = info.get("cpu") or {}
        seconds = {one["fullname"]: float(one["stats"][statistic]) for one in content["benchmarks"]}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    words = (
        info.get("node"),
        info.get("machine"),
        cpu.get("brand_raw"),
        cpu.get("count"),
        info.get("python_version"),
    )
    return Times(machine=tuple(map(str, words)), seconds=seconds)


def _slower(subject: Subject, now: Times, before: Times, allowed: float) -> Iterator[Finding]:
    if before.machine and now.machine != before.machine:
        theirs, ours = " ".join(before.machine), " ".join(now.machine)
        message = f"cannot be compared: the baseline is of {theirs}, this is {ours}"
        yield finding(subject, "benchmarks/incomparable", message)
        return
    for name, old in before.seconds.items():
        seconds = now.seconds.get(name)
        path = name.partition("::")[0]
        if seconds is None or not math.isfinite(seconds) or not 0 < old < math.inf:
            yield finding(
                subject, "benchmarks/incomparable", f"{name} cannot be compared: it was not measured", path
            )
        elif seconds > old * (1 + allowed):
            longer = f"{seconds / old - 1:.0%} longer than {old:.3g} s; {allowed:.0%} is allowed"
            yield finding(subject, "benchmarks/slower", f"{name} takes {seconds:.3g} s, {longer}", path)
