"""Whether commits are what they say: tests of a [RED] one fail on it, and pass on the [GREEN] one after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.junit import pytest_trial
from orchestrator.checks.tdd.branch import Branch, branch_between
from orchestrator.checks.tdd.evidence import is_red
from orchestrator.checks.tdd.history import Phase, Step
from orchestrator.checks.tdd.proof import Run, not_green, run_tests
from orchestrator.checks.tdd.written import Test, belongs_to_tests


def phase_run_findings(
    subject: Subject, branch: Branch, steps: Sequence[Step], program: str
) -> Iterator[Finding]:
    """Each [RED] commit is run, and the last [GREEN] one before another phase."""
    brought: dict[tuple[str, str], Test] = {}
    marked = [step for step in steps if step.phase is not None and not step.is_merge]
    groups = [(phase, list(group)) for phase, group in groupby(marked, key=lambda step: step.phase)]
    for number, (phase, group) in enumerate(groups):
        if phase is Phase.RED:
            for step in group:
                tests = _brought(subject, branch, step)
                brought |= {(test.path, test.name): test for test in tests}
                yield from _not_red(subject, branch, step, tests, program)
        elif phase is Phase.GREEN and brought:
            is_last = number + 1 == len(groups) or groups[number + 1][0] is Phase.REFACTOR
            yield from _not_green(subject, group[-1], list(brought.values()), program, all_of_them=is_last)
            brought = {} if is_last else brought


def _brought(subject: Subject, branch: Branch, step: Step) -> tuple[Test, ...]:
    """Tests that a commit adds or changes; where it changes only what they use, those of the branch."""
    own = branch_between(subject.git, step.parent, step.commit, branch.patterns).named
    if own or not any(belongs_to_tests(path, branch.patterns) for path in step.changed):
        return own
    return branch_between(subject.git, branch.fork, step.commit, branch.patterns).named


def _not_red(
    subject: Subject, branch: Branch, step: Step, tests: Sequence[Test], program: str
) -> Iterator[Finding]:
    if not tests:
        yield finding(subject, "tdd/phase-untrue", f"commit {step.words} neither adds nor changes a test")
    elif not is_red(branch, _run(subject, step, tests, program)):
        message = f"of the tests of commit {step.words} none fails on it"
        yield finding(subject, "tdd/phase-untrue", message, tests[0].path)


def _not_green(
    subject: Subject, step: Step, tests: Sequence[Test], program: str, *, all_of_them: bool
) -> Iterator[Finding]:
    """Where a [RED] commit follows, tests of another component may still wait for their code."""
    run = _run(subject, step, tests, program)
    bad = [(test, fault) for test in tests if (fault := not_green(test, run))]
    if bad and (all_of_them or len(bad) == len(tests)):
        test, (_, why) = bad[0]
        message = f"on commit {step.words} the tests before it do not pass: {test.name} {why}"
        yield finding(subject, "tdd/phase-untrue", message, test.path)


def _run(subject: Subject, step: Step, tests: Sequence[Test], program: str) -> Run:
    paths = sorted({test.path for test in tests})
    name = f"phase {step.commit[:12]}"
    trial = pytest_trial(subject, name, step.commit, program, paths, keeps_failures=True)
    return run_tests(subject.trials, trial)
