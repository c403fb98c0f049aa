"""The files that workers leave: which there are, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.wire.host import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class ListResults:
    """The plain files of a worktree below `include`, without what `exclude` covers; no link is followed.

    Any number of `ResultFiles`, then `ResultsListed`. `launch` is the newest one, if there was any.
    """

    place: Place
    worktree: str
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    launch: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFile:
    """`stamp` is another one whenever the file changed; `allocated` is below `size` where it has holes."""

    path: str
    size: int
    allocated: int
    mtime_ns: int
    stamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFiles:
    files: tuple[ResultFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsListed:
    """`left_out` holds a reason for each path that is no plain readable file; `unlisted`: there are more.

    `since_ns` is when the launch began, `now_ns` when this was looked at, both by the host's clock.
    """

    worktree: bool
    left_out: dict[str, str] = field(default_factory=dict)
    unlisted: bool = False
    since_ns: int | None = None
    now_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """A file, or the first `size` bytes of it."""

    path: str
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HashResults:
    """What files of a worktree hold. Any number of `ResultHashes`, then `Finished`.

    Whole files are looked up by their stamp in what was found out before.
    """

    place: Place
    workstream: str
    worktree: str
    portions: tuple[Portion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultHash:
    """`stamp` is None when the file changed while it was read; without `sha256`, `reason` says why."""

    path: str
    sha256: str | None = None
    stamp: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultHashes:
    hashes: tuple[ResultHash, ...]
