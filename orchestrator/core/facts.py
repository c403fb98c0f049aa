"""What happened, one frozen class per kind of fact. The journal stores these and nothing else.

A field added later needs a default: journals of every earlier version must load for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NewType

LaunchId = NewType("LaunchId", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalBegun:
    """`token` keeps the launch ids of two journals apart, also on a host that saw both."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStarted:
    pid: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStopped:
    pid: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRead:
    source: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLost:
    host: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBack:
    host: str
    boot_id: str


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
class LaunchRefused:
    workstream: str
    launch: LaunchId
    cause: str
    message: str
    log: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchEnded:
    """`ended` is the host's clock, for people; `elapsed_s` was measured by the supervisor."""

    workstream: str
    launch: LaunchId
    exit_code: int | None
    signal: str | None
    cause: str
    ended: float
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePassed:
    """`next_stage` is the index of the stage that follows, None after the last."""

    workstream: str
    launch: LaunchId
    next_stage: int | None
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageHeld:
    workstream: str
    launch: LaunchId
    unmet: tuple[str, ...]
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryChosen:
    workstream: str
    launch: LaunchId
    delay_s: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveUp:
    workstream: str
    launch: LaunchId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFinished:
    """A gate's verdict on one commit. `workstream` is None for a wave's gate on its candidate.

    `ok`: it does not block. `outcome` is empty in journals of versions that knew only `ok`. `message`
    says why it is red, and holds the end of what it printed.
    """

    wave: int
    workstream: str | None
    gate: str
    commit: str
    tree: str
    ok: bool
    seconds: float
    cached: bool
    log: str
    asked_by: str = "daemon"
    outcome: str = ""
    severity: str = "block"
    attempts: int = 1
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRetried:
    """A run of a gate came to no verdict; `attempt` is its number, and another one follows."""

    wave: int
    workstream: str | None
    gate: str
    commit: str
    attempt: int
    reason: str
    log: str = ""


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
class LandingAsked:
    wave: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveProposed:
    """What landing was decided on: where base and the branches stood, and whether they merge."""

    wave: int
    base: str
    base_before: str
    tips: dict[str, str]
    generated: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefStep:
    """A ref from one object to another; None where there is no such ref."""

    ref: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingBegun:
    """Written before any ref moves: what the transaction will do, so that it can be finished or undone.

    `refs` are those that move with base, in the transaction's order; `verified` those that must stand
    still; `tree` is what the gates ran on. A journal from before they were kept has the tag only.
    """

    wave: int
    base: str
    base_before: str
    candidate: str
    tag: str
    tag_object: str
    tips: dict[str, str]
    refs: tuple[RefStep, ...] = ()
    verified: dict[str, str] = field(default_factory=dict)
    tree: str = ""
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveLanded:
    """`left_out` are those of the wave that have not landed, with this or before: empty, it is complete."""

    wave: int
    base: str
    base_before: str
    base_after: str
    tag: str
    landed: tuple[str, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingUndone:
    """It had landed, and the proof after it failed: refs and checkouts were put back."""

    wave: int
    base: str
    base_before: str
    candidate: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WavePushed:
    wave: int
    remote: str
    commit: str
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WavePushRefused:
    """`cause`: `moved` (the remote's base has commits of others), `rejected` (a hook or a protected
    branch over there), or `failed` (network or login: the remote could not be asked)."""

    wave: int
    remote: str
    commit: str
    tag: str
    cause: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingRefused:
    wave: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTried:
    """A wave's gates on part of it, to find out what makes the whole red. `red` names gates.

    `reused`: its tree was one that had been run; `logs` are copies, kept until the wave's next isolation.
    """

    wave: int
    run: int
    workstreams: tuple[str, ...]
    purpose: str
    outcome: str
    commit: str | None = None
    red: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    reused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveIsolated:
    """`verdict` in a word, `causes` in words; `left_out` is what they keep from landing with `proven`."""

    wave: int
    verdict: str
    causes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    proven: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictForeseen:
    """Branches that would conflict, were they merged now; with base, `between` has base's name last."""

    between: tuple[str, ...]
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapForeseen:
    """Branches that touch the same files and merge all the same."""

    between: tuple[str, ...]
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastCleared:
    """What was foreseen between them is gone."""

    between: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackAsked:
    wave: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackBegun:
    """Written before any ref moves. `form` is `reset` (base goes back) or `commit` (one takes it out).

    `refs` are those that move with base, in the transaction's order; `landed` who leaves `merged`.
    """

    wave: int
    base: str
    base_before: str
    base_after: str
    form: str
    landed: tuple[str, ...]
    refs: tuple[RefStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveRolledBack:
    """What went from `base_before` to `base_after` is what bringing the wave back has to undo."""

    wave: int
    base: str
    base_before: str
    base_after: str
    form: str
    landed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRefused:
    wave: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningAsked:
    """Empty `workstreams`: all that have landed."""

    workstreams: tuple[str, ...]
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkstreamCleaned:
    """Its worktree, session and branch are gone. `tip` is where the branch was.

    `kept` is the folder on its host that results and ignored files were moved to, `trash` the ref
    there that holds untracked files.
    """

    workstream: str
    branch: str
    tip: str | None
    worktree: str | None
    kept: str | None = None
    kept_bytes: int = 0
    trash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningRefused:
    workstream: str
    reasons: tuple[str, ...]


Fact = (
    JournalBegun
    | DaemonStarted
    | DaemonStopped
    | PlanRead
    | HostLost
    | HostBack
    | StartAsked
    | StopAsked
    | RestartAsked
    | DoneAsked
    | ReviewApproved
    | HoldAccepted
    | LaunchChosen
    | Launched
    | LaunchRefused
    | LaunchEnded
    | StagePassed
    | StageHeld
    | RetryChosen
    | GaveUp
    | GateFinished
    | GateRetried
    | BranchPushed
    | PushRefused
    | LandingAsked
    | WaveProposed
    | LandingBegun
    | WaveLanded
    | LandingUndone
    | WavePushed
    | WavePushRefused
    | LandingRefused
    | PartTried
    | WaveIsolated
    | ConflictForeseen
    | OverlapForeseen
    | ForecastCleared
    | RollbackAsked
    | RollbackBegun
    | WaveRolledBack
    | RollbackRefused
    | CleaningAsked
    | WorkstreamCleaned
    | CleaningRefused
)
