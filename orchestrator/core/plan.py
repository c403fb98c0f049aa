"""What the user asked for: `waves.yaml` as frozen values, defaults already applied."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NewType

WorkstreamName = NewType("WorkstreamName", str)
HostName = NewType("HostName", str)
BranchName = NewType("BranchName", str)
CommitId = NewType("CommitId", str)
TreeId = NewType("TreeId", str)
WaveNumber = NewType("WaveNumber", int)

LOCAL = HostName("local")
DEFAULT_ROOT = "~/orchestrator"
"""Where a host without `root:` keeps its clones."""

FRAGMENTS = "changelog.d"
"""The folder in which each workstream may leave a changelog entry of its own."""
FRAGMENT_KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")


def is_fragment_of(workstream: str, path: str) -> bool:
    return path.startswith(f"{FRAGMENTS}/{workstream}.") and path.endswith(".md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine that runs workers; `ssh` is None on this machine. `disk_floor` is in bytes."""

    name: HostName
    ssh: str | None = None
    identity: str | None = None
    jump: str | None = None
    root: str | None = None
    gpus: tuple[int, ...] = ()
    share: int = 1
    slots: int | None = None
    python: str = "python3"
    engine: str = "tmux"
    disk_floor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    every_s: float = 30.0
    stale_s: float = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """How often a failed stage is repeated; the n-th repeat waits `backoff_s * 2**(n-1)`.

    An attempt that advanced for `refill_s` makes earlier failures forgotten. `stalled` and `diverged`
    say whether such a run is ended. `verify` is a command that loads ORCHESTRATOR_CHECKPOINT.
    """

    limit: int = 3
    backoff_s: float = 10.0
    refill_s: float = 3600.0
    stalled: bool = True
    diverged: bool = True
    verify: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPolicy:
    """`to` is a folder beside the plan; `bandwidth` bytes a second, None for no limit.

    `commit_s`: how often work in progress is committed on the branch; None for never.
    """

    every_s: float = 300.0
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    to: str = "synced"
    bandwidth: int | None = None
    commit_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One command of a worker. `require` holds rules such as `loss < 0.1`, checked when it exits 0."""

    name: str
    run: str
    resume: str | None = None
    require: tuple[str, ...] = ()
    timeout_s: float | None = None

    def command(self, attempt: int) -> str:
        """The command of the n-th attempt: the first runs, later ones resume."""
        return self.run if attempt == 1 or self.resume is None else self.resume


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRole:
    """A coding agent by its role. `run` and `resume` may hold `{brief}` and `{workstream}`.

    `brief` is a file of the repository, or words. `asks` are regular expressions of lines with which it
    asks for input, besides those known anyway.
    """

    name: str
    run: str
    resume: str | None = None
    brief: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    asks: tuple[str, ...] = ()

    def stage(self) -> Stage:
        """The one stage of a workstream that it works on."""
        resume = _filled_in(self.resume) if self.resume else None
        return Stage(name=AGENT_STAGE, run=_filled_in(self.run), resume=resume)


AGENT_STAGE = "agent"

_PLACEHOLDERS = {"{brief}": '"$ORCHESTRATOR_BRIEF"', "{workstream}": '"$ORCHESTRATOR_WORKSTREAM"'}


def _filled_in(command: str) -> str:
    """Placeholders become variables of the worker's environment: nothing has to be quoted for the shell."""
    for placeholder, variable in _PLACEHOLDERS.items():
        command = command.replace(placeholder, variable)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A named check: a shell command (`run`) or a built-in (`check`) with its settings.

    `scope` says what the verdict depends on; `inputs` narrows the tree to files, folders and globs.
    `retries` are for runs that came to no verdict, never for a red one.
    """

    name: str
    run: str | None = None
    check: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    scope: str = "tree"
    inputs: tuple[str, ...] = ()
    timeout_s: float = 1800.0
    retries: int = 0
    severity: str = "block"
    gpu: int = 0

    @property
    def is_for_the_wave(self) -> bool:
        """Whether it runs on a wave's candidate only."""
        return self.scope == "wave"

    @property
    def holds_tips(self) -> bool:
        """Whether a tip is not ready before this is green there."""
        return self.severity == "block" and not self.is_for_the_wave


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Names order time only; waves put the worktree on the base they landed on."""

    workstreams: tuple[WorkstreamName, ...] = ()
    waves: tuple[WaveNumber, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workstream:
    """One branch, one worktree, one session. Empty `stages`: a plain shell. An `agent` is its only stage.

    `worktree` is the path the plan names (relative to the repository's folder), or None for the
    default place. `base` is the branch its worktree is made from.
    """

    name: WorkstreamName
    wave: WaveNumber
    branch: BranchName
    base: BranchName
    host: HostName = LOCAL
    worktree: str | None = None
    paths: tuple[str, ...] = ()
    skeleton: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    setup: str | None = None
    copy: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    ports: int = 0
    gpu: int = 0
    stages: tuple[Stage, ...] = ()
    agent: AgentRole | None = None
    brief: str | None = None
    needs: Needs = field(default_factory=Needs)
    gates: tuple[Gate, ...] = ()
    results: str = "results"
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    sync: SyncPolicy | None = None
    priority: int = 0
    review: bool = False

    @property
    def pulling(self) -> SyncPolicy:
        """How its results are pulled when somebody asks, whether the plan wants them pulled or not."""
        return self.sync or SyncPolicy(include=(self.results,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """`setup` is None when the plan names none: then that of its workstreams, where they agree."""

    number: WaveNumber
    goal: str = ""
    needs: Needs = field(default_factory=Needs)
    setup: str | None = None
    gates: tuple[Gate, ...] = ()
    workstreams: tuple[WorkstreamName, ...] = ()
    winner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """A part of each day, in minutes after midnight of this machine's time zone; it may span midnight."""

    begins: int
    ends: int

    def cover(self, minute: int) -> bool:
        if self.begins < self.ends:
            return self.begins <= minute < self.ends
        return minute >= self.begins or minute < self.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyPolicy:
    """Who is told of which events. `urls` and `ping` are secrets, or say where one is kept: never printed."""

    urls: tuple[str, ...] = field(default=(), repr=False)
    on: tuple[str, ...] = ()
    digest_s: float = 0.0
    quiet: QuietHours | None = None
    ping: str | None = field(default=None, repr=False)
    ping_every_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPolicy:
    """Where Prometheus may ask over TCP."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotBuilt:
    """A key this version reads but cannot act on: `validate` warns, `up` refuses."""

    place: str
    key: str
    line: int
    column: int

    def words(self, source: str) -> str:
        return f"{source}:{self.line}:{self.column}: key {self.key} of {self.place} is not built yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long what has ended is kept, in seconds. `results` is for ever where it is None."""

    logs_s: float = 90 * 86400.0
    results_s: float | None = None
    journal_s: float = 90 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole plan. `source` is the file's absolute path, `digest` the SHA-256 of its text,
    `repository` the folder of the repository it lies in.

    Waves are in ascending order, workstreams in the order of the file.
    """

    source: str
    digest: str
    repository: str
    project: str
    base: BranchName
    integration: str
    remote: str | None
    tmux_socket: str | None
    hosts: Mapping[HostName, Host]
    gates: Mapping[str, Gate]
    waves: Mapping[WaveNumber, Wave]
    workstreams: Mapping[WorkstreamName, Workstream]
    retention: Retention = field(default_factory=Retention)
    notify: NotifyPolicy = field(default_factory=NotifyPolicy)
    metrics: MetricsPolicy | None = None
    not_built: tuple[NotBuilt, ...] = ()

    def workstream(self, name: str) -> Workstream:
        return self.workstreams[WorkstreamName(name)]

    def of_wave(self, number: WaveNumber) -> tuple[Workstream, ...]:
        return tuple(self.workstreams[name] for name in self.waves[number].workstreams)

    def on_host(self, host: HostName) -> Iterator[Workstream]:
        return (w for w in self.workstreams.values() if w.host == host)

    def worktree_here(self, workstream: Workstream) -> str | None:
        """Where its worktree is, or will be, if that is on this machine."""
        if workstream.host != LOCAL:
            return None
        named = workstream.worktree or f"{self.repository}.worktrees/{workstream.name}"
        return posixpath.normpath(posixpath.join(self.repository, named))

    def session(self, name: WorkstreamName) -> str:
        return f"{self.project}_{name}"

    def integration_branch(self, number: WaveNumber) -> BranchName:
        return BranchName(self.integration.replace("{wave}", str(number)))

    def wave_gate_names(self, number: WaveNumber) -> tuple[str, ...]:
        return tuple(gate.name for gate in self.waves[number].gates)
