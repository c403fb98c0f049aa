"""Tests that pass only because they were changed after the code was there to be judged by them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator import git
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.junit import CaseEnd, of_test, pytest_trial
from orchestrator.checks.tdd.branch import Branch
from orchestrator.checks.tdd.history import Phase, Step
from orchestrator.checks.tdd.proof import Run, not_green, run_tests
from orchestrator.checks.tdd.written import Test, belongs_to_tests, frames_at, is_collected, tests_at

Tests = Mapping[str, Sequence[Test]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """`seen` are all test files that a commit of the branch touched, also those it took away again."""

    subject: Subject
    branch: Branch
    program: str
    seen: tuple[str, ...]

    def tests(self, commit: str) -> Tests:
        return tests_at(self.subject.git, commit, self.seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cycle:
    """A [RED] commit, the first [GREEN] one after it, and test files that no RED between them wrote anew."""

    red: Step
    green: Step
    paths: tuple[str, ...]


def weakened_findings(
    subject: Subject, branch: Branch, steps: Sequence[Step], program: str
) -> Iterator[Finding]:
    """Held against the next [GREEN] commit and the tip; of tests in no [RED] commit, against the tip."""
    touched = (path for step in steps for path in step.changed if is_collected(path, branch.patterns))
    look = _Look(subject=subject, branch=branch, program=program, seen=tuple(dict.fromkeys(touched)))
    cycles = tuple(_cycles(branch, steps))
    for cycle in cycles:
        yield from _in_cycle(look, cycle)
        yield from _weaker_on_tip(look, cycle.red, cycle.paths, kept=look.tests(cycle.green.commit))
    judged = {path for cycle in cycles for path in cycle.paths}
    for step, paths in _firsts(branch, steps, judged):
        yield from _weaker_on_tip(look, step, paths)


def _cycles(branch: Branch, steps: Sequence[Step]) -> Iterator[_Cycle]:
    last: dict[str, Step] = {}
    for step in steps:
        if step.phase is Phase.RED:
            last |= {path: step for path in step.changed if is_collected(path, branch.patterns)}
        elif step.phase is Phase.GREEN:
            for red in dict.fromkeys(last.values()):
                paths = tuple(path for path, by in last.items() if by is red)
                yield _Cycle(red=red, green=step, paths=paths)
            last = {}


def _firsts(
    branch: Branch, steps: Sequence[Step], judged: Iterable[str]
) -> Iterator[tuple[Step, tuple[str, ...]]]:
    """The commits that brought test files, where no [RED] one did, and changed again later."""
    first: dict[str, Step] = {}
    again: set[str] = set()
    for step in steps:
        for path in step.changed:
            if is_collected(path, branch.patterns) and path not in judged:
                again |= {path} & first.keys()
                first.setdefault(path, step)
    for step in dict.fromkeys(first.values()):
        paths = tuple(path for path, by in first.items() if by is step and path in again)
        if paths:
            yield step, paths


def _in_cycle(look: _Look, cycle: _Cycle) -> Iterator[Finding]:
    red, green = cycle.red, cycle.green
    before, after, tip = (look.tests(commit) for commit in (red.commit, green.commit, look.branch.tip))
    support = _support(look, red)
    suspects = []
    for test in (test for path in cycle.paths for test in before.get(path, ())):
        later, last = _same(test, after), _same(test, tip)
        fault = _weaker(test, later)
        if fault is not None or later is None:
            message = f"{test.name} {fault} between {red.words} and {green.words}"
            yield finding(look.subject, "tdd/weakened", message, test.path, later.line if later else None)
        elif later.body != test.body:
            suspects.append((test, last or later, True))
        elif last is None or last.body != test.body or support or _lost_frame(look, red, test.path):
            suspects.append((test, last or later, False))
    if suspects:
        paths = tuple(dict.fromkeys((*(test.path for test, _, _ in suspects), *support)))
        yield from _failing(look, suspects, cycle, paths)


def _same(test: Test, there: Tests) -> Test | None:
    """The test of this name, in its own file before all others."""
    named = {one.name: one for tests in there.values() for one in tests}
    own = {one.name: one for one in there.get(test.path, ())}
    return own.get(test.name) or named.get(test.name)


def _support(look: _Look, red: Step) -> tuple[str, ...]:
    """Helpers and data of tests that the RED commit has, and that are others on the tip."""
    patterns = look.branch.patterns
    changes = git.changed_paths(look.subject.git, red.commit, look.branch.tip)
    own = (change.path for change in changes if change.kind != "A")
    return tuple(p for p in own if belongs_to_tests(p, patterns) and not is_collected(p, patterns))


def _lost_frame(look: _Look, red: Step, path: str) -> bool:
    """Whether what a test file holds beside tests (constants, helpers) is another on the tip."""
    before, after = (
        frames_at(look.subject.git, commit, path).get(path, frozenset())
        for commit in (red.commit, look.branch.tip)
    )
    return not before <= after


def _weaker(test: Test, later: Test | None) -> str | None:
    if later is None:
        return "was removed"
    if later.excuses > test.excuses:
        return "was marked to be skipped or to fail"
    if later.asserts < test.asserts:
        return f"lost assertions ({test.asserts} to {later.asserts})"
    return None


def _failing(
    look: _Look, suspects: Sequence[tuple[Test, Test, bool]], cycle: _Cycle, paths: Sequence[str]
) -> Iterator[Finding]:
    """Each suspect with what it came to be, and whether the GREEN commit itself rewrote it."""
    red, green = cycle.red, cycle.green
    run = _as_they_were(look, red, green.commit, paths)
    for test, later, rewritten in suspects:
        if not_green(test, run) if rewritten else _fails(test, run):
            message = f"{test.name} was changed after {red.words}, and as it was it fails on {green.words}"
            yield finding(look.subject, "tdd/weakened", message, later.path, later.line)


def _as_they_were(look: _Look, then: Step, code: str, paths: Sequence[str]) -> Run:
    """Test files as `then` had them, run on the code of another commit."""
    trial = pytest_trial(
        look.subject,
        f"tests of {then.commit[:12]} on {code[:12]}",
        code,
        look.program,
        [path for path in paths if is_collected(path, look.branch.patterns)],
        source=then.commit,
        paths=tuple(paths),
        keeps_failures=True,
    )
    return run_tests(look.subject.trials, trial)


def _fails(test: Test, run: Run) -> bool:
    """In itself: what it lacks beside that may have come with the code."""
    return any(case.end is CaseEnd.FAILED for case in of_test(run.cases or (), test.path, test.name))


def _weaker_on_tip(
    look: _Look, then: Step, paths: Sequence[str], kept: Tests | None = None
) -> Iterator[Finding]:
    """Tests that lost assertions, were excused or removed since, and as they were fail on the tip.

    A test may be written anew, but not so that it passes where it failed. Of those that are not in
    `kept` somebody else has spoken already.
    """
    before, tip = look.tests(then.commit), look.tests(look.branch.tip)
    found: list[tuple[Test, Test | None, str]] = []
    fresh = _fresh(before, tip)
    for test in (test for path in paths for test in before.get(path, ())):
        last = _same(test, tip)
        fault = _weaker(test, last)
        if last is None and (heir := next((n for n in fresh if n.asserts >= test.asserts), None)):
            fresh.remove(heir)  # it goes by another name now
        elif fault is not None and (kept is None or not _weaker(test, _same(test, kept))):
            found.append((test, last, fault))
    if not found:
        return
    run = _as_they_were(look, then, look.branch.tip, tuple(dict.fromkeys(t.path for t, _, _ in found)))
    for test, last, fault in found:
        if _fails(test, run):
            message = f"{test.name} {fault} since {then.words}, and as it was it fails on the tip"
            yield finding(
                look.subject, "tdd/weakened", message, (last or test).path, last.line if last else None
            )


def _fresh(before: Tests, tip: Tests) -> list[Test]:
    """Tests of names that were not there: each has shown that it fails without the branch."""
    known = {test.name for tests in before.values() for test in tests}
    return [test for tests in tip.values() for test in tests if test.name not in known]
