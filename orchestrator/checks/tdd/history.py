"""The phases that a branch's commits say they are, and tests that changed between RED and GREEN."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from orchestrator import git
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.junit import pytest_trial
from orchestrator.checks.tdd.branch import Branch
from orchestrator.checks.tdd.proof import not_green, run_tests
from orchestrator.checks.tdd.written import Test, is_collected, tests_at
from orchestrator.source.naming import plain

_MARK = re.compile(r"\[(RED|GREEN|REFACTOR)\]", re.IGNORECASE)


class Phase(Enum):
    RED = "RED"
    GREEN = "GREEN"
    REFACTOR = "REFACTOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One commit of the branch; `phase` is None where its subject names none."""

    commit: str
    subject: str
    phase: Phase | None
    is_merge: bool
    changed: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"{self.commit[:10]} ({self.subject})"


def read_steps(subject: Subject, branch: Branch) -> tuple[Step, ...]:
    """The branch's own commits, oldest first."""
    commits = git.log(subject.git, f"{branch.fork}..{branch.tip}")
    return tuple(_step(subject, commit) for commit in reversed(commits))


def _step(subject: Subject, commit: git.Commit) -> Step:
    mark = _MARK.search(commit.subject)
    changes = git.changed_paths(subject.git, commit.parents[0], commit.id) if commit.parents else ()
    return Step(
        commit=commit.id,
        subject=commit.subject,
        phase=Phase(mark[1].upper()) if mark else None,
        is_merge=len(commit.parents) > 1,
        changed=tuple(change.path for change in changes),
    )


def phase_findings(subject: Subject, steps: Sequence[Step]) -> Iterator[Finding]:
    """RED, GREEN, REFACTOR in this order, for each component that the plan claims."""
    for step in steps:
        code = [path for path in step.changed if path.endswith(".py")]
        if step.phase is None and code and not step.is_merge:
            message = f"commit {step.words} changes code, and its subject names no phase"
            yield finding(subject, "tdd/phase-unmarked", message, code[0])
    for component in subject.claims or ("",):
        about = f"of {component}" if component else "of the branch"
        fault = _disorder(
            [step for step in steps if step.phase and _is_about(step, component, subject.claims)]
        )
        if fault is not None:
            message = f"the phases {about}: {fault}"
            yield finding(subject, "tdd/phase-order", message, component=component or None)


def _is_about(step: Step, component: str, claims: Sequence[str]) -> bool:
    """A subject that names no component is about all of them."""
    said = plain(step.subject)
    named = [claim for claim in claims if plain(claim) in said]
    return not component or not named or component in named


def _disorder(steps: Sequence[Step]) -> str | None:
    allowed: dict[Phase | None, tuple[Phase, ...]] = {
        None: (Phase.RED,),
        Phase.RED: (Phase.RED, Phase.GREEN),
        Phase.GREEN: (Phase.GREEN, Phase.REFACTOR, Phase.RED),
        Phase.REFACTOR: (Phase.REFACTOR, Phase.RED),
    }
    before: Phase | None = None
    for step in steps:
        assert step.phase is not None
        if step.phase not in allowed[before]:
            was = f"follows [{before.value}]" if before else "comes first"
            return f"[{step.phase.value}] {was}, in {step.words}"
        before = step.phase
    if before in (None, Phase.RED):
        return "there is no [RED] commit" if before is None else "no [GREEN] commit follows the last [RED]"
    return None


def weakened_findings(
    subject: Subject, branch: Branch, steps: Sequence[Step], program: str
) -> Iterator[Finding]:
    """Tests of a [RED] commit that the next [GREEN] one passes only because they were changed."""
    for red, green, path in _pairs(branch, steps):
        before, after = (
            tests_at(subject.git, commit, _test_files(steps, branch)) for commit in (red.commit, green.commit)
        )
        now = {test.name: test for tests in after.values() for test in tests}
        moved = {test.name: test for test in after.get(path, ())}
        suspects = []
        for test in before.get(path, ()):
            later = moved.get(test.name) or now.get(test.name)
            fault = _weaker(test, later)
            if fault is not None:
                message = f"{test.name} {fault} between {red.words} and {green.words}"
                yield finding(subject, "tdd/weakened", message, path, later.line if later else None)
            elif later is not None and later.body != test.body:
                suspects.append((test, later))
        if suspects:
            yield from _failing(subject, suspects, red, green, path, program)


def _weaker(test: Test, later: Test | None) -> str | None:
    if later is None:
        return "was removed"
    if later.excuses > test.excuses:
        return "was marked to be skipped or to fail"
    if later.asserts < test.asserts:
        return f"lost assertions ({test.asserts} to {later.asserts})"
    return None


def _failing(
    subject: Subject, suspects: Sequence[tuple[Test, Test]], red: Step, green: Step, path: str, program: str
) -> Iterator[Finding]:
    trial = pytest_trial(
        f"red tests on green {path}",
        green.commit,
        program,
        [path],
        source=red.commit,
        paths=(path,),
        keeps_failures=True,
    )
    run = run_tests(subject.trials, trial)
    for test, later in suspects:
        if not_green(test, run) is not None:
            message = (
                f"{test.name} was changed between {red.words} and {green.words}, and as it was it fails there"
            )
            yield finding(subject, "tdd/weakened", message, path, later.line)


def _test_files(steps: Sequence[Step], branch: Branch) -> tuple[str, ...]:
    paths = (path for step in steps for path in step.changed if is_collected(path, branch.patterns))
    return tuple(dict.fromkeys(paths))


def _pairs(branch: Branch, steps: Sequence[Step]) -> Iterator[tuple[Step, Step, str]]:
    """The last [RED] commit that touched each test file, and the first [GREEN] one after it."""
    for path in _test_files(steps, branch):
        reds = [n for n, step in enumerate(steps) if step.phase is Phase.RED and path in step.changed]
        for number in reds[-1:]:
            green = next((step for step in steps[number:] if step.phase is Phase.GREEN), None)
            if green is not None:
                yield steps[number], green, path
