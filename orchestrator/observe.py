"""One look at a host: every launch that matters there, in one round trip that carries only what is new."""

from __future__ import annotations

import time

from orchestrator import wire
from orchestrator.core.observation import LaunchSeen
from orchestrator.core.plan import HostName, Plan, Workstream
from orchestrator.core.state import Ended, Running, Starting, State, Stopping, WorkstreamRecord
from orchestrator.gates import gpus_of_gates
from orchestrator.inbox import HostAnswered
from orchestrator.site import Site


def observe(site: Site, plan: Plan, state: State) -> HostAnswered:
    """Ask the host about its launches; blocks for one round trip. One thread at a time for each site.

    Raises:
        HostUnreachable: nothing is known about them.
    """
    asked_at = time.monotonic()
    of_their_own = [w for w in plan.on_host(HostName(site.host.name)) if w.worktree is not None]
    folders = tuple(site.worktree_path(workstream) for workstream in of_their_own)
    news, launches = _look(site, _watched(site, plan, state), folders)
    return HostAnswered(
        host=site.host.name,
        asked_at=asked_at,
        boot_id=news.boot_id,
        launches=launches,
        gpus_of_gates=gpus_of_gates(site.home, site.host),
        census=news.census,
        disk=news.disk,
    )


def running_launches(site: Site, plan: Plan, state: State) -> tuple[wire.LaunchFound, ...]:
    """What runs there of the plan's workstreams by somebody else's word; blocks for one round trip."""
    names = tuple(workstream.name for workstream in plan.on_host(HostName(site.host.name)))
    known = tuple(record.launch.id for name in names if (record := state.of(name)).launch is not None)
    request = wire.FindLaunches(place=site.place, workstreams=names, known=known)
    found: wire.LaunchesFound = site.call(request)
    return found.launches


def _look(
    site: Site, watched: tuple[wire.Watched, ...], folders: tuple[str, ...]
) -> tuple[wire.News, tuple[LaunchSeen, ...]]:
    """The answer, and all launches: those that the answer leaves out look as they did."""
    memory = site.memory
    same = memory.number > 0 and (memory.watched, memory.folders) == (watched, folders)
    request = wire.Look(
        place=None if same else site.place,
        launches=None if same else watched,
        since=memory.number,
        gpus=bool(site.host.gpus),
        folders=() if same else folders,
    )
    news: wire.News = site.call(request)
    memory.watched, memory.folders, memory.number = watched, folders, news.number
    memory.seen |= {one.launch: one for one in news.launches}
    if not same:
        memory.seen = {one.launch: memory.seen[one.launch] for one in watched}
    return news, tuple(memory.seen[one.launch] for one in watched)


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
