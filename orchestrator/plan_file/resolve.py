"""From a sound document to the plan: defaults merged, names resolved, units turned into seconds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from orchestrator.core.plan import (
    LOCAL,
    AgentRole,
    BranchName,
    Gate,
    Heartbeat,
    Host,
    HostName,
    Needs,
    Plan,
    RestartPolicy,
    Retention,
    Stage,
    SyncPolicy,
    Wave,
    WaveNumber,
    Workstream,
    WorkstreamName,
)
from orchestrator.plan_file.document import (
    AgentSection,
    Document,
    GateSection,
    HeartbeatSection,
    HostSection,
    NotifySection,
    RestartSection,
    RetentionSection,
    StageSection,
    SyncSection,
    WaveSection,
    WorkstreamSection,
)
from orchestrator.plan_file.members import DEFAULT_BASE, DEFAULT_INTEGRATION, Member, members, repository_of
from orchestrator.plan_file.outward import metrics_policy, notify_policy
from orchestrator.plan_file.tree import Source, plain
from orchestrator.plan_file.unbuilt import not_built


def resolve(source: Source, text: str) -> Plan:
    document = Document.model_validate(source.root)
    base = BranchName(document.base or DEFAULT_BASE)
    declared = {name: _gate(name, gate) for name, gate in (document.gates or {}).items()}
    roles = {name: _role(name, section) for name, section in (document.agents or {}).items()}
    workstreams = {
        WorkstreamName(member.name): _workstream(member, base, declared, roles)
        for member in members(source.root)
    }
    waves = {WaveNumber(n): _wave(n, document.waves[n], declared) for n in sorted(document.waves)}
    used = (wave.gates for wave in waves.values()), (work.gates for work in workstreams.values())
    return Plan(
        source=os.path.abspath(source.path),  # noqa: PTH100 - resolve() would follow links
        repository=str(repository_of(source)),
        digest=hashlib.sha256(text.encode()).hexdigest(),
        project=document.project,
        base=base,
        integration=document.integration or DEFAULT_INTEGRATION,
        remote=document.remote,
        tmux_socket=document.tmux.socket if document.tmux else None,
        hosts=dict(_hosts(document.hosts or {})),
        gates=declared | {gate.name: gate for gates in chain(*used) for gate in gates},
        waves=waves,
        workstreams=workstreams,
        retention=_retention(document.retention or RetentionSection()),
        notify=notify_policy(document.notify or NotifySection()),
        metrics=metrics_policy(document.metrics) if document.metrics else None,
        not_built=not_built(source),
    )


def _hosts(sections: Mapping[str, HostSection]) -> Iterator[tuple[HostName, Host]]:
    for name, section in {LOCAL: HostSection(), **sections}.items():
        keys = section.model_dump(exclude_none=True)
        yield HostName(name), Host(name=HostName(name), **keys)


def _gate(name: str, section: GateSection) -> Gate:
    keys = section.model_dump(exclude_none=True, exclude=set(section.model_extra or ()))
    timeout = {"timeout_s": keys.pop("timeout")} if "timeout" in keys else {}
    inputs = tuple(keys.pop("inputs", ()))
    settings = {key: plain(value) for key, value in (section.model_extra or {}).items()}
    return Gate(name=name, settings=settings, inputs=inputs, **timeout, **keys)


def _gates(names: Iterable[str] | None, declared: Mapping[str, Gate]) -> tuple[Gate, ...]:
    unique = dict.fromkeys(names or ())
    return tuple(declared.get(name) or Gate(name=name, check=name) for name in unique)


def _wave(number: int, section: WaveSection, declared: Mapping[str, Gate]) -> Wave:
    return Wave(
        number=WaveNumber(number),
        goal=section.goal or "",
        needs=_needs(section.needs),
        setup=section.setup,
        gates=_gates(section.gates, declared),
        workstreams=tuple(map(WorkstreamName, section.workstreams)),
        winner=section.winner,
    )


def _role(name: str, section: AgentSection) -> AgentRole:
    return AgentRole(
        name=name,
        run=section.run,
        resume=section.resume,
        brief=section.brief,
        env=dict(section.env or {}),
        asks=tuple(section.asks or ()),
    )


def _workstream(
    member: Member, base: BranchName, declared: Mapping[str, Gate], roles: Mapping[str, AgentRole]
) -> Workstream:
    keys = WorkstreamSection.model_validate(member.merged)
    role = roles[keys.agent] if keys.agent else None
    return Workstream(
        name=WorkstreamName(member.name),
        wave=WaveNumber(member.wave),
        branch=BranchName(keys.branch),
        base=BranchName(keys.base) if keys.base else base,
        host=HostName(keys.host) if keys.host else LOCAL,
        worktree=keys.worktree,
        paths=tuple(keys.paths or ()),
        skeleton=tuple(keys.skeleton or ()),
        components=tuple(keys.components or ()),
        setup=keys.setup,
        copy=tuple(keys.copied or ()),
        env={**(role.env if role else {}), **(keys.env or {})},
        ports=keys.ports or 0,
        gpu=keys.gpu or 0,
        stages=(role.stage(),) if role else tuple(_stages(keys)),
        agent=role,
        brief=keys.brief,
        needs=_needs(keys.needs),
        gates=_gates((*(keys.gates or ()), *(["review"] if keys.review else [])), declared),
        results=keys.results or "results",
        heartbeat=_heartbeat(keys.heartbeat or HeartbeatSection()),
        restart=_restart(keys.restart or RestartSection()),
        sync=_sync(keys.sync, keys.results or "results") if keys.sync else None,
        priority=keys.priority or 0,
        review=keys.review or False,
    )


def _stages(keys: WorkstreamSection) -> Iterator[Stage]:
    if keys.run:
        yield Stage(name="run", run=keys.run, resume=keys.resume)
    for stage in keys.stages or ():
        yield _stage(stage)


def _stage(stage: StageSection) -> Stage:
    return Stage(
        name=stage.name,
        run=stage.run,
        resume=stage.resume,
        require=tuple(stage.require or ()),
        timeout_s=stage.timeout,
    )


def _needs(needs: Iterable[str | int] | None) -> Needs:
    unique = dict.fromkeys(needs or ())
    return Needs(
        workstreams=tuple(WorkstreamName(need) for need in unique if isinstance(need, str)),
        waves=tuple(WaveNumber(need) for need in unique if isinstance(need, int)),
    )


def _heartbeat(section: HeartbeatSection) -> Heartbeat:
    return Heartbeat(
        **{f"{key}_s": seconds for key, seconds in section.model_dump(exclude_none=True).items()}
    )


def _restart(section: RestartSection) -> RestartPolicy:
    keys = section.model_dump(exclude_none=True)
    seconds = {f"{key}_s": keys.pop(key) for key in ("backoff", "refill") if key in keys}
    return RestartPolicy(**seconds, **keys)


def _retention(section: RetentionSection) -> Retention:
    return Retention(
        **{f"{key}_s": seconds for key, seconds in section.model_dump(exclude_none=True).items()}
    )


def _sync(section: SyncSection, results: str) -> SyncPolicy:
    keys: dict[str, Any] = section.model_dump(exclude_none=True)
    times = {f"{key}_s": keys.pop(key) for key in ("every", "commit") if key in keys}
    include, exclude = (tuple(keys.pop(key, ())) for key in ("include", "exclude"))
    return SyncPolicy(include=include or (results,), exclude=exclude, **times, **keys)
