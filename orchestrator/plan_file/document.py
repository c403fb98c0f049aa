"""The keys of `waves.yaml`. Shape only: what one key may say about another is in `checks`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from orchestrator.plan_file.values import (
    Address,
    Bandwidth,
    Branch,
    Check,
    Command,
    Directory,
    Duration,
    EventName,
    Flag,
    GpuCount,
    Gpus,
    Integration,
    Label,
    Limit,
    Listen,
    Need,
    Pattern,
    PortCount,
    PositiveDuration,
    PositiveLimit,
    Priority,
    ProjectName,
    Quiet,
    RepositoryPath,
    RequirementText,
    Scope,
    Service,
    Severity,
    Size,
    Text,
    Variable,
    Version,
    WaveKey,
    WorkstreamKey,
    Worktree,
)


def _listed(value: object) -> object:
    return value if isinstance(value, (list, dict)) else [value]


# One item may stand without its list.
Needs = Annotated[list[Need], BeforeValidator(_listed, json_schema_input_type=Need | list[Need])]
GateNames = Annotated[list[Label], BeforeValidator(_listed, json_schema_input_type=Label | list[Label])]
Services = Annotated[list[Service], BeforeValidator(_listed, json_schema_input_type=Service | list[Service])]
Events = Annotated[
    list[EventName], BeforeValidator(_listed, json_schema_input_type=EventName | list[EventName])
]
Requirements = Annotated[
    list[RequirementText],
    BeforeValidator(_listed, json_schema_input_type=RequirementText | list[RequirementText]),
]


class Section(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    @classmethod
    def keys(cls) -> list[str]:
        return [field.alias or name for name, field in cls.model_fields.items()]


class HeartbeatSection(Section):
    every: PositiveDuration | None = Field(default=None, description="Time between two beats. Default: 30s.")
    stale: PositiveDuration | None = Field(
        default=None, description="A worker that has not advanced for this long is stale. Default: 3m."
    )


class RestartSection(Section):
    limit: Limit | None = Field(default=None, description="How often a failed stage is repeated. Default: 3.")
    backoff: Duration | None = Field(
        default=None, description="Wait before the first repeat, doubled for each further one. Default: 10s."
    )
    refill: PositiveDuration | None = Field(
        default=None, description="Advance after which earlier failures count no more. Default: 60m."
    )
    stalled: Flag | None = Field(
        default=None,
        description="Whether a worker whose progress stands still is ended and repeated. Default: true.",
    )
    diverged: Flag | None = Field(
        default=None, description="Whether a worker whose loss is no number is ended. Default: true."
    )
    verify: Command | None = Field(
        default=None,
        description="Shell command that exits 0 when ORCHESTRATOR_CHECKPOINT can be loaded.",
    )


class SyncSection(Section):
    every: PositiveDuration | None = Field(default=None, description="Time between two pulls. Default: 5m.")
    include: list[RepositoryPath] | None = Field(
        default=None,
        description="Files, folders and globs in the worktree that are pulled. Default: its results.",
    )
    exclude: list[RepositoryPath] | None = Field(
        default=None, description="Files, folders and globs, or names, that are not pulled."
    )
    to: Directory | None = Field(
        default=None,
        description="Directory beside the plan for what is pulled. Default: synced.",
    )
    bandwidth: Bandwidth | None = Field(
        default=None, description="Most bytes a second of one transfer, as 10MB. Default: no limit."
    )
    commit: PositiveDuration | None = Field(
        default=None, description="Commit work in progress on the branch this often. Default: never."
    )


class StageSection(Section):
    name: Label = Field(description="Unique in the workstream.")
    run: Command = Field(description="Shell command, run at the root of the worktree.")
    resume: Command | None = Field(default=None, description="Command for a restart. Default: run.")
    require: Requirements | None = Field(
        default=None,
        description="Rules on the stage's metrics: 'loss < 0.1', 'elapsed_s < 7200', 'improving(loss)'.",
    )
    timeout: PositiveDuration | None = Field(default=None, description="Longest wall time of one attempt.")


class Defaults(Section):
    """Any workstream key but branch and worktree. Mappings are merged key by key, the rest is replaced."""

    base: Branch | None = Field(
        default=None, description="What the worktree is made from. Default: the plan's base."
    )
    host: Label | None = Field(default=None, description="A name under hosts, or local, the default.")
    paths: list[RepositoryPath] | None = Field(default=None, description="What the branch may touch.")
    skeleton: list[RepositoryPath] | None = Field(
        default=None, description="Directories made in a new worktree."
    )
    components: list[Text] | None = Field(default=None, description="Components the branch claims to hold.")
    setup: Command | None = Field(default=None, description="Shell command, run once in each new worktree.")
    copied: list[RepositoryPath] | None = Field(
        default=None, alias="copy", description="Untracked files carried into the worktree."
    )
    env: dict[Variable, Text] | None = Field(
        default=None, description="Environment of the workstream's commands."
    )
    ports: PortCount | None = Field(
        default=None,
        description="How many consecutive free ports it gets; the first is in ORCHESTRATOR_PORT.",
    )
    gpu: GpuCount | None = Field(default=None, description="How many devices it gets, one share of each.")
    run: Command | None = Field(default=None, description="Shell command; short for one stage named run.")
    resume: Command | None = Field(default=None, description="Command for a restart of run. Default: run.")
    stages: list[StageSection] | None = Field(
        default=None, description="Commands that run one after another."
    )
    agent: Label | None = Field(default=None, description="The role under agents that does the work.")
    brief: Text | None = Field(
        default=None, description="What the agent is asked to do: a file of the repository, or words."
    )
    needs: Needs | None = Field(
        default=None,
        description="Workstreams that must be done, or waves that must have landed, before this starts.",
    )
    gates: GateNames | None = Field(
        default=None, description="Checks its branch must pass: gates, or built-in ones."
    )
    results: Directory | None = Field(default=None, description="Directory of results. Default: results.")
    heartbeat: HeartbeatSection | None = Field(default=None, description="How its life is watched.")
    restart: RestartSection | None = Field(default=None, description="What happens after a failure.")
    sync: SyncSection | None = Field(default=None, description="Results pulled from its host while it runs.")
    priority: Priority | None = Field(
        default=None, description="Higher starts first when slots are few. Default: 0."
    )
    review: Flag | None = Field(
        default=None, description="Whether a human must approve the tip before it lands."
    )


class WorkstreamSection(Defaults):
    """One branch, one worktree, one session. Without run, stages and agent it gets a plain shell."""

    branch: Branch = Field(description="Its own branch, made from base or adopted when it exists.")
    worktree: Worktree | None = Field(
        default=None,
        description="From the repository's root. Default: ../<repository>.worktrees/<name>.",
    )


class WaveSection(Section):
    """Workstreams that land together."""

    goal: Text | None = Field(default=None, description="What the wave is for.")
    needs: Needs | None = Field(default=None, description="When the wave starts. Default: at once.")
    setup: Command | None = Field(
        default=None,
        description="Run before the wave's gates. Default: that of its workstreams, where they agree.",
    )
    gates: GateNames | None = Field(default=None, description="Checks that the merged tree must pass.")
    workstreams: dict[WorkstreamKey, WorkstreamSection] = Field(
        min_length=1, description="By name; a name is unique in the plan."
    )
    winner: Text | None = Field(default=None, description="Expression that picks the branch to land.")


def _with_settings(schema: dict[str, Any]) -> None:
    """Settings of built-in checks that an editor may offer; the checks read them, and allow others."""
    text = {"type": "string"}
    tests = {"anyOf": [text, {"type": "array", "items": text}, {"type": "boolean"}]}
    schema["properties"] |= {
        "proof": {"enum": ["tests"], "description": "components: its tests must notice that it is gone."},
        "tests": {**tests, "description": "tdd, components: patterns of test files; clones: tests too."},
    }


class GateSection(Section):
    """A shell command (run), or a built-in check with its settings."""

    model_config = ConfigDict(defer_build=True, extra="allow", frozen=True, json_schema_extra=_with_settings)

    run: Command | None = Field(default=None, description="Shell command that exits 0 when all is well.")
    check: Check | None = Field(default=None, description="A built-in check; its settings stand beside it.")
    scope: Scope | None = Field(default=None, description="What the verdict depends on. Default: tree.")
    inputs: list[RepositoryPath] | None = Field(
        default=None,
        description="Files, folders and globs that the verdict depends on. Default: the whole tree.",
    )
    timeout: PositiveDuration | None = Field(
        default=None, description="Longest wall time of one run. Default: 30m."
    )
    retries: Limit | None = Field(
        default=None,
        description="Repeats of a run without a verdict (host lost, killed, disk full). Default: 0.",
    )
    severity: Severity | None = Field(default=None, description="Whether a red blocks. Default: block.")
    gpu: GpuCount | None = Field(
        default=None, description="Devices of its host that it gets, one share of each. Default: 0."
    )


class HostSection(Section):
    """A machine that runs workers. `local` always exists."""

    ssh: Address | None = Field(default=None, description="user@host[:port], or an alias of ~/.ssh/config.")
    identity: Text | None = Field(
        default=None, description="Private key file. Default: what ssh itself would use."
    )
    jump: Address | None = Field(default=None, description="Host to connect through.")
    root: Text | None = Field(
        default=None, description="Directory on the host for the clone and the worktrees."
    )
    gpus: Gpus | None = Field(default=None, description="A count, or a list of indices. Default: none.")
    share: PositiveLimit | None = Field(default=None, description="Workers per GPU. Default: 1.")
    slots: PositiveLimit | None = Field(default=None, description="Most workers at once. Default: no limit.")
    disk_floor: Size | None = Field(
        default=None,
        description="Free space below which nothing new starts. Default: 1GiB, on a small disk a twentieth.",
    )
    python: Command | None = Field(default=None, description="Interpreter for the orchestrator's part there.")
    engine: Label | None = Field(default=None, description="What holds the sessions. Default: tmux.")


class TmuxSection(Section):
    socket: Label | None = Field(
        default=None, description="Name of a tmux server other than the default one."
    )


class AgentSection(Section):
    """A coding agent: how it is started, and what every one of this role is told."""

    run: Command = Field(
        description="Shell command that starts it; {brief} is the path of its brief, {workstream} its name."
    )
    resume: Command | None = Field(default=None, description="Command for a restart. Default: run.")
    brief: Text | None = Field(
        default=None, description="What every agent of this role is told: a file of the repository, or words."
    )
    env: dict[Variable, Text] | None = Field(
        default=None, description="Its environment; that of the workstream wins."
    )
    asks: list[Pattern] | None = Field(
        default=None, description="Regular expressions of lines with which it asks for input."
    )


class NotifySection(Section):
    """Who is told what. Addresses are secrets: env:NAME and file:PATH keep them out of the plan."""

    urls: Services | None = Field(
        default=None, description="Where messages go: URLs of Apprise, with ${NAME}; env:NAME; file:PATH."
    )
    on: Events | None = Field(
        default=None, description="Events that are told. Default: all but done and host-back."
    )
    digest: PositiveDuration | None = Field(
        default=None, description="Gather events for so long into one message. Default: a few seconds."
    )
    quiet: Quiet | None = Field(
        default=None, description="Hours, in this machine's time zone, in which nothing is sent: 22:00-07:00."
    )
    ping: Service | None = Field(
        default=None, description="Dead man's switch: a URL to fetch while the daemon works, or env:NAME."
    )
    every: PositiveDuration | None = Field(default=None, description="Time between two pings. Default: 1m.")


class MetricsSection(Section):
    listen: Listen = Field(description="Where Prometheus asks: a port of this machine, or HOST:PORT.")
    public: Flag | None = Field(
        default=None, description="Whether others may ask, too, where HOST is not this machine's own."
    )


class RetentionSection(Section):
    logs: PositiveDuration | None = Field(
        default=None, description="Logs, verdicts and launches that have ended. Default: 90d."
    )
    results: PositiveDuration | None = Field(
        default=None, description="Results that clean moved to kept/. Default: for ever."
    )
    journal: PositiveDuration | None = Field(
        default=None, description="Entries of the journal, before they move to its archive. Default: 90d."
    )


class Document(Section):
    """The plan of a project: which branches are worked on, in which waves, on which hosts."""

    version: Version = Field(description="Version of this format: 1.")
    project: ProjectName = Field(description="Sessions are named <project>_<workstream>.")
    base: Branch | None = Field(default=None, description="The branch waves land on. Default: main.")
    integration: Integration | None = Field(
        default=None, description="The branch a wave is assembled on. Default: integration/wave{wave}."
    )
    remote: Label | None = Field(
        default=None, description="Git remote that branches, base and tags are pushed to."
    )
    tmux: TmuxSection | None = Field(default=None, description="Which tmux server holds the sessions.")
    hosts: dict[Label, HostSection] | None = Field(default=None, description="Machines besides this one.")
    defaults: Defaults | None = Field(default=None, description="Keys for every workstream.")
    gates: dict[Label, GateSection] | None = Field(default=None, description="Checks, by name.")
    waves: dict[WaveKey, WaveSection] = Field(
        min_length=1, description="Workstreams, by the wave they land in."
    )
    agents: dict[Label, AgentSection] | None = Field(default=None, description="Coding agents, by role.")
    notify: NotifySection | None = Field(default=None, description="Who is told what.")
    retention: RetentionSection | None = Field(default=None, description="How long things are kept.")
    metrics: MetricsSection | None = Field(default=None, description="Figures for Prometheus over TCP.")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a plan, for editors."""
    schema = Document.model_json_schema(schema_generator=_EditorSchema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "waves.yaml, the plan of orchestrator",
    }


class _EditorSchema(GenerateJsonSchema):
    """Keys may be left out, but not null, nor be any name at all; names of fields need no titles."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        return {**super().dict_schema(schema), "additionalProperties": False}

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False
