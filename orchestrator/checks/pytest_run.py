"""`pytest`: all tests pass, one at least runs, and none is skipped or expected to fail but those listed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from orchestrator.checks.allowed import with_allowances
from orchestrator.checks.asked import Settings
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.forged import forged
from orchestrator.checks.junit import NOT_FOUND, Case, CaseEnd, cases_of, pytest_trial
from orchestrator.checks.left_out import left_out
from orchestrator.checks.outward import not_followed
from orchestrator.checks.tools import broken
from orchestrator.checks.trees import read_commit
from orchestrator.checks.trials import NoVerdict

_FAILED = 1
_UNEXPECTED = "[XPASS(strict)]"
_RULES = {
    CaseEnd.FAILED: ("pytest/failed", "fails"),
    CaseEnd.ERROR: ("pytest/error", "could not be run"),
    CaseEnd.SKIPPED: ("pytest/skipped", "is skipped"),
    CaseEnd.XFAILED: ("pytest/xfailed", "is expected to fail, and fails"),
}


def findings(subject: Subject) -> tuple[Finding, ...]:
    """Raises:
    NoVerdict: pytest could not be started, or was not done in time.
    """
    ran = (*_ran(subject), *not_followed(subject))
    made_up = tuple(forged(subject))
    if not made_up:
        return ran
    return (*ran, *with_allowances(subject, read_commit(subject, subject.commit), made_up, "pytest"))


def _ran(subject: Subject) -> tuple[Finding, ...]:
    asked = Settings(subject, known=("args", "pytest", "skips", "xfails"))
    program, arguments = asked.text("pytest", "pytest"), asked.texts("args")
    listed = {CaseEnd.SKIPPED: asked.texts("skips"), CaseEnd.XFAILED: asked.texts("xfails")}
    if asked.faults:
        return tuple(asked.faults)
    if subject.trials is None:
        raise NoVerdict("pytest runs a command, and nobody gave it a place for that")
    trial = pytest_trial(subject, "pytest", subject.commit, program, ["-o", "xfail_strict=true", *arguments])
    outcome = subject.trials.run(trial)
    if outcome.exit_code == NOT_FOUND:
        raise NoVerdict(
            f"pytest could not be started: {outcome.tail}\nput it on the gate's PATH", is_red=True
        )
    if outcome.timed_out:
        raise NoVerdict("pytest was not done in time; a gate's `timeout` gives it more", is_red=True)
    cases = cases_of(outcome)
    if cases is None:
        return (broken(subject, "pytest/no-report", "pytest", outcome, outcome.tail),)
    found = tuple(_bad(subject, cases, listed))
    if not cases:
        return (finding(subject, "pytest/none-collected", "pytest found no test"),)
    if not found and all(case.end in listed for case in cases):
        return (finding(subject, "pytest/none-collected", "no test was run: all of them are excused"),)
    if not arguments:
        found += tuple(left_out(subject, cases))
    excused = any(_UNEXPECTED in case.message for case in cases)
    if not found and outcome.exit_code not in ((0, _FAILED) if excused else (0,)):
        return (broken(subject, "pytest/no-report", "pytest", outcome, outcome.tail),)
    return found


def _bad(
    subject: Subject, cases: Sequence[Case], listed: dict[CaseEnd, tuple[str, ...]]
) -> Iterator[Finding]:
    for case in cases:
        if case.end is CaseEnd.PASSED:
            continue
        end = CaseEnd.XFAILED if _UNEXPECTED in case.message else case.end
        name = "::".join(filter(None, (case.file, case.name)))
        if any(
            fnmatchcase(name, pattern) or fnmatchcase(case.name, pattern) for pattern in listed.get(end, ())
        ):
            continue
        rule, words = _RULES[case.end]
        message = f"{case.name} {words}" + (f": {case.why}" if case.why else "")
        yield finding(subject, rule, message, case.file or None, case.line)
