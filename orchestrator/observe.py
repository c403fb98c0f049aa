"""One look at a host: every launch that matters there, in one round trip."""

from __future__ import annotations

import time

from orchestrator import wire
from orchestrator.core.plan import HostName, Plan, Workstream
from orchestrator.core.state import Ended, Running, Starting, State, Stopping, WorkstreamRecord
from orchestrator.gates import gpus_of_gates
from orchestrator.inbox import HostAnswered
from orchestrator.site import Site


def observe(site: Site, plan: Plan, state: State) -> HostAnswered:
    """Ask the host about its launches; blocks for one round trip.

    Raises:
        HostUnreachable: nothing is known about them.
    """
    asked_at = time.monotonic()
    seen: wire.Seen = site.call(_probe(site, plan, state))
    return HostAnswered(
        host=site.host.name,
        asked_at=asked_at,
        boot_id=seen.boot_id,
        launches=seen.launches,
        gpus_of_gates=gpus_of_gates(site.home, site.host),
        census=seen.census,
        disk=seen.disk,
    )


def _probe(site: Site, plan: Plan, state: State) -> wire.Probe:
    of_their_own = [w for w in plan.on_host(HostName(site.host.name)) if w.worktree is not None]
    return wire.Probe(
        place=site.place,
        launches=_watched(site, plan, state),
        gpus=bool(site.host.gpus),
        folders=tuple(site.worktree_path(workstream) for workstream in of_their_own),
    )


def _watched(site: Site, plan: Plan, state: State) -> tuple[wire.Watched, ...]:
    return tuple(
        wire.Watched(
            launch=record.launch.id,
            results=results_path(site, workstream, record),
            screen=_screen(plan, workstream),
        )
        for workstream in plan.on_host(HostName(site.host.name))
        if (record := state.of(workstream.name)).launch is not None
        and isinstance(record.phase, Starting | Running | Stopping | Ended)
    )


def _screen(plan: Plan, workstream: Workstream) -> wire.Screen | None:
    """Only a coding agent is one that people talk with."""
    if workstream.agent is None:
        return None
    return wire.Screen(
        tmux_socket=plan.tmux_socket, session=plan.session(workstream.name), asks=workstream.agent.asks
    )


def results_path(site: Site, workstream: Workstream, record: WorkstreamRecord) -> str:
    return f"{record.worktree or site.worktree_path(workstream)}/{workstream.results}"
