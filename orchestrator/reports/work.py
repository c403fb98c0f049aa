"""What a wave brought, read from git alone: equal commits give an equal answer on every machine."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator import git
from orchestrator.core.plan import is_fragment_of
from orchestrator.git import AddedLine, Commit, Git, LineCount, TreeEntry
from orchestrator.reports.subject import Member, Subject

METRICS = ("validation_metrics.json", "final_metrics.json")
"""The later one counts where both have a number."""

LARGEST = 1024 * 1024
DEBT = "(TODO|FIXME)"
_DECISION = re.compile(r"(^|/)(decisions|adrs?)/[^/]+\.(md|rst|adoc|txt)$", re.IGNORECASE)
_TITLE = re.compile(r"#\s+(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    files: int
    insertions: int
    deletions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberWork:
    """`merge` is the commit that brought it; None where it came along with another workstream."""

    member: Member
    commits: tuple[Commit, ...]
    totals: Totals
    metrics: Mapping[str, float]
    merge: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    path: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveWork:
    """`commits` are those of all branches, newest first, each once; `counts` are the files that land."""

    subject: Subject
    members: tuple[MemberWork, ...]
    commits: tuple[Commit, ...]
    counts: tuple[LineCount, ...]
    decisions: tuple[Decision, ...]
    debt: tuple[AddedLine, ...]

    @property
    def totals(self) -> Totals:
        return _totals(self.counts)


def read_work(repository: Git, subject: Subject) -> WaveWork:
    base, head = subject.base_commit, subject.head
    merges = dict(_merges(repository, subject))
    members = tuple(_member(repository, subject, m, merges.get(m.tip)) for m in subject.members)
    return WaveWork(
        subject=subject,
        members=members,
        commits=_newest_first(members),
        counts=tuple(c for c in git.line_counts(repository, base, head) if not _goes(subject, c.path)),
        decisions=tuple(_decisions(repository, base, head)),
        debt=git.added_lines(repository, base, head, DEBT),
    )


def together(works: Sequence[WaveWork]) -> WaveWork:
    """The work of a wave that landed in parts, as one."""
    first, last = works[0], works[-1]
    members = tuple(member for work in works for member in work.members)
    subject = replace(
        last.subject,
        base_commit=first.subject.base_commit,
        members=tuple(work.member for work in members),
        contained=tuple(name for work in works for name in work.subject.contained),
    )
    return WaveWork(
        subject=subject,
        members=members,
        commits=_newest_first(members),
        counts=_added_up([count for work in works for count in work.counts]),
        decisions=tuple(decision for work in works for decision in work.decisions),
        debt=tuple(line for work in works for line in work.debt),
    )


def _newest_first(members: Sequence[MemberWork]) -> tuple[Commit, ...]:
    once = {commit.id: commit for work in members for commit in work.commits}
    return tuple(sorted(once.values(), key=lambda c: (c.authored_at, c.id), reverse=True))


def _added_up(counts: Sequence[LineCount]) -> tuple[LineCount, ...]:
    found: dict[str, LineCount] = {}
    for count in counts:
        known = found.get(count.path, LineCount(count.path, 0, 0))
        found[count.path] = LineCount(
            count.path, _sum(known.added, count.added), _sum(known.removed, count.removed)
        )
    return tuple(found[path] for path in sorted(found))


def _sum(a: int | None, b: int | None) -> int | None:
    """None for a binary file."""
    return None if a is None or b is None else a + b


def _goes(subject: Subject, path: str) -> bool:
    """Fragments come with the branches and do not land: the changelog has their text."""
    return any(is_fragment_of(member.name, path) for member in subject.members)


def _merges(repository: Git, subject: Subject) -> Iterator[tuple[str, str]]:
    """Each tip that was merged, and the merge."""
    span = f"{subject.base_commit}..{subject.head}"
    lines = repository.text("rev-list", "--first-parent", "--merges", "--parents", span).split("\n")
    for commit, _, tip in (line.split() for line in lines if line):
        yield tip, commit


def _member(repository: Git, subject: Subject, member: Member, merge: str | None) -> MemberWork:
    base = subject.base_commit
    fork = git.merge_base(repository, base, member.tip) or base
    return MemberWork(
        member=member,
        commits=git.log(repository, f"{base}..{member.tip}"),
        totals=_totals(git.line_counts(repository, fork, member.tip)),
        metrics=_metrics(repository, fork, member),
        merge=merge,
    )


def _totals(counts: Sequence[LineCount]) -> Totals:
    return Totals(
        files=len(counts),
        insertions=sum(count.added or 0 for count in counts),
        deletions=sum(count.removed or 0 for count in counts),
    )


def _metrics(repository: Git, fork: str, member: Member) -> dict[str, float]:
    """Numbers that the branch itself committed: what stood there before is somebody else's."""
    paths = [f"{member.results}/{name}" for name in METRICS]
    there = {entry.path: entry for entry in git.tree_entries(repository, member.tip, *paths, sizes=True)}
    before = git.tree_entries(repository, fork, *paths, sizes=True) if there else ()
    found: dict[str, float] = {}
    for path in paths:
        if path in there and there[path] not in before:
            found |= _numbers(repository, there[path])
    return found


def _numbers(repository: Git, entry: TreeEntry) -> dict[str, float]:
    if not entry.is_plain_file or (entry.size or 0) > LARGEST:
        return {}
    try:
        content = json.loads(git.read_blob(repository, entry.id))
    except (ValueError, RecursionError):  # a worker may commit anything
        return {}
    items = content.items() if isinstance(content, dict) else ()
    return {key: float(value) for key, value in items if _is_number(value)}


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) < 1e300 and math.isfinite(value)


def _decisions(repository: Git, base: str, head: str) -> Iterator[Decision]:
    for change in git.changed_paths(repository, base, head):
        if change.kind != "A" or not _DECISION.search(change.path):
            continue
        entry = git.find_entry(repository, head, change.path)
        if entry is not None and entry.is_plain_file:
            text = git.read_blob(repository, entry.id)[:LARGEST]
            title = next((found[1] for line in text.split("\n") if (found := _TITLE.match(line))), "")
            yield Decision(path=change.path, title=title)
