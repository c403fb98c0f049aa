"""`paths`: a branch touches only what the plan gives it. A branch without `paths` may touch everything."""

from __future__ import annotations

from orchestrator import git
from orchestrator.checks.finding import Finding, Subject
from orchestrator.core.ownership import covers as covers
from orchestrator.core.ownership import is_own


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
        if not is_own(workstream, change.path)
    )
