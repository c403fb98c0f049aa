"""What was found out about a run, and what was decided for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.core.facts.workers import LaunchId


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointChosen:
    """What a run was given to go on from, None for nothing; `rejected` says of newer ones why not.

    `sha256` is None where the worker keeps none beside its checkpoints.
    """

    workstream: str
    launch: LaunchId
    checkpoint: str | None
    sha256: str | None = None
    size_bytes: int | None = None
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StallSeen:
    """A worker stopped to advance; `stacks` is the file on its host that says where it stood.

    `seq` is its last report's number. `detail` says why there are no stacks, or how many.
    """

    workstream: str
    launch: LaunchId
    seq: int
    silent_s: float
    step: float | None = None
    stacks: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopChosen:
    """We end a run that nobody asked to end. `cause` is `stalled` or `diverged`."""

    workstream: str
    launch: LaunchId
    cause: str
    reason: str
    silent_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePassed:
    """`next_stage` is the index of the stage that follows, None after the last.

    `rules` are those that were judged, on the numbers in `inputs`, from `source`. `checkpoint` is what
    the run had saved last. In journals from before they were kept they are empty.
    """

    workstream: str
    launch: LaunchId
    next_stage: int | None
    metrics: dict[str, float] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
    inputs: dict[str, float] = field(default_factory=dict)
    source: str = ""
    checkpoint: str | None = None
    checkpoint_sha256: str | None = None
    checkpoint_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageHeld:
    """As `StagePassed`, with a sentence for each rule that failed."""

    workstream: str
    launch: LaunchId
    unmet: tuple[str, ...]
    metrics: dict[str, float] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
    inputs: dict[str, float] = field(default_factory=dict)
    source: str = ""
    checkpoint: str | None = None
    checkpoint_sha256: str | None = None
    checkpoint_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPoisoned:
    """Two attempts in a row failed at `step`: it is held, and going on repeats the stage."""

    workstream: str
    launch: LaunchId
    step: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryChosen:
    """The `restart`-th repeat of at most `limit` for this cause; both 0 where it does not count.

    `refilled`: the run had advanced for so long that earlier failures are forgotten. `needs_disk`: it
    has to wait for free space as well.
    """

    workstream: str
    launch: LaunchId
    delay_s: float
    reason: str
    cause: str = ""
    counted: bool = True
    restart: int = 0
    limit: int = 0
    refilled: bool = False
    needs_disk: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveUp:
    workstream: str
    launch: LaunchId
    reason: str
    cause: str = ""
