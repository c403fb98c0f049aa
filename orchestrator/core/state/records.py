"""Where workstreams and waves stand: phases, and what is remembered beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from orchestrator.core import facts as f
from orchestrator.core.facts import LaunchId


@dataclass(frozen=True, slots=True)
class Idle:
    """Nobody asked for it yet."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """To be launched as soon as needs, host and slots allow; after a failure, as `retry` says."""

    retry: f.RetryChosen | None = None

    @property
    def delay_s(self) -> float:
        return self.retry.delay_s if self.retry else 0.0

    @property
    def reason(self) -> str:
        return self.retry.reason if self.retry else ""


@dataclass(frozen=True, slots=True)
class Starting:
    """Its launch was chosen and written down; whether it happened is not known yet."""


@dataclass(frozen=True, slots=True)
class Running:
    pass


class AfterStop(Enum):
    STOP = "stop"
    RESTART = "restart"
    DONE = "done"
    JUDGE = "judge"
    """We stopped it, so it has to be decided what follows."""


@dataclass(frozen=True, slots=True)
class Stopping:
    then: AfterStop


@dataclass(frozen=True, slots=True)
class Ended:
    """Its run ended; what that means is not decided yet."""


@dataclass(frozen=True, slots=True)
class Held:
    """`repeats`: going on repeats its stage, otherwise the next one follows. `again`: an attempt before it
    was held on the very same numbers.
    """

    unmet: tuple[str, ...]
    repeats: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    pass


@dataclass(frozen=True, slots=True)
class Failed:
    """`launched` is False when the launch itself was refused: `up` may try again."""

    reason: str
    launched: bool = True


@dataclass(frozen=True, slots=True)
class Stopped:
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Merged:
    wave: int


Phase = Idle | Wanted | Starting | Running | Stopping | Ended | Held | Done | Failed | Stopped | Merged


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRecord:
    """The newest launch of a workstream. `asks` is what it waits for somebody to answer, `stop` is there
    once we had decided to end it.
    """

    id: LaunchId
    host: str
    stage: str
    attempt: int
    gpus: tuple[int, ...]
    exit: f.LaunchEnded | None = None
    asks: str | None = None
    checkpoint: f.CheckpointChosen | None = None
    stall: f.StallSeen | None = None
    stop: f.StopChosen | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRecord:
    """`ever`: something was pulled; `failed` is why the last pull was not whole; `final` the launch of
    which all is here."""

    ever: bool = False
    failed: str = ""
    final: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkstreamRecord:
    """`stage` is an index into the plan's stages; `attempts` counts its runs, refused launches apart.

    `launches` counts all launches ever, `failed_by` has the causes of those held against the restart
    limit. `interruptions` are readings of `ran_s`, the wall time of all its runs: one for each restart
    that did not count. `failed` is the last end by a failure of its own, `furthest` the last step that
    an ended attempt of the present stage reached. `measured` is what ended stages found it to cost.
    `held_on` are the numbers that the present stage was last held on.
    `elapsed_s` is the wall time of the present stage over its ended attempts. `began` is where its branch
    stood at the first launch. `cleaned`: its worktree and branch were taken away.
    """

    phase: Phase = field(default_factory=Idle)
    stage: int = 0
    attempts: int = 0
    launches: int = 0
    failed_by: tuple[str, ...] = ()
    interruptions: tuple[float, ...] = ()
    ran_s: float = 0.0
    failed: f.LaunchEnded | None = None
    furthest: float | None = None
    held_on: Mapping[str, float] = field(default_factory=dict)
    elapsed_s: float = 0.0
    launch: LaunchRecord | None = None
    worktree: str | None = None
    tip: str | None = None
    began: str | None = None
    port: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    pushed: str | None = None
    push_refused: str | None = None
    cleaned: bool = False
    approvals: tuple[f.ReviewApproved, ...] = ()
    sync: SyncRecord = field(default_factory=SyncRecord)

    @property
    def failures(self) -> int:
        return len(self.failed_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """A landing that was begun and not yet finished or refused."""

    begun: f.LandingBegun


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveRecord:
    """`parts` are its landings so far, in order, since it was last rolled back; `landed` the one that
    completed it. `rollback` is under way; `rolled_back` is the last one, until the wave lands again.

    `pushed` is the commit that base's remote is known to have got with the wave.
    """

    landing: Landing | None = None
    landed: f.WaveLanded | None = None
    pushed: str | None = None
    parts: tuple[f.WaveLanded, ...] = ()
    rollback: f.RollbackBegun | None = None
    rolled_back: f.WaveRolledBack | None = None
    rollbacks: int = 0

    @property
    def members_landed(self) -> tuple[str, ...]:
        return tuple(name for part in self.parts for name in part.landed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What would come of merging some branches now: a conflict, or only the same files."""

    conflict: bool
    files: tuple[str, ...]
