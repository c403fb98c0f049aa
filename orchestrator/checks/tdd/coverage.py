"""How much of the branch's own code its tests run, by pytest-cov."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from orchestrator import git
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.junit import pytest_trial
from orchestrator.checks.tdd.branch import Branch
from orchestrator.checks.tdd.proof import run_tests
from orchestrator.checks.tdd.written import belongs_to_tests

_REPORT = "coverage.json"
_SHELL = (
    f'--cov=. --cov-report="json:$ORCHESTRATOR_OUT/{_REPORT}" '
    '--cov-report="html:${ORCHESTRATOR_OUT%/*}/coverage" --cov-fail-under=0'
)


def coverage_findings(subject: Subject, branch: Branch, program: str, least: float) -> Iterator[Finding]:
    """All tests run; of the files that the branch wrote, `least` per cent of the statements must."""
    trial = pytest_trial("coverage", branch.tip, program, [], shell=_SHELL)
    run = run_tests(subject.trials, replace(trial, wanted=(*trial.wanted, _REPORT)))
    files = _files(run.outcome.files.get(_REPORT))
    if files is None:
        message = f"no coverage was measured: pytest {run.ended}; is pytest-cov on the gate's PATH?"
        yield finding(subject, "tdd/coverage-unknown", message)
        return
    own = [
        change.path
        for change in git.changed_paths(subject.git, branch.fork, branch.tip)
        if change.kind != "D"
        and change.path.endswith(".py")
        and not belongs_to_tests(change.path, branch.patterns)
    ]
    counted = {path: files.get(path, (0, _UNSEEN)) for path in own}
    covered, all_of_them = (sum(pair[n] for pair in counted.values()) for n in (0, 1))
    share = 100.0 * covered / all_of_them if all_of_them else 100.0
    if share < least:
        worst = min(counted, key=lambda path: counted[path][0] / max(counted[path][1], 1))
        message = (
            f"tests run {share:.1f} % of the branch's statements, {least:g} % are wanted; least of {worst}"
        )
        yield finding(
            subject, "tdd/coverage", f"{message}; the HTML report is beside {run.outcome.log}", worst
        )


_UNSEEN = 1
"""A file that no test as much as imports is counted as one statement: how many it has is not known."""


def _files(text: str | None) -> dict[str, tuple[int, int]] | None:
    """Statements run and statements there, by path."""
    try:
        found = json.loads(text or "")["files"]
        return {
            path: (int(one["summary"]["covered_lines"]), int(one["summary"]["num_statements"]))
            for path, one in found.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
