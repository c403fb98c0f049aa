"""What two branches both touch though git merges it, and names that only letter case keeps apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from orchestrator import git
from orchestrator.core.case_fold import by_fold, collisions
from orchestrator.core.overlap import LineChange, meeting
from orchestrator.forecast.cache import ForecastCache
from orchestrator.forecast.model import Branch, FileClash, Overlap
from orchestrator.forecast.pairs import line_changes
from orchestrator.git import BlobChange, Git

Changes = Mapping[str, Mapping[str, BlobChange]]
"""What each branch changed since it left base, by path."""

_NO_LINES: tuple[str, str] = ("", "")


def read_changes(quarantine: Git, branches: Sequence[Branch], cache: ForecastCache) -> Changes:
    def compute(spans: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Any]:
        found = git.blob_changes(quarantine, spans)
        return {span: [[c.path, c.old, c.new, c.is_gitlink] for c in found[span]] for span in spans}

    spans = {b.name: (b.fork, b.commit) for b in branches if b.fork is not None and not b.contained}
    known, _ = cache.complete(set(spans.values()), lambda span: f"changes:{span[0]}:{span[1]}", compute)
    return {
        name: {path: BlobChange(path, old, new, link) for path, old, new, link in known[span]}
        for name, span in spans.items()
    }


# --- letter case ----------------------------------------------------------------------------------


def case_folds(changes: Changes) -> dict[tuple[str, str], tuple[FileClash, ...]]:
    """For two branches, in the order of `changes`: files both added, under names that differ in case."""
    added = {name: by_fold(p for p, c in of.items() if c.old is None) for name, of in changes.items()}
    found: dict[tuple[str, str], tuple[FileClash, ...]] = {}
    for a, b in combinations(added, 2):
        clashes = collisions(sorted(added[a].values()), added[b])
        if clashes:
            found[a, b] = _clashes(clashes)
    return found


def case_folds_with_base(
    quarantine: Git, base: str, changes: Changes, cache: ForecastCache
) -> dict[str, tuple[FileClash, ...]]:
    """For each branch: files it added under names that base has in another case."""
    fresh = {
        name: tuple(sorted(path for path, change in of.items() if change.old is None))
        for name, of in changes.items()
    }

    def compute(_: Sequence[str]) -> Mapping[str, Any]:
        return {base: git.tracked_paths(quarantine, base)}

    if not any(fresh.values()):
        return {}
    known, _ = cache.complete([base], lambda commit: f"paths:{commit}", compute)
    there = by_fold(known[base])
    found: dict[str, tuple[FileClash, ...]] = {}
    for name, added in fresh.items():
        gone = {path for path, change in changes[name].items() if change.new is None}
        met = [(path, other) for path, other in collisions(added, there) if other not in gone]
        if met:
            found[name] = _clashes(met)
    return found


def _clashes(met: Iterable[tuple[str, str]]) -> tuple[FileClash, ...]:
    return tuple(FileClash(path=path, other=other, kind=git.CASE_FOLD) for path, other in met)


# --- overlaps -------------------------------------------------------------------------------------


def find_overlaps(
    quarantine: Git,
    changes: Changes,
    clashing: Mapping[tuple[str, str], set[str]],
    cache: ForecastCache,
) -> tuple[Overlap, ...]:
    """`clashing` holds, for two branches, the paths that conflict: these are no mere overlap."""
    touched = [
        (a, b, path)
        for a, b, path in _touched_by_both(changes)
        if path not in clashing.get((a, b), set()) and changes[a][path].new != changes[b][path].new
    ]
    wanted = {blobs for a, b, path in touched for blobs in _blobs(changes[a][path], changes[b][path])}
    lines = _cached_lines(quarantine, wanted, cache)
    return tuple(_overlap(a, b, path, changes, lines) for a, b, path in touched)


def _touched_by_both(changes: Changes) -> Iterator[tuple[str, str, str]]:
    for a, b in combinations(changes, 2):
        yield from ((a, b, path) for path in sorted(changes[a].keys() & changes[b].keys()))


def _blobs(a: BlobChange, b: BlobChange) -> tuple[tuple[str, str], ...]:
    """The versions to compare: lines can be held against each other where both began with the same."""
    if a.old is None or a.old != b.old or a.new is None or b.new is None or a.is_gitlink or b.is_gitlink:
        return ()
    return (a.old, a.new), (b.old or "", b.new)


def _overlap(a: str, b: str, path: str, changes: Changes, lines: Mapping[Any, Any]) -> Overlap:
    one, other = _blobs(changes[a][path], changes[b][path]) or (_NO_LINES, _NO_LINES)
    return Overlap(a=a, b=b, path=path, lines=meeting(lines.get(one, ()), lines.get(other, ())))


def _cached_lines(
    quarantine: Git, wanted: set[tuple[str, str]], cache: ForecastCache
) -> dict[tuple[str, str], tuple[LineChange, ...]]:
    def compute(missing: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Any]:
        found = line_changes(quarantine, missing)
        return {
            blobs: [[c.start, c.count, c.own_start, c.own_count] for c in found[blobs]] for blobs in missing
        }

    known, _ = cache.complete(wanted, lambda blobs: f"lines:{blobs[0]}:{blobs[1]}", compute)
    return {blobs: tuple(LineChange(*numbers) for numbers in changes) for blobs, changes in known.items()}
