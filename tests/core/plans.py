"""Small plans for tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.core.plan import (
    LOCAL,
    BranchName,
    Host,
    HostName,
    Needs,
    Plan,
    RestartPolicy,
    Stage,
    Wave,
    WaveNumber,
    Workstream,
    WorkstreamName,
)

TRAIN = Stage(name="run", run="train")


def workstream(name: str, wave: int = 1, stages: tuple[Stage, ...] = (TRAIN,), **more: object) -> Workstream:
    fields: dict[str, object] = {"restart": RestartPolicy(limit=2, backoff_s=10.0), **more}
    return Workstream(
        name=WorkstreamName(name),
        wave=WaveNumber(wave),
        branch=BranchName(f"w/{name}"),
        base=BranchName("main"),
        stages=stages,
        **fields,  # type: ignore[arg-type]
    )


def plan(
    *workstreams: Workstream, needs: dict[int, Needs] | None = None, hosts: tuple[Host, ...] = ()
) -> Plan:
    waves = {number: {"needs": wanted} for number, wanted in (needs or {}).items()}
    return plan_of(Path("/repo"), *workstreams, waves=waves, hosts=hosts)


def plan_of(
    repo: Path,
    *workstreams: Workstream,
    waves: Mapping[int, Mapping[str, Any]] | None = None,
    hosts: tuple[Host, ...] = (),
    remote: str | None = None,
) -> Plan:
    """`waves` holds fields of single waves."""
    numbers = sorted({w.wave for w in workstreams})
    return Plan(
        source=str(repo / "waves.yaml"),
        digest="0",
        repository=str(repo),
        project="p",
        base=BranchName("main"),
        integration="integration/wave{wave}",
        remote=remote,
        tmux_socket=None,
        hosts={LOCAL: Host(name=LOCAL), **{host.name: host for host in hosts}},
        gates={},
        waves={
            number: Wave(
                number=number,
                workstreams=tuple(w.name for w in workstreams if w.wave == number),
                **(waves or {}).get(number, {}),
            )
            for number in numbers
        },
        workstreams={w.name: w for w in workstreams},
    )


def gpu_host(**more: object) -> Host:
    return Host(name=HostName("gpu"), ssh="gpu", **more)  # type: ignore[arg-type]
