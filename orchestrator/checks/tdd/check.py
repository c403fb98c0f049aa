"""`tdd`: RED and GREEN proved again; phases, evidence files and coverage where the plan asks for them."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.checks.allowed import with_allowances
from orchestrator.checks.asked import Settings
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.forged import forged
from orchestrator.checks.outward import not_followed
from orchestrator.checks.tdd.branch import read_branch
from orchestrator.checks.tdd.coverage import coverage_findings
from orchestrator.checks.tdd.evidence import evidence_findings
from orchestrator.checks.tdd.history import phase_findings, read_steps
from orchestrator.checks.tdd.hollow import hollow_findings
from orchestrator.checks.tdd.phase_runs import phase_run_findings
from orchestrator.checks.tdd.proof import green_findings, green_trial, red_findings, red_trial, run_tests
from orchestrator.checks.tdd.weakened import weakened_findings
from orchestrator.checks.trees import read_commit


def findings(subject: Subject) -> tuple[Finding, ...]:
    """Raises:
    NoVerdict: tests could not be run.
    """
    found = tuple(_findings(subject))
    told = tuple(not_followed(subject))
    if not found:
        return told
    return (*with_allowances(subject, read_commit(subject, subject.commit), found, "tdd"), *told)


def _findings(subject: Subject) -> Iterator[Finding]:
    asked = Settings(subject, known=("tests", "pytest", "phases", "evidence", "coverage"))
    yield from asked.faults
    program = asked.text("pytest", "pytest")
    branch = read_branch(subject, asked.texts("tests"))
    steps = read_steps(subject, branch)
    if branch.named:
        # The tip first: the set-up is made for its files, and may need some that RED lacks.
        green = run_tests(subject.trials, green_trial(subject, branch, program))
        red = run_tests(subject.trials, red_trial(subject, branch, program))
        yield from red_findings(subject, branch, red)
        yield from hollow_findings(subject, branch, red, program)
        yield from green_findings(subject, branch, green)
        yield from forged(subject)
    else:
        yield finding(subject, "tdd/no-tests", "the branch neither adds nor changes a test")
    yield from weakened_findings(subject, branch, steps, program)
    if asked.flag("phases"):
        yield from phase_findings(subject, steps)
        yield from phase_run_findings(subject, branch, steps, program)
    if asked.flag("evidence"):
        yield from evidence_findings(subject, branch, steps, program)
    least = asked.share("coverage", 80.0)
    if least is not None:
        yield from coverage_findings(subject, branch, program, least)
