"""Branches, uncommitted work, and gates."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.wire.host import Place
from orchestrator.wire.workers import CopiedFile


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
class ReadUncommitted:
    """Uncommitted work in worktrees as commits. One `Uncommitted` per existing path, in an `UncommittedList`.

    `worktrees` are paths, each with its results directory: what is untracked there is no work.
    Nothing is left in the repository: the commits travel in the answer.
    """

    place: Place
    worktrees: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncommitted:
    """`commit` is None where nothing is uncommitted, or where `reason` says why it could not be taken.

    `pack` (base64) holds what a repository with `head` lacks; `left_out` are paths too large or too many.
    """

    path: str
    commit: str | None = None
    head: str | None = None
    branch: str | None = None
    pack: str = ""
    left_out: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UncommittedList:
    worktrees: tuple[Uncommitted, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitWork:
    """Commit what is changed in a worktree on `branch`, and what is new in `results`.

    Answered by `WorkKept`. Nothing is done where the branch's last commit is younger than `younger_s`,
    by the host's clock.
    """

    worktree: str
    branch: str
    results: str
    message: str
    younger_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkKept:
    """`commit` is None where there was nothing to do, or where `reason` says what kept us from it.

    `left_out` are new files that are too large.
    """

    commit: str | None = None
    files: int = 0
    left_out: tuple[str, ...] = ()
    reason: str | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """Files and folders as another commit, `source`, has them, and files of these `texts`."""

    source: str
    paths: tuple[str, ...]
    texts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A clean detached checkout kept for gates, named `name`, with set-up done for this commit.

    `tree` is the commit's, when it is to be made sure of. Another `locks`, a text that stands for the
    lock files, makes the set-up run again.
    """

    name: str
    commit: str
    tree: str | None = None
    setup: str | None = None
    locks: str = ""
    copy: tuple[CopiedFile, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    overlay: Overlay | None = None


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
    """`run` tells the logs of a gate's runs apart; `env` lies over that of the checkout.

    `wanted` are files that the command leaves in the folder `ORCHESTRATOR_OUT`, which is empty before.
    """

    gate: str
    command: str
    timeout_s: float
    run: str = ""
    env: dict[str, str] = field(default_factory=dict)
    wanted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRan:
    """`tail` is the end of the output.

    `changed` names tracked files the command changed: such a gate is not ok. `proposal` is the path of
    a patch that makes these changes. `infrastructure` says what outside the command kept it from an end
    of its own: then it is neither ok nor not. `files` are those of the wanted ones that it left.
    """

    gate: str
    ok: bool
    exit_code: int | None
    timed_out: bool
    seconds: float
    log: str
    tail: str
    changed: tuple[str, ...] = ()
    proposal: str | None = None
    infrastructure: str | None = None
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadToolchain:
    """What commands find on this host. Answered by `Toolchain`.

    `path` is their PATH, None for the agent's own.
    """

    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """`system` has its version and that of its C library. A program that is missing is None."""

    node: str
    system: str
    machine: str
    python: str | None
    git: str | None
