"""What a forecast says; branches go by their workstreams' names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from orchestrator.candidate import Collision
from orchestrator.core.merge_order import MergeStep
from orchestrator.core.overlap import Meeting
from orchestrator.core.plan import HostName, WaveNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A planned branch that exists. `commit` is what is merged: its tip, or its tip with uncommitted work.

    `fork` is where it left base; None where it never did. `contained`: base has it already.
    """

    name: str
    wave: WaveNumber
    branch: str
    host: HostName
    tip: str
    commit: str
    fork: str | None = None
    contained: bool = False

    @property
    def is_uncommitted(self) -> bool:
        return self.commit != self.tip


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileClash:
    """`lines` is None where no lines meet: whole files, binary ones, submodules.

    `other` is the second name of a file whose two names differ in letter case only.
    """

    path: str
    kind: str
    other: str = ""
    lines: Meeting | None = None

    def turned(self) -> FileClash:
        """The same with the two sides exchanged."""
        lines = self.lines and Meeting(self.lines.b, self.lines.a, self.lines.distance)
        return replace(self, lines=lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """`b` is base's name where a branch is held against base. `reason` is set where no file says why."""

    a: str
    b: str
    files: tuple[FileClash, ...] = ()
    reason: str = ""

    @property
    def conflict(self) -> bool:
        return bool(self.files or self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveFold:
    """The wave's branches merged onto base one after another; `case_folds` are what git does not see."""

    wave: WaveNumber
    collisions: tuple[Collision, ...] = ()
    case_folds: tuple[FileClash, ...] = ()

    @property
    def conflict(self) -> bool:
        return bool(self.collisions or self.case_folds)

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """Path and kind, each once."""
        found = [(file.path, file.kind) for c in self.collisions for file in c.files]
        return tuple(dict.fromkeys([*found, *((file.path, file.kind) for file in self.case_folds)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Both touch the file, and it merges all the same. `lines` are the nearest changes of both."""

    a: str
    b: str
    path: str
    lines: Meeting | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """`computed` counts the merges of two that were made now, `reused` those known from before."""

    base: str
    base_commit: str
    branches: tuple[Branch, ...]
    pairs: tuple[Pair, ...]
    against_base: tuple[Pair, ...]
    waves: tuple[WaveFold, ...]
    overlaps: tuple[Overlap, ...]
    order: tuple[MergeStep, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    computed: int = 0
    reused: int = 0

    @property
    def conflict(self) -> bool:
        pairs = (*self.pairs, *self.against_base)
        return any(pair.conflict for pair in pairs) or any(wave.conflict for wave in self.waves)

    def explains(self, collision: Collision) -> bool:
        """True when two branches conflict by themselves, so that the wave adds nothing to it."""
        known = {frozenset((pair.a, pair.b)) for pair in (*self.pairs, *self.against_base) if pair.conflict}
        return any(frozenset((collision.workstream, other)) in known for other in collision.against)

    def of(self, names: Collection[str]) -> Forecast:
        """The part that concerns at least one of `names`."""
        waves = {branch.wave for branch in self.branches if branch.name in names}
        return replace(
            self,
            branches=tuple(b for b in self.branches if b.name in names),
            pairs=tuple(p for p in self.pairs if p.a in names or p.b in names),
            against_base=tuple(p for p in self.against_base if p.a in names),
            waves=tuple(w for w in self.waves if w.wave in waves),
            overlaps=tuple(o for o in self.overlaps if o.a in names or o.b in names),
            order=tuple(step for step in self.order if step.name in names),
            left_out=tuple(one for one in self.left_out if one.name in names),
        )
