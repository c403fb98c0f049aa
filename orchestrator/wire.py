"""Messages between the daemon and a host's agent: frozen values, framed JSON.

A frame is `MAGIC`, the payload's length as four big-endian bytes, and the payload. A request carries
an id; the agent answers it with any number of `item` frames and one `reply` or `error` frame.
Standard library only: this module travels to every host.
"""

from __future__ import annotations

import dataclasses
import json
import struct
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

PROTOCOL_VERSION = 1
MAGIC = b"\x00orc"
FRAME_LIMIT_BYTES = 64 * 1024 * 1024
_HEADER = struct.Struct(">4sI")

T = TypeVar("T")


class WireError(Exception):
    """The other side does not speak this protocol."""


# --- the host itself ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Who are you? Answered by `HostFacts`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """Versions are texts as the programs print them, None where a program is missing."""

    protocol: int
    pid: int
    python: str
    boot_id: str
    user: str
    home: str
    git: str | None
    tmux: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspect:
    """What does this host have? Answered by `Inspection`. `folder` is where the disk is measured."""

    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    facts: HostFacts
    rsync: str | None
    disk_free_bytes: int
    disk_total_bytes: int
    folder_writable: bool
    gpus: tuple[str, ...]
    wall_clock: float
    lingering: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRepository:
    """Where this project lives here. Answered by `Place`.

    `repository` is an existing repository's path (this machine), else `root/project` is used and
    made by `git init` when absent. `owner` marks a made clone: another owner's is refused.
    """

    project: str
    owner: str
    repository: str | None = None
    root: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Absolute paths. `state` is `<common_dir>/orchestrator`; `worktrees` holds the worktrees."""

    repository: str
    common_dir: str
    state: str
    worktrees: str


# --- worktrees and workers ------------------------------------------------------------------------


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
    """One run of one stage in a tmux session. `command` None is an interactive shell."""

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
class Started:
    """`tip` is the branch's commit, `made_branch` whether this call created the branch."""

    workstream: str
    launch: str
    worktree: str
    tip: str
    made_branch: bool
    port: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotStarted:
    """`cause` is one of `taken`, `setup`, `copy`, `git`, `tmux`, `disk`; `log` names a file if there is one."""

    workstream: str
    launch: str
    cause: str
    message: str
    log: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """End launches: TERM, the grace, KILL of everything they started. One `Stopped` item each, then `Finished`."""

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


