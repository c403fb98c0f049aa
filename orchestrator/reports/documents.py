"""The files a candidate carries beside what its branches changed: changelog and session document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator import git
from orchestrator.core.plan import FRAGMENTS
from orchestrator.git import Git
from orchestrator.reports.fragments import collected
from orchestrator.reports.session import committed_page
from orchestrator.reports.subject import Subject, Unusable, Verdict
from orchestrator.reports.work import read_work

SESSIONS = "docs/sessions"


def commit_subject(wave: int) -> str:
    """Of the commit that holds what was generated: the last of a candidate that has any."""
    return f"wave {wave}: documents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """`files` are to be written, those of None removed; with anything `unusable` nothing is."""

    files: Mapping[str, str | None] = field(default_factory=dict)
    unusable: tuple[Unusable, ...] = ()


def names_verdicts(generated: Iterable[str]) -> bool:
    """Whether one of these files reads otherwise with other verdicts."""
    return any(path.startswith(f"{SESSIONS}/") for path in generated)


def documents(repository: Git, subject: Subject, verdicts: Sequence[Verdict]) -> Documents:
    """What follows from the wave's commits, the plan and the verdicts, and from nothing else.

    The changelog is written where there are fragments, the session document where `docs/sessions` is
    a folder. What stands in a file already stays in it.
    """
    if not git.tree_entries(repository, subject.head, FRAGMENTS, SESSIONS):
        return Documents()
    files, unusable = collected(repository, subject)
    sessions = git.find_entry(repository, subject.head, SESSIONS)
    if sessions is not None and sessions.is_folder and not unusable:
        path = f"{SESSIONS}/wave-{subject.wave}.md"
        unusable = _not_plain(repository, subject, path)
        if not unusable:
            files[path] = _session(repository, subject, path, verdicts)
    return Documents(unusable=tuple(unusable)) if unusable else Documents(files=files)


def _not_plain(repository: Git, subject: Subject, path: str) -> list[Unusable]:
    entry = git.find_entry(repository, subject.head, path)
    if entry is None or entry.is_plain_file:
        return []
    why = f"the wave's session document has no place: {path} is no plain file"
    return [Unusable(member.name, why) for member in subject.members]


def _session(repository: Git, subject: Subject, path: str, verdicts: Sequence[Verdict]) -> str:
    """Behind what somebody wrote there already, such as a draft that a branch brings."""
    text = committed_page(read_work(repository, subject), verdicts)
    entry = git.find_entry(repository, subject.head, path)
    draft = git.read_blob(repository, entry.id).rstrip() if entry is not None else ""
    return f"{draft}\n\n---\n\n{text}" if draft else text
