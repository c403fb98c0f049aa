"""`silent-revert`: a branch undoes nothing that others landed since its work began, unless it says so.

Git merges such a branch without a conflict: it has the others' commits in its history and their work no
longer in its files. That is what `merge -s ours` and a squash or copy from a stale tree leave behind.

With F the newest commit that base and branch share and S where base was when the branch's work began,
each change of base from S to F counts as undone where the branch has the text of S again, and none of
what replaced it. S is the oldest of: the commits its own commits grew from, the last commit of base
before its first own commit was written, and, where a journal tells, the commit its worktree began at.

A deliberate one is declared in a commit of the branch: by `git revert`, or by a line `Reverts: PATH` (a
file, a folder or a pattern).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from orchestrator import git
from orchestrator.checks.finding import Finding, Subject
from orchestrator.checks.paths import covers
from orchestrator.git import Git, LineChange, OwnCommit

_DECLARED = re.compile(r"^Reverts: *(\S.*?) *$", re.MULTILINE)
_REVERTED = re.compile(r"^This reverts commit ([0-9a-f]{40,64})", re.MULTILINE)
_ALIKE = 0.6
"""Two lines at least this similar are one line, edited."""


@dataclass(frozen=True, slots=True)
class Undone:
    """`first` to `last` are lines of `path` in `seen`, the newest commit of base that the branch has."""

    path: str
    seen: str
    first: int | None = None
    last: int | None = None

    def words(self) -> str:
        return f"undoes what others landed in {self._place()} (see {self.seen[:12]}:{self.path})"

    def _place(self) -> str:
        if self.first is None:
            return self.path
        span = f"line {self.first}" if self.first == self.last else f"lines {self.first} to {self.last}"
        return f"{self.path}, {span}"


def findings(subject: Subject) -> tuple[Finding, ...]:
    if subject.workstream is None:
        undone = tuple(one for _, one in undone_in_landing(subject.git, subject.base, subject.commit))
    else:
        undone = undone_in_merge(subject.git, subject.base, subject.commit)
    return tuple(
        Finding(
            gate=subject.gate,
            workstream=subject.name,
            path=one.path,
            line=one.first,
            rule="undone",
            message=one.words(),
        )
        for one in undone
    )


def undone_in_landing(repository: Git, before: str, after: str) -> Iterator[tuple[str, Undone]]:
    """For each merge that leads from `before` to `after`: the merged commit, and what it undoes."""
    for _, parents in git.first_parents(repository, before, after):
        if len(parents) == 2:
            for undone in undone_in_merge(repository, parents[0], parents[1]):
                yield parents[1], undone


def undone_in_merge(repository: Git, base: str, tip: str, began: str | None = None) -> tuple[Undone, ...]:
    """What merging `tip` into `base` would undo without saying so.

    `began` is a commit that the branch stood at when its work began, where that is known.
    """
    own = git.own_commits(repository, base, tip)
    grown_from = _grown_from(own)
    # A branch that forked once and never merged again: what it forked from is what it has seen.
    seen = grown_from[0] if len(grown_from) == 1 else git.merge_base(repository, base, tip)
    if not own or seen is None:
        return ()
    start = _start(repository, own, seen, [*grown_from, *([began] if began else [])])
    if start == seen:
        return ()
    found = tuple(_undone(repository, start, seen, tip))
    declared = _declared(repository, own) if found else set()
    return tuple(one for one in found if not any(covers(pattern, one.path) for pattern in declared))


def _grown_from(own: Sequence[OwnCommit]) -> list[str]:
    ours = {commit.id for commit in own}
    return sorted({parent for commit in own for parent in commit.parents if parent not in ours})


def _start(repository: Git, own: Sequence[OwnCommit], seen: str, known: Sequence[str]) -> str:
    """S of the module's definition."""
    written = git.newest_until(repository, seen, min(commit.authored_s for commit in own))
    commits = list(dict.fromkeys([seen, *known, *([written] if written else [])]))
    return seen if len(commits) == 1 else git.common_ancestor(repository, commits) or seen


def _undone(repository: Git, start: str, seen: str, tip: str) -> Iterator[Undone]:
    spans = ((start, seen), (seen, tip))
    theirs, ours = (
        {change.path: (change.old, change.new) for change in changes}
        for changes in git.blob_changes(repository, spans).values()
    )
    both = [path for path in theirs if path in ours]
    moved = git.renamed_paths(repository, seen, tip) if both else {}
    for path in both:
        before, after = theirs[path]
        now = ours[moved[path]][1] if path in moved else ours[path][1]
        if now == before:
            yield Undone(path, seen)
        elif before and after and now:
            yield from _undone_lines(repository, path, seen, (before, after, now))


def _undone_lines(repository: Git, path: str, seen: str, blobs: tuple[str, str, str]) -> Iterator[Undone]:
    before, after, now = blobs
    landed = git.line_changes(repository, before, after)
    own = git.line_changes(repository, before, now)
    lost = git.line_changes(repository, after, now)
    for hunk in landed:
        if _says_something(hunk) and _is_lost(hunk, lost) and _is_restored(hunk, own):
            last = hunk.new_start + max(len(hunk.added), 1) - 1
            yield Undone(path, seen, max(hunk.new_start, 1), max(last, 1))


def _says_something(hunk: LineChange) -> bool:
    return any(line.strip() for line in (*hunk.removed, *hunk.added))


def _is_lost(landed: LineChange, lost: Iterable[LineChange]) -> bool:
    """No line that base gained there is left."""
    gained = set(range(landed.new_start, landed.new_start + len(landed.added)))
    for hunk in lost:
        gained -= set(range(hunk.old_start, hunk.old_start + hunk.old_count))
    return not gained


def _is_restored(landed: LineChange, own: Iterable[LineChange]) -> bool:
    """The branch has there what was there before, at most with lines of its own put beside it."""
    for hunk in own:
        if not _meet(landed, hunk):
            continue
        beside = hunk.old_count == 0 and landed.old_count == 0
        if not beside or _resembles(hunk.added, landed.added):
            return False
    return True


def _meet(landed: LineChange, own: LineChange) -> bool:
    if landed.old_count and own.old_count:
        ends = landed.old_start + landed.old_count, own.old_start + own.old_count
        return max(landed.old_start, own.old_start) < min(ends)
    if landed.old_count == own.old_count == 0:
        return landed.old_start == own.old_start
    point, span = (landed, own) if landed.old_count == 0 else (own, landed)
    return span.old_start <= point.old_start < span.old_start + span.old_count - 1


def _resembles(mine: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether lines of mine look like edited lines of theirs."""
    pairs = ((a.strip(), b.strip()) for a in mine for b in theirs)
    return any(a and b and _is_edited(a, b) for a, b in pairs)


def _is_edited(a: str, b: str) -> bool:
    return a in b or b in a or SequenceMatcher(None, a, b).ratio() >= _ALIKE


def _declared(repository: Git, own: Iterable[OwnCommit]) -> set[str]:
    """The paths that commits of the branch say they revert."""
    messages = [commit.message for commit in own]
    named = {path for message in messages for path in _DECLARED.findall(message)}
    reverted = {commit for message in messages for commit in _REVERTED.findall(message)}
    known = [commit for commit in git.find_commits(repository, reverted).values() if commit]
    return named | git.paths_of(repository, known)
