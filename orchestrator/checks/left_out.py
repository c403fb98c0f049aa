"""Tests that are there and that pytest does not run, since the branch changed what pytest is told."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator

from orchestrator import git
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.junit import Case
from orchestrator.checks.tdd.written import Test, is_collected, tests_at

_SETTINGS = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "conftest.py")


def left_out(subject: Subject, cases: Collection[Case]) -> Iterator[Finding]:
    """What base's own settings leave out is base's choice: without a change of them nothing is asked."""
    fork = git.merge_base(subject.git, subject.base, subject.commit) or subject.base
    changed = [change.path for change in git.changed_paths(subject.git, fork, subject.commit)]
    settings = [path for path in changed if posixpath.basename(path) in _SETTINGS]
    if not settings:
        return
    entries = git.tree_entries(subject.git, subject.commit, recursive=True)
    paths = [entry.path for entry in entries if is_collected(entry.path, ())]
    ran = {(case.file, case.test) for case in cases}
    unread = {case.name for case in cases if case.is_collection}
    for path, tests in tests_at(subject.git, subject.commit, paths).items():
        if path in unread or path.removesuffix(".py").replace("/", ".") in unread:
            continue
        missing = [test for test in tests if _is_usual(test) and (path, test.name) not in ran]
        if missing:
            message = f"{missing[0].name} is not run, and the branch changed {settings[0]}"
            more = f" ({len(missing)} tests of this file are not)" if len(missing) > 1 else ""
            yield finding(subject, "pytest/left-out", message + more, path, missing[0].line)


def _is_usual(test: Test) -> bool:
    """A function of the module, or a method of a class that pytest takes for one of tests."""
    owner = test.name.rpartition(".")[0]
    return not owner or all(part.startswith("Test") for part in owner.split("."))