# --- watching -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """`results` is the absolute directory the worker writes its progress to."""

    launch: str
    results: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One look at every launch on the host. Answered by `Seen`."""

    place: Place
    launches: tuple[Watched, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a run ended: the contents of `exit.json`."""

    exit_code: int | None
    signal: str | None
    cause: str
    ended: float
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The worker's own words, bounded and stripped of control characters. Metrics are finite."""

    seq: int
    step: float | None = None
    total: float | None = None
    unit: str = "step"
    message: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    not_finite: tuple[str, ...] = ()
    checkpoint: str | None = None
    eta_s: float | None = None
    grace_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSeen:
    """`alive`: its supervisor holds its lock. `unknown`: no trace of the launch on this host.

    `exit` is set once it ended, `metrics_file` then holds what the run itself wrote as metrics.
    `progress_error` says why a progress file could not be read.
    """

    launch: str
    alive: bool
    unknown: bool = False
    exit: Exit | None = None
    beat_seq: int = 0
    output_seq: int = 0
    progress: Progress | None = None
    progress_error: str | None = None
    last_line: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    boot_id: str
    launches: tuple[LaunchSeen, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMetrics:
    """The metrics a run wrote. Answered by `Metrics`.

    The file counts only when it was written after `since_s` (the run's start, the host's clock).
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


# --- sessions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """The last lines of sessions' panes. Answered by `Captured`."""

    tmux_socket: str | None
    sessions: tuple[str, ...]
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """A session that does not exist has no entry."""

    panes: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """Types text into a session, then Enter when `enter`. Answered by `Finished`."""

    tmux_socket: str | None
    session: str
    text: str
    enter: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseSessions:
    """Ends sessions of launches that have ended. Answered by `Finished`. Absent ones are no error."""

    tmux_socket: str | None
    sessions: tuple[str, ...]


# --- git ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTips:
    """Where branches stand. Answered by `Tips`; a branch that does not exist has no entry."""

    place: Place
    branches: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tips:
    commits: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadChanges:
    """Uncommitted work in worktrees. One `Changes` per existing path, in a `ChangesList`."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Tracked files staged or modified, and untracked ones; `operation` is a merge or rebase under way."""

    path: str
    tracked: tuple[str, ...]
    untracked: tuple[str, ...]
    operation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesList:
    worktrees: tuple[Changes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushBranch:
    """Push branches from this host's clone to a remote. Answered by `Pushed`."""

    place: Place
    remote: str
    branches: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """Branch name to the reason it was not pushed; an empty mapping is success."""

    refused: dict[str, str]


# --- gates ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A clean detached checkout kept for gates, named `name`, with set-up done for this commit."""

    name: str
    commit: str
    setup: str | None = None
    copy: tuple[CopiedFile, ...] = ()
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGates:
    """Runs commands one after another in one checkout. A `GateRan` item each, then `Finished`.

    A set-up that fails is a `GateRan` named `setup`, and no gate runs.
    """

    place: Place
    checkout: Checkout
    gates: tuple[GateCommand, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCommand:
    gate: str
    command: str
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRan:
    """`tail` is the end of the output. `tree` is what the checkout held before and after the run.

    `changed` names tracked files the command changed: such a gate is not ok.
    """

    gate: str
    ok: bool
    exit_code: int | None
    timed_out: bool
    seconds: float
    log: str
    tail: str
    changed: tuple[str, ...] = ()


# --- codec ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A request the agent could not fulfil. `kind` is `refused`, `failed` or `bug`."""

    kind: str
    message: str
    hint: str | None = None


def message_types() -> dict[str, type[Any]]:
    """Every message of this module by its name."""
    return {
        name: value
        for name, value in globals().items()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
    }


def encode(message: object) -> dict[str, Any]:
    """A message as JSON-ready values, with its type's name under `is`."""
    return {"is": type(message).__name__, **_plain_fields(message)}


def decode(document: object) -> Any:
    """The message a document encodes.

    Raises:
        WireError: unknown type, missing or extra field, or a value of the wrong shape.
    """
    if not isinstance(document, dict) or not isinstance(document.get("is"), str):
        raise WireError("not a message")
    cls = message_types().get(document["is"])
    if cls is None:
        raise WireError(f"unknown message {document['is']!r}")
    return _build(cls, {key: value for key, value in document.items() if key != "is"})


def frame(document: object) -> bytes:
    payload = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogateescape")
    return _HEADER.pack(MAGIC, len(payload)) + payload


def read_frame(read_exactly: Callable[[int], bytes]) -> Any:
    """The next document; `read_exactly` blocks, and returns fewer bytes only at the end.

    Raises:
        EOFError: the stream ended between or within frames.
        WireError: the bytes are no frame.
    """
    header = read_exactly(_HEADER.size)
    if len(header) < _HEADER.size:
        raise EOFError
    magic, size = _HEADER.unpack(header)
    if magic != MAGIC or size > FRAME_LIMIT_BYTES:
        raise WireError(f"not a frame: {header!r}")
    payload = read_exactly(size)
    if len(payload) < size:
        raise EOFError
    return json.loads(payload.decode("utf-8", "surrogateescape"))


def _plain_fields(value: Any) -> dict[str, Any]:
    return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _plain_fields(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


_HINTS: dict[type[Any], dict[str, Any]] = {}


def _hints(cls: type[Any]) -> dict[str, Any]:
    if cls not in _HINTS:
        _HINTS[cls] = typing.get_type_hints(cls)
    return _HINTS[cls]


def _build(cls: type[T], document: object) -> T:
    if not isinstance(document, dict):
        raise WireError(f"{cls.__name__} is not a mapping")
    hints = _hints(cls)
    extra = document.keys() - hints.keys()
    if extra:
        raise WireError(f"{cls.__name__} has no {', '.join(sorted(map(str, extra)))}")
    try:
        return cls(**{key: _read(hints[key], value) for key, value in document.items()})
    except TypeError as error:
        raise WireError(f"{cls.__name__}: {error}") from error


def _read(hint: Any, value: Any) -> Any:
    """`value` as `hint` says: dataclasses, tuples and dicts are rebuilt, scalars are checked."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _read_union(typing.get_args(hint), value)
    if origin is tuple and isinstance(value, list):
        return tuple(_read(typing.get_args(hint)[0], item) for item in value)
    if origin is dict and isinstance(value, dict):
        return {key: _read(typing.get_args(hint)[1], item) for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast("type[Any]", hint), value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise WireError(f"{value!r:.80} is not {hint}")


def _read_union(choices: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in choices:
        return None
    (inner,) = (choice for choice in choices if choice is not type(None))
    return _read(inner, value)
