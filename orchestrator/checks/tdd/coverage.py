"""How much of the branch's own code its tests run, by pytest-cov."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from orchestrator import git
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.junit import pytest_trial
from orchestrator.checks.tdd.branch import Branch
from orchestrator.checks.tdd.proof import run_tests
from orchestrator.checks.tdd.written import belongs_to_tests
from orchestrator.checks.trees import files_at
from orchestrator.source.parsing import Fault, parse

_REPORT = "coverage.json"
_SHELL = (
    f'--cov=. --cov-report="json:$ORCHESTRATOR_OUT/{_REPORT}" '
    '--cov-report="html:${ORCHESTRATOR_OUT%/*}/coverage" --cov-fail-under=0'
)


def coverage_findings(subject: Subject, branch: Branch, program: str, least: float) -> Iterator[Finding]:
    """All tests run; of the files that the branch wrote, `least` per cent of the statements must."""
    trial = pytest_trial(subject, "coverage", branch.tip, program, [], shell=_SHELL)
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
    counted = {
        path: _counted(files.get(path), text or "")
        for path, text in zip(own, files_at(subject, *((branch.tip, path) for path in own)), strict=True)
    }
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


def _counted(seen: tuple[int, int] | None, text: str) -> tuple[int, int]:
    """Statements run and there. A file that no test as much as imports counts in full, and so does what
    the branch's own settings and marks leave out, but for a tenth of a file.
    """
    covered, counted = seen or (0, 0)
    there = _statements(text)
    return covered, max(counted, there if seen is None else int(there * (1 - _LEFT_OUT)))


_LEFT_OUT = 0.1


def _statements(text: str) -> int:
    """Lines on which a statement that can run begins."""
    module = parse(text.encode())
    if isinstance(module, Fault):
        return 0
    try:
        return len({node.lineno for node in _running(module.tree.body)})
    except RecursionError:
        return len({node.lineno for node in ast.walk(module.tree) if isinstance(node, ast.stmt)})


def _running(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.If) and _NEVER_TESTED.search(ast.unparse(node.test)):
            continue
        yield node
        for inner in ("body", "orelse", "finalbody"):
            yield from _running(getattr(node, inner, ()))
        for handler in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from _running(handler.body)


_NEVER_TESTED = re.compile(r"\bTYPE_CHECKING\b|__name__ == ")


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
