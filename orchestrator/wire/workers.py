"""Worktrees, launches, and what is seen of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.core.adopting import LaunchFound
from orchestrator.core.devices import Census, Disk
from orchestrator.core.observation import Exit, LaunchSeen
from orchestrator.wire.host import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedFile:
    """An untracked file carried into a worktree; `content` is base64."""

    path: str
    mode: int
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Worktree:
    """A worktree that should exist: `branch` checked out at `path`.

    An existing branch that shares history with `start` is adopted at its tip, otherwise it is made
    from `start`. `results` is made and the contract's files in it are excluded from git.
    """

    workstream: str
    path: str
    branch: str
    start: str
    results: str
    skeleton: tuple[str, ...] = ()
    copy: tuple[CopiedFile, ...] = ()
    setup: str | None = None
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One run of one stage in a tmux session. `command` None is an interactive shell.

    `brief` is what a coding agent is told; its file's path is in the environment of the command.
    `resumes`: an earlier run may have left a checkpoint to go on from; `verify` is a command that loads one.
    """

    launch: str
    session: str
    wave: int
    stage: str
    attempt: int
    command: str | None
    env: dict[str, str]
    ports: int
    beat_s: float
    stop_grace_s: float
    timeout_s: float | None = None
    brief: str | None = None
    resumes: bool = False
    verify: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Make worktrees, run set-ups, start sessions; every step already done is skipped.

    One `Started` or `NotStarted` item per entry, as each is known; then `Finished`.
    """

    place: Place
    tmux_socket: str | None
    entries: tuple[StartEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartEntry:
    worktree: Worktree
    launch: Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """The checkpoint a launch got, None for nothing; `rejected` says of newer ones why not.

    `sha256` is None where none is kept beside it.
    """

    checkpoint: str | None
    sha256: str | None = None
    size_bytes: int | None = None
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """`tip` is the branch's commit, `made_branch` whether this call created the branch.

    `resumption` is None where no checkpoint was ever reported.
    """

    workstream: str
    launch: str
    worktree: str
    tip: str
    made_branch: bool
    port: int | None
    resumption: Resumption | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotStarted:
    """`cause` is one of `taken`, `setup`, `copy`, `git`, `tmux`, `disk`; `log` may name a file."""

    workstream: str
    launch: str
    cause: str
    message: str
    log: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindLaunches:
    """Which launches of these workstreams run, besides the `known`? Answered by `LaunchesFound`."""

    place: Place
    workstreams: tuple[str, ...]
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchesFound:
    launches: tuple[LaunchFound, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """End launches: TERM, the grace, KILL of all they started. A `Stopped` item each, then `Finished`."""

    place: Place
    launches: tuple[str, ...]
    grace_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    launch: str
    exit: Exit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The end of a streamed answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """Where a worker's questions show, and the regular expressions of lines that are some."""

    tmux_socket: str | None
    session: str
    asks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """`results` is the absolute directory the worker writes its progress to.

    `screen` is looked at when the worker falls quiet; None for one that nobody talks with.
    """

    launch: str
    results: str
    screen: Screen | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One look at every launch on the host, and at what a next one would get. Answered by `Seen`.

    `gpus` asks for the census. `folders` are what else than the place's own needs room on a disk.
    """

    place: Place
    launches: tuple[Watched, ...]
    gpus: bool = False
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The disk is the fullest of those asked about, None where none can be measured."""

    boot_id: str
    launches: tuple[LaunchSeen, ...]
    census: Census | None = None
    disk: Disk | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpStacks:
    """Write down where a running launch stands, without disturbing it. Answered by `Stacks`."""

    place: Place
    workstream: str
    launch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacks:
    """`path` is the file on the host that the text was added to, `lines` the few that say most."""

    path: str
    text: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is new of the launches on the host since the answer of this number. Answered by `News`.

    `since` 0 asks for everything. Where `place` is None, what is looked at is as last asked on this link.
    """

    place: Place | None = None
    launches: tuple[Watched, ...] | None = None
    since: int = 0
    gpus: bool = False
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Of the launches asked for, those that look otherwise than in answer `since`; all are known with it."""

    boot_id: str
    number: int
    launches: tuple[LaunchSeen, ...]
    census: Census | None = None
    disk: Disk | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMetrics:
    """The metrics a run wrote. Answered by `Metrics`.

    The file counts only when it is newer than the launch itself, by the host's own clock.
    """

    results: str
    file: str
    launch: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """`found` is False when this run wrote no such file; `error` says why one could not be read."""

    found: bool
    values: dict[str, float] = field(default_factory=dict)
    not_finite: tuple[str, ...] = ()
    history: dict[str, tuple[float, ...]] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOutcome:
    """What an ended run came to. Answered by `Outcome`, the same for ever once it was asked.

    `file` is that of the metrics, in `results`.
    """

    place: Place
    launch: str
    worktree: str
    results: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`source` is the file that the metrics are from, empty where the run wrote none.

    `checkpoint_sha256` is None where the checkpoint is a folder, or is not whole.
    """

    metrics: Metrics
    source: str
    checkpoint: str | None = None
    checkpoint_sha256: str | None = None
    checkpoint_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLog:
    """Part of a worker's log over all attempts. Answered by `LogPart`.

    `lines` counts from the end when `offset` is None; otherwise what follows `offset` is read.
    """

    place: Place
    workstream: str
    lines: int | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """`text` is base64 (a log holds any bytes); `offset` continues after it, over rotations."""

    text: str
    offset: int
