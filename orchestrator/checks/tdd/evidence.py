"""Evidence files, held against the commits they name. Nothing in them is believed."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator import git
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.junit import CaseEnd, pytest_trial
from orchestrator.checks.tdd.branch import Branch, branch_between
from orchestrator.checks.tdd.history import Step
from orchestrator.checks.tdd.proof import Run, run_tests
from orchestrator.checks.tdd.record import Evidence, is_evidence, named_in, path_of, read
from orchestrator.source.naming import plain

_WANTED = ("red", "green")


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: str
    component: str
    phase: str
    evidence: Evidence


def evidence_findings(
    subject: Subject, branch: Branch, steps: Sequence[Step], program: str
) -> Iterator[Finding]:
    """RED and GREEN of each component that the plan claims; REFACTOR where it is there."""
    entries = git.tree_entries(subject.git, branch.tip, recursive=True)
    blobs = {entry.path: entry.id for entry in entries if is_evidence(entry.path)}
    contents = git.read_blobs(subject.git, list(blobs.values()))
    yield from _missing(subject, blobs)
    trees = _trees(subject, branch, steps)
    for path, blob in blobs.items():
        found = _file(path, contents[blob].decode("utf-8", "replace"))
        if isinstance(found, str):
            yield finding(subject, "tdd/evidence-unreadable", f"{path} {found}", path, 1)
            continue
        fault = _fault(subject, branch, found, trees, _commits(branch, steps), program)
        if fault is not None:
            yield finding(
                subject, "tdd/evidence-untrue", f"{path}: {fault}", path, 1, component=found.component
            )


def _missing(subject: Subject, paths: Mapping[str, str]) -> Iterator[Finding]:
    there = {named_in(path) for path in paths}
    for component in subject.claims or sorted({named[0] for named in there if named}):
        for phase in _WANTED:
            if (component, phase) not in there:
                message = f"there is no {path_of(component, phase)}"
                yield finding(subject, "tdd/evidence-missing", message, component=component)
    if not subject.claims and not there:
        yield finding(subject, "tdd/evidence-missing", f"there is no {path_of('COMPONENT', 'red')}")


def _file(path: str, text: str) -> _File | str:
    found = read(text)
    named = named_in(path)
    assert named is not None
    if isinstance(found, str):
        return found
    component, phase = named
    if found.phase != phase or found.component != component:
        return f"says it is {found.phase} of {found.component}"
    return _File(path=path, component=component, phase=phase, evidence=found)


def _trees(subject: Subject, branch: Branch, steps: Sequence[Step]) -> dict[str, str]:
    """Trees of the branch's commits without evidence files, to the commits."""
    return {git.tree_without(subject.git, commit, is_evidence): commit for commit in _commits(branch, steps)}


def _commits(branch: Branch, steps: Sequence[Step]) -> list[str]:
    return [branch.fork, *(step.commit for step in steps)]


def _fault(
    subject: Subject, branch: Branch, file: _File, trees: Mapping[str, str], own: Sequence[str], program: str
) -> str | None:
    evidence = file.evidence
    if (evidence.exit_code == 0) is (file.phase == "red"):
        return f"it says itself that the command ended with {evidence.exit_code}"
    named = git.find_commits(subject.git, [evidence.commit])[evidence.commit]
    if named is None or named not in own:
        return f"commit {evidence.commit[:12]} is none of this branch"
    commit = trees.get(evidence.tree)
    if commit is None:
        return "what it was captured on is no commit of this branch: capture it again after committing"
    return _disagrees(subject, branch, file, commit, program)


def _disagrees(subject: Subject, branch: Branch, file: _File, commit: str, program: str) -> str | None:
    then = branch_between(subject.git, branch.fork, commit, branch.patterns)
    if not then.named:
        return f"at {commit[:12]} the branch has no test of its own yet"
    tests = _tests_of(file, then.test_files)
    trial = pytest_trial(subject, f"evidence {file.path}", commit, program, tests, keeps_failures=True)
    run = run_tests(subject.trials, trial)
    if file.phase == "red":
        return None if is_red(branch, run) else f"run again at {commit[:12]}, no test fails"
    bad = not_passed(run)
    return f"run again at {commit[:12]}, {bad}" if bad else None


def _tests_of(file: _File, there: Sequence[str]) -> Sequence[str]:
    """Those named after the component, else those that the command names, else all that are new."""
    name = plain(file.component)
    own = [path for path in there if name in plain(posixpath.basename(path))]
    return own or [path for path in there if _is_named(path, file.evidence.command)] or there


def _is_named(path: str, command: str) -> bool:
    words = (word.partition("::")[0].removeprefix("./").rstrip("/") for word in command.split())
    return any(word and (path == word or path.startswith(f"{word}/")) for word in words)


def is_red(branch: Branch, run: Run) -> bool:
    if run.cases is None:
        return branch.lacks(run.outcome.tail) is not None
    return any(
        case.end is CaseEnd.FAILED
        or (case.end is CaseEnd.ERROR and branch.lacks(f"{case.message}\n{case.text}"))
        for case in run.cases
    )


def not_passed(run: Run) -> str | None:
    if run.cases is None:
        return f"pytest {run.ended}"
    bad = next((case for case in run.cases if case.end is not CaseEnd.PASSED), None)
    if bad is not None:
        return f"{bad.name} {bad.end.value}"
    return None if run.cases else "no test ran"
