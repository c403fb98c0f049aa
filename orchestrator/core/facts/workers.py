"""What was asked for workers, and how their launches went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

LaunchId = NewType("LaunchId", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAsked:
    workstream: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsked:
    workstream: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartAsked:
    workstream: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneAsked:
    workstream: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewApproved:
    """A person has looked at the branch as `commit` has it; `tree` is what was seen."""

    workstream: str
    by: str
    commit: str
    tree: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldAccepted:
    """`next_stage` is the index of the stage that follows, None when the held one was the last."""

    workstream: str
    by: str
    next_stage: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchChosen:
    """Written before anything is started, so that a crash in between starts nothing twice."""

    workstream: str
    launch: LaunchId
    host: str
    stage: str
    attempt: int
    gpus: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    workstream: str
    launch: LaunchId
    worktree: str
    tip: str
    made_branch: bool
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchAdopted:
    """It ran already, begun by another journal's daemon, and is this plan's: nothing was started.

    `index` is its stage's in the plan.
    """

    workstream: str
    launch: LaunchId
    host: str
    stage: str
    index: int
    attempt: int
    worktree: str
    tip: str
    port: int | None = None
    gpus: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRefused:
    workstream: str
    launch: LaunchId
    cause: str
    message: str
    log: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchEnded:
    """`ended` is the host's clock, for people; `elapsed_s` was measured by the supervisor.

    `cause` and what else is known are those of the host's exit record.
    """

    workstream: str
    launch: LaunchId
    exit_code: int | None
    signal: str | None
    cause: str
    ended: float
    elapsed_s: float
    step: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputAwaited:
    """It waits for somebody to type; `line` is what its screen asks."""

    workstream: str
    launch: LaunchId
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputGiven:
    """What it waited for came, or it went on without."""

    workstream: str
    launch: LaunchId


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchPushed:
    workstream: str
    remote: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRefused:
    workstream: str
    remote: str
    commit: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkCommitted:
    """Work in progress was committed on its branch, as the plan asks for it."""

    workstream: str
    commit: str
    files: int
    left_out: tuple[str, ...] = ()
