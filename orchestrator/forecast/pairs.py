"""Every two branches, and each with base: which files conflict, and in which lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from orchestrator import git
from orchestrator.core.overlap import LineChange, Meeting, Span, meeting
from orchestrator.forecast.cache import ForecastCache
from orchestrator.forecast.model import FileClash
from orchestrator.git import Conflict, Git, Merged, NotMergeable, Stage

Commits = tuple[str, str]
"""Two commits, sorted: a pair has one answer, whichever of the two comes first."""

Verdict = tuple[str, tuple[FileClash, ...]]
"""Why they cannot be merged at all, and the files that conflict; both empty for a clean merge."""

_WORTH_TWO = 16
"""As many merges as take longer than it takes to start another process."""

BASE, OURS, THEIRS = 1, 2, 3
_SYMLINK, _GITLINK = "120000", "160000"


def in_order(a: str, b: str) -> Commits:
    return (a, b) if a <= b else (b, a)


class Verdicts:
    """Merges of two commits, made or remembered. `computed` and `reused` count them."""

    def __init__(self, quarantine: Git, common_dir: str, base: str, cache: ForecastCache) -> None:
        self._quarantine = quarantine
        self._common_dir = common_dir
        self._base = base
        self._cache = cache
        self.rules = git.merge_rules(common_dir, base)
        self.computed = 0
        self.reused = 0

    def of(self, pairs: Iterable[Commits]) -> dict[Commits, Verdict]:
        wanted = sorted(set(pairs))
        found, computed = self._cache.complete(
            wanted, lambda pair: f"merge:{self.rules}:{pair[0]}:{pair[1]}", self._merge
        )
        self.computed += computed
        self.reused += len(wanted) - computed
        return {pair: _read(document) for pair, document in found.items()}

    def _merge(self, pairs: Sequence[Commits]) -> Mapping[Commits, Any]:
        with git.merging(self._common_dir, self._base, like=self._quarantine) as neutral:
            merged = dict(zip(pairs, _merged(neutral, pairs), strict=True))
        conflicts = {pair: result for pair, result in merged.items() if isinstance(result, Conflict)}
        lines = _lines(self._quarantine, conflicts.values())
        return {pair: _document(result, lines) for pair, result in merged.items()}


def _merged(neutral: Git, pairs: Sequence[Commits]) -> list[Merged | Conflict | NotMergeable]:
    """In two processes: one merges while the other writes, and hosts have two cores."""
    if len(pairs) < _WORTH_TWO:
        return git.merge_pairs(neutral, pairs)
    half = len(pairs) // 2
    with ThreadPoolExecutor(1, thread_name_prefix="merges") as beside:
        first = beside.submit(git.merge_pairs, neutral, pairs[:half])
        second = git.merge_pairs(neutral, pairs[half:])
        return [*first.result(), *second]


def _document(result: Merged | Conflict | NotMergeable, lines: LineChanges) -> dict[str, Any]:
    if isinstance(result, NotMergeable):
        return {"reason": result.reason, "files": []}
    if isinstance(result, Merged):
        return {"reason": "", "files": []}
    stages = _by_path(result)
    files = [
        [file.path, file.kind, _meeting_document(_meeting(stages.get(file.path, {}), lines))]
        for file in result.files
    ]
    return {"reason": "" if files else "conflict", "files": files}


def _meeting_document(met: Meeting | None) -> list[Any] | None:
    return None if met is None else [met.a, met.b, met.distance]


def _read(document: Any) -> Verdict:
    return document["reason"], tuple(
        FileClash(path=path, kind=kind, lines=None if lines is None else _read_meeting(*lines))
        for path, kind, lines in document["files"]
    )


def _read_meeting(a: Sequence[Sequence[int]], b: Sequence[Sequence[int]], distance: int) -> Meeting:
    return Meeting(tuple(map(_span, a)), tuple(map(_span, b)), distance)


def _span(ends: Sequence[int]) -> Span:
    return ends[0], ends[1]


# --- lines ----------------------------------------------------------------------------------------

LineChanges = Mapping[tuple[str, str], Sequence[LineChange]]
"""By old and new blob."""


def _by_path(conflict: Conflict) -> dict[str, dict[int, Stage]]:
    found: dict[str, dict[int, Stage]] = {}
    for stage in conflict.stages:
        found.setdefault(stage.path, {})[stage.number] = stage
    return found


def _lines(quarantine: Git, conflicts: Iterable[Conflict]) -> LineChanges:
    wanted = {
        blobs
        for conflict in conflicts
        for stages in _by_path(conflict).values()
        for blobs in _compared(stages)
    }
    return line_changes(quarantine, wanted)


def line_changes(quarantine: Git, blobs: Iterable[tuple[str, str]]) -> LineChanges:
    found = git.hunks(quarantine, set(blobs))
    return {
        pair: tuple(LineChange(h.old_start, h.old_count, h.new_start, h.new_count) for h in hunks)
        for pair, hunks in found.items()
    }


def _compared(stages: Mapping[int, Stage]) -> tuple[tuple[str, str], ...]:
    """Base's blob with each side's, where lines meet: in a file that all three have."""
    if set(stages) != {BASE, OURS, THEIRS} or any(s.mode in (_SYMLINK, _GITLINK) for s in stages.values()):
        return ()
    return tuple((stages[BASE].blob, stages[side].blob) for side in (OURS, THEIRS))


def _meeting(stages: Mapping[int, Stage], lines: LineChanges) -> Meeting | None:
    compared = _compared(stages)
    return meeting(lines[compared[0]], lines[compared[1]]) if compared else None
