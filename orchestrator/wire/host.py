"""A host, the project's place on it, and its tmux sessions."""

from __future__ import annotations

from dataclasses import dataclass

PROTOCOL_VERSION = 2
"""Raised by whatever an agent, or a daemon, of the version before would not understand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Who are you? Answered by `HostFacts`, refused by an agent of another protocol."""

    protocol: int = PROTOCOL_VERSION


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
    wall_clock: float
    lingering: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadGpus:
    """What do the GPUs do? Answered by `Census`, after the agent's first look at them."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A request the agent could not fulfil. `kind` is `refused`, `failed` or `bug`."""

    kind: str
    message: str
    hint: str | None = None
