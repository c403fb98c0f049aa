"""RED and GREEN, run again: each named test fails on base for a reason of its own, and passes on the tip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.junit import NOT_FOUND, Case, CaseEnd, cases_of, collection_of, of_test, pytest_trial
from orchestrator.checks.tdd.branch import Branch
from orchestrator.checks.tdd.written import Test
from orchestrator.checks.trials import NoVerdict, Outcome, Trial, Trials

_RED_WORDS = {
    CaseEnd.SKIPPED: ("tdd/red-skipped", "is skipped without the branch, which proves nothing"),
    CaseEnd.XFAILED: ("tdd/red-skipped", "is expected to fail, which proves nothing"),
}
_STRICT = "[XPASS(strict)]"
_FIXTURES = ("fixture '", "FixtureLookupError")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`cases` is None where pytest did not get as far as running tests."""

    outcome: Outcome
    cases: tuple[Case, ...] | None

    @property
    def ended(self) -> str:
        if self.outcome.timed_out:
            return "was not done in time"
        lines = [line for line in self.outcome.tail.splitlines() if line.strip()]
        return f"ended with status {self.outcome.exit_code}" + (f": {lines[-1]}" if lines else "")


def run_tests(trials: Trials | None, trial: Trial) -> Run:
    """Raises:
    NoVerdict: there is no pytest.
    """
    if trials is None:
        raise NoVerdict("this check runs tests, and nobody gave it a place for that")
    outcome = trials.run(trial)
    if outcome.exit_code == NOT_FOUND or "No module named pytest" in outcome.tail:
        raise NoVerdict(
            f"pytest could not be started: {outcome.tail.strip()}\nput it on the gate's PATH", is_red=True
        )
    return Run(outcome=outcome, cases=cases_of(outcome))


def red_trial(subject: Subject, branch: Branch, program: str) -> Trial:
    return pytest_trial(
        subject,
        "red",
        branch.fork,
        program,
        branch.test_files,
        source=branch.tip,
        paths=branch.laid,
        keeps_failures=True,
    )


def green_trial(subject: Subject, branch: Branch, program: str) -> Trial:
    return pytest_trial(subject, "green", branch.tip, program, branch.test_files)


def red_findings(subject: Subject, branch: Branch, run: Run) -> Iterator[Finding]:
    for test in branch.named:
        fault = _not_red(branch, test, run)
        if fault is not None:
            rule, message = fault
            yield finding(subject, rule, f"{test.name} {message}", test.path, test.line)


def _not_red(branch: Branch, test: Test, run: Run) -> tuple[str, str] | None:
    """Why a test's run without the branch is no proof; None when it is one."""
    if run.cases is None:
        if branch.lacks(run.outcome.tail):
            return None
        return "tdd/red-collection", f"could not be run without the branch: pytest {run.ended}"
    cases = list(of_test(run.cases, test.path, test.name))
    if not cases:
        return _not_collected(branch, test, run.cases)
    faults = [_case_fault(branch, case) for case in cases]
    # Of a parametrised test, one set of parameters that fails is a proof.
    return None if None in faults else faults[0]


def _not_collected(branch: Branch, test: Test, cases: Sequence[Case]) -> tuple[str, str] | None:
    module = collection_of(cases, test.path)
    if module is None:
        return "tdd/red-collection", "is not among the tests that pytest finds without the branch"
    if module.end is CaseEnd.SKIPPED:
        return _RED_WORDS[CaseEnd.SKIPPED]
    if branch.lacks(module.text):
        return None
    why = next(
        (line.removeprefix("E").strip() for line in module.text.splitlines() if line.startswith("E ")), ""
    )
    return "tdd/red-collection", f"could not even be collected without the branch: {why or module.why}"


def _case_fault(branch: Branch, case: Case) -> tuple[str, str] | None:
    said = f"{case.message}\n{case.text}"
    match case.end:
        case CaseEnd.PASSED:
            return "tdd/vacuous", "passes without the branch: it proves nothing of it"
        case CaseEnd.FAILED if _STRICT in said:
            return _RED_WORDS[CaseEnd.XFAILED]
        case CaseEnd.FAILED if "FixtureLookupError" not in said:
            return None
        case CaseEnd.FAILED | CaseEnd.ERROR:
            if branch.lacks(said):
                return None
            if any(word in said for word in _FIXTURES):
                return "tdd/red-fixture", "lacks a fixture without the branch: it never ran"
            return "tdd/red-error", f"failed outside the test itself without the branch: {case.why}"
    return _RED_WORDS[case.end]


def green_findings(subject: Subject, branch: Branch, run: Run) -> Iterator[Finding]:
    for test in branch.named:
        fault = not_green(test, run)
        if fault is not None:
            rule, message = fault
            yield finding(subject, rule, f"{test.name} {message}", test.path, test.line)


def not_green(test: Test, run: Run) -> tuple[str, str] | None:
    """Why a test does not count as passed; None when it passed with all its parameters."""
    if run.cases is None:
        return "tdd/green-failed", f"could not be run on the tip: pytest {run.ended}"
    cases = list(of_test(run.cases, test.path, test.name))
    bad = next((case for case in cases if case.end is not CaseEnd.PASSED), None)
    if bad is not None and bad.end in (CaseEnd.SKIPPED, CaseEnd.XFAILED):
        return "tdd/green-skipped", f"is {bad.end.value} on the tip: {bad.why}"
    if bad is not None:
        return "tdd/green-failed", f"fails on the tip: {bad.why}"
    if cases:
        return None
    module = collection_of(run.cases, test.path)
    return "tdd/green-failed", "is not run on the tip" + (f": {module.why}" if module else "")
