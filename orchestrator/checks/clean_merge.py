"""`clean-merge`: the branch merges into base without a conflict."""

from __future__ import annotations

from orchestrator import git
from orchestrator.checks.finding import Finding, Subject


def findings(subject: Subject) -> tuple[Finding, ...]:
    common_dir = git.common_dir(subject.git)
    if git.merge_base(subject.git, subject.base, subject.commit) is None:
        cut = " here: git fetch --unshallow" if git.is_shallow(subject.git) else ""
        return (_finding(subject, None, "unrelated", f"shares no history with base{cut}"),)
    with git.merging(common_dir, subject.base) as neutral:
        merged = git.merge_tree(neutral, subject.base, subject.commit)
    if isinstance(merged, git.Merged):
        return ()
    if not merged.files:
        return (_finding(subject, None, "conflict", "conflicts with base"),)
    return tuple(
        _finding(subject, file.path, file.kind, f"conflicts with base ({file.kind})") for file in merged.files
    )


def _finding(subject: Subject, path: str | None, rule: str, message: str) -> Finding:
    return Finding(gate=subject.gate, workstream=subject.name, path=path, rule=rule, message=message)
