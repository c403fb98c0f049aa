"""`paths`: a branch touches only what the plan gives it. A branch without `paths` may touch everything.

Its own changelog fragment is its own wherever `paths` are.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from orchestrator import git
from orchestrator.checks.finding import Finding, Subject
from orchestrator.core.plan import is_fragment_of


def findings(subject: Subject) -> tuple[Finding, ...]:
    workstream = subject.workstream
    if workstream is None or not workstream.paths:
        return ()
    fork = git.merge_base(subject.git, subject.base, subject.commit) or subject.base
    allowed = ", ".join(workstream.paths)
    return tuple(
        Finding(
            gate=subject.gate,
            workstream=workstream.name,
            path=change.path,
            rule="outside",
            message=f"is outside the branch's own paths ({allowed})",
        )
        for change in git.changed_paths(subject.git, fork, subject.commit)
        if not is_fragment_of(workstream.name, change.path)
        and not any(covers(pattern, change.path) for pattern in workstream.paths)
    )


def covers(pattern: str, path: str) -> bool:
    """A pattern is a file, a folder with everything below it, or a glob whose `*` also crosses folders."""
    folder = pattern.rstrip("/")
    return path == folder or path.startswith(f"{folder}/") or fnmatchcase(path, pattern)
