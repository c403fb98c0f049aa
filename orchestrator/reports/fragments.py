"""Changelog fragments: `changelog.d/<workstream>.md` or `<workstream>.<kind>.md`, committed on its branch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from orchestrator import git
from orchestrator.core.plan import FRAGMENT_KINDS as KINDS
from orchestrator.core.plan import FRAGMENTS
from orchestrator.git import Git, TreeEntry
from orchestrator.reports.changelog import TITLE, Spot, find_spot, has_heading, insert
from orchestrator.reports.pages import page
from orchestrator.reports.subject import Subject, Unusable
from orchestrator.reports.text import as_items

LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """`kind` is empty for a change of no kind in particular."""

    workstream: str
    kind: str
    path: str
    blob: str


def fragments(repository: Git, commit: str, names: Collection[str]) -> tuple[list[Fragment], list[Unusable]]:
    """Those of these workstreams in a commit; files of any other name are nobody's business here."""
    found: list[Fragment] = []
    unusable: list[Unusable] = []
    for name, entry in git.list_folder(repository, commit, FRAGMENTS).items():
        workstream, *rest = name.removesuffix(".md").split(".")
        if workstream not in names or not name.endswith(".md"):
            continue
        why = _why_not(entry, rest)
        path = f"{FRAGMENTS}/{name}"
        if why:
            unusable.append(Unusable(workstream, f"{path} {why}"))
        else:
            kind = rest[0] if rest else ""
            found.append(Fragment(workstream=workstream, kind=kind, path=path, blob=entry.id))
    return found, unusable


def _why_not(entry: TreeEntry, rest: Sequence[str]) -> str:
    if not entry.is_plain_file:
        return "is no plain file"
    if (entry.size or 0) > LARGEST:
        return f"is longer than {LARGEST} bytes"
    if len(rest) > 1 or (rest and rest[0] not in KINDS):
        return f"names no kind of change; there are: {', '.join(KINDS)}"
    return ""


def collected(repository: Git, subject: Subject) -> tuple[dict[str, str | None], list[Unusable]]:
    """The changelog with what the fragments say, and the fragments gone; nothing where there are none."""
    order = [member.name for member in subject.members]
    found, unusable = fragments(repository, subject.head, order)
    if not found or unusable:
        return {}, unusable
    found.sort(key=lambda fragment: order.index(fragment.workstream))
    name, entry = _changelog(repository, subject.head)
    if entry is not None and not entry.is_plain_file:
        why = f"its changelog fragment has no place: {name} is no plain file"
        return {}, [Unusable(workstream, why) for workstream in dict.fromkeys(f.workstream for f in found)]
    old = git.read_blob(repository, entry.id) if entry is not None else TITLE
    new = _with(repository, old, subject, found)
    gone: dict[str, str | None] = {fragment.path: None for fragment in found}
    return {**gone, **({name: new} if new != old else {})}, []


def _changelog(repository: Git, commit: str) -> tuple[str, TreeEntry | None]:
    """However its name is written: two that differ in case only could not be checked out everywhere."""
    there = git.list_folder(repository, commit)
    spelled = sorted(name for name in there if name.lower() == "changelog.md")
    name = spelled[0] if spelled else "CHANGELOG.md"
    return name, there.get(name)


def _with(repository: Git, changelog: str, subject: Subject, found: Sequence[Fragment]) -> str:
    spot = find_spot(changelog)
    texts = [(f.kind, as_items(git.read_blob(repository, f.blob), spot.level + 1)) for f in found]
    said = [(kind, text) for kind, text in texts if text]
    # A wave that landed in parts, or came back with more, has a section already.
    again = has_heading(changelog, subject.title)
    title = f"{subject.title} (continued)" if again else subject.title
    return insert(changelog, _section(title, spot, said), spot) if said else changelog


def _section(title: str, spot: Spot, said: Sequence[tuple[str, str]]) -> str:
    return page(
        "changelog.md.j2",
        level=spot.level,
        title=title,
        loose=[text for kind, text in said if not kind],
        kinds=list(_by_kind(said)),
    )


def _by_kind(said: Sequence[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    for kind in KINDS:
        texts = [text for of, text in said if of == kind]
        if texts:
            yield kind, texts
