"""`review`: a person has approved exactly these files; a change of any asks for another look."""

from __future__ import annotations

from orchestrator import git
from orchestrator.checks.finding import Finding, Subject, finding


def findings(subject: Subject) -> tuple[Finding, ...]:
    if subject.workstream is None:
        return (finding(subject, "review/of-a-wave", "a wave is not approved; its workstreams are"),)
    tree = git.tree_of(subject.git, subject.commit)
    if any(approval.tree == tree for approval in subject.approvals):
        return ()
    if not subject.approvals:
        return (finding(subject, "review/missing", "nobody has approved it yet"),)
    last = subject.approvals[-1]
    message = f"{last.by} approved it at {last.commit[:10]}, and its files have changed since"
    return (finding(subject, "review/outdated", message),)
