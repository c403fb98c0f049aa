"""`docs`: a branch says what it changed: a changelog fragment, a decision or session draft where due."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from orchestrator import git
from orchestrator.checks.asked import Settings
from orchestrator.checks.finding import Finding, Sibling, Subject, finding
from orchestrator.checks.paths import covers
from orchestrator.checks.trees import files_at
from orchestrator.core.plan import FRAGMENT_KINDS, FRAGMENTS

_DECISIONS = ("docs/decisions", "docs/adr")
_SESSIONS = "docs/sessions"
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_WORD = re.compile(r"[^\W_]+")
_LATER = frozenset({"todo", "tbd", "fixme", "wip", "xxx", "placeholder", "later", "soon"})


def findings(subject: Subject) -> tuple[Finding, ...]:
    asked = Settings(subject, known=("changelog", "decision", "decisions", "session", "sessions"))
    asked.flag("changelog", True), asked.flag("session")
    _due(asked, [])
    asked.texts("decisions"), asked.text("sessions")
    if asked.faults:
        return tuple(asked.faults)
    own = subject.workstream
    judged = [Sibling(workstream=own, commit=subject.commit)] if own is not None else list(subject.siblings)
    return tuple(found for one in judged for found in _of_branch(subject, asked, one))


def _of_branch(subject: Subject, asked: Settings, one: Sibling) -> Iterator[Finding]:
    fork = git.merge_base(subject.git, subject.base, one.commit) or subject.base
    changes = git.changed_paths(subject.git, fork, one.commit)
    kept = [change.path for change in changes if change.kind != "D"]
    if asked.flag("changelog", True):
        yield from _changelog(subject, one, kept)
    why = _due(asked, [change.path for change in changes])
    folders = asked.texts("decisions", otherwise=_DECISIONS)
    if why and not _has_page(subject, one, kept, folders):
        message = f"no decision is recorded in {' or '.join(folders)}, though {why}"
        yield finding(subject, "docs/no-decision", message, folders[0], workstream=one.name)
    sessions = asked.text("sessions", _SESSIONS)
    if asked.flag("session") and not _has_page(subject, one, kept, (sessions,)):
        message = f"no draft of the session document is in {sessions}"
        yield finding(subject, "docs/no-session", message, sessions, workstream=one.name)


def _changelog(subject: Subject, one: Sibling, kept: Sequence[str]) -> Iterator[Finding]:
    usual = f"{FRAGMENTS}/{one.name}.md"
    kinds = {f"{FRAGMENTS}/{one.name}.{kind}.md" for kind in FRAGMENT_KINDS}
    own = [path for path in kept if path == usual or path in kinds]
    for path in kept:
        if path not in own and fnmatchcase(path, f"{FRAGMENTS}/{one.name}.*.md"):
            message = f"names no kind of change; there are {', '.join(FRAGMENT_KINDS)}"
            yield finding(subject, "docs/no-changelog", message, path, 1, workstream=one.name)
    if not own:
        yield finding(subject, "docs/no-changelog", f"there is no {usual}", usual, workstream=one.name)
    for path, text in zip(own, files_at(subject, *((one.commit, path) for path in own)), strict=True):
        if not _says_something(text):
            yield finding(subject, "docs/no-changelog", "says nothing", path, 1, workstream=one.name)


def _says_something(text: str | None) -> bool:
    """Beside comments and a promise to write it later."""
    return any(word.lower() not in _LATER for word in _WORD.findall(_COMMENT.sub("", text or "")))


def _due(asked: Settings, changed: Sequence[str]) -> str | None:
    """Why a decision is asked for: the plan does, or a path was changed that the plan names."""
    if isinstance(asked.given("decision"), bool):
        return "the plan asks for one" if asked.flag("decision") else None
    for pattern in asked.texts("decision"):
        path = next((path for path in changed if covers(pattern, path)), None)
        if path is not None:
            return f"{path} was changed"
    return None


def _has_page(subject: Subject, one: Sibling, kept: Sequence[str], folders: Sequence[str]) -> bool:
    pages = [
        path
        for path in kept
        if path.endswith((".md", ".rst")) and any(covers(folder, path) for folder in folders)
    ]
    return any(map(_says_something, files_at(subject, *((one.commit, path) for path in pages))))
