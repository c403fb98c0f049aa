"""What happened, one frozen class per kind of fact. The journal stores these and nothing else.

A field added later needs a default: journals of every earlier version must load for ever.
"""

from __future__ import annotations

from orchestrator.core.facts.afterwards import (
    CleaningAsked,
    CleaningRefused,
    RollbackAsked,
    RollbackBegun,
    RollbackRefused,
    WaveRolledBack,
    WorkstreamCleaned,
)
from orchestrator.core.facts.capacity import (
    DrainAsked,
    DrainLifted,
    FitsNowhere,
    GpuPeakSeen,
)
from orchestrator.core.facts.daemon import (
    DaemonStarted,
    DaemonStopped,
    HostBack,
    HostLost,
    HostPruned,
    HostTakenOver,
    JournalArchived,
    JournalBegun,
    JournalHeld,
    PlanRead,
)
from orchestrator.core.facts.forecast import (
    ConflictForeseen,
    ForecastCleared,
    OverlapForeseen,
)
from orchestrator.core.facts.gates import (
    GateFinished,
    GateRetried,
    PartTried,
    WaveIsolated,
)
from orchestrator.core.facts.landing import (
    LandingAsked,
    LandingBegun,
    LandingRefused,
    LandingUndone,
    RefStep,
    WaveLanded,
    WaveProposed,
    WavePushed,
    WavePushRefused,
)
from orchestrator.core.facts.results import ResultsSynced, SyncFailed
from orchestrator.core.facts.verdicts import (
    CheckpointChosen,
    GaveUp,
    RetryChosen,
    StageHeld,
    StagePassed,
    StallSeen,
    StepPoisoned,
    StopChosen,
)
from orchestrator.core.facts.workers import (
    BranchPushed,
    DoneAsked,
    HoldAccepted,
    InputAwaited,
    InputGiven,
    LaunchAdopted,
    LaunchChosen,
    Launched,
    LaunchEnded,
    LaunchId,
    LaunchRefused,
    PushRefused,
    RestartAsked,
    ReviewApproved,
    StartAsked,
    StopAsked,
    WorkCommitted,
)

Fact = (
    JournalBegun
    | DaemonStarted
    | DaemonStopped
    | PlanRead
    | HostLost
    | HostBack
    | HostTakenOver
    | StartAsked
    | StopAsked
    | RestartAsked
    | DoneAsked
    | ReviewApproved
    | HoldAccepted
    | LaunchChosen
    | LaunchAdopted
    | Launched
    | LaunchRefused
    | LaunchEnded
    | JournalArchived
    | JournalHeld
    | HostPruned
    | InputAwaited
    | InputGiven
    | CheckpointChosen
    | StallSeen
    | StopChosen
    | StepPoisoned
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
    | ResultsSynced
    | SyncFailed
    | WorkCommitted
    | GpuPeakSeen
    | FitsNowhere
    | DrainAsked
    | DrainLifted
)

__all__ = [
    "BranchPushed",
    "CheckpointChosen",
    "CleaningAsked",
    "CleaningRefused",
    "ConflictForeseen",
    "DaemonStarted",
    "DaemonStopped",
    "DoneAsked",
    "DrainAsked",
    "DrainLifted",
    "Fact",
    "FitsNowhere",
    "ForecastCleared",
    "GateFinished",
    "GateRetried",
    "GaveUp",
    "GpuPeakSeen",
    "HoldAccepted",
    "HostBack",
    "HostLost",
    "HostPruned",
    "HostTakenOver",
    "InputAwaited",
    "InputGiven",
    "JournalArchived",
    "JournalBegun",
    "JournalHeld",
    "LandingAsked",
    "LandingBegun",
    "LandingRefused",
    "LandingUndone",
    "LaunchAdopted",
    "LaunchChosen",
    "LaunchEnded",
    "LaunchId",
    "LaunchRefused",
    "Launched",
    "OverlapForeseen",
    "PartTried",
    "PlanRead",
    "PushRefused",
    "RefStep",
    "RestartAsked",
    "ResultsSynced",
    "RetryChosen",
    "ReviewApproved",
    "RollbackAsked",
    "RollbackBegun",
    "RollbackRefused",
    "StageHeld",
    "StagePassed",
    "StallSeen",
    "StartAsked",
    "StepPoisoned",
    "StopAsked",
    "StopChosen",
    "SyncFailed",
    "WaveIsolated",
    "WaveLanded",
    "WaveProposed",
    "WavePushRefused",
    "WavePushed",
    "WaveRolledBack",
    "WorkCommitted",
    "WorkstreamCleaned",
]
