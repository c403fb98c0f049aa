"""Starting nothing new, and starting again: what is written down, and what is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator import requests as r
from orchestrator.core import facts as f
from orchestrator.core.placement import holders, is_held
from orchestrator.core.plan import Plan
from orchestrator.core.state import State
from orchestrator.errors import Refused
from orchestrator.names import require_one_of


def drain_facts(plan: Plan, state: State, request: r.Drain) -> list[f.DrainAsked | f.DrainLifted]:
    """What asking changes; nothing when it is so already.

    Raises:
        UsageError: the plan has no such host.
    """
    for name in request.hosts:
        require_one_of("host", name, plan.hosts)
    drain = state.capacity.drain
    if request.off:
        hosts = tuple(sorted(drain.hosts.intersection(request.hosts) if request.hosts else drain.hosts))
        everywhere = drain.everywhere and not request.hosts
        is_news = bool(hosts) or everywhere
        return [f.DrainLifted(by=request.by, hosts=hosts, everywhere=everywhere)] if is_news else []
    fresh = tuple(name for name in dict.fromkeys(request.hosts) if name not in drain.hosts)
    is_news = bool(fresh) if request.hosts else not drain.everywhere
    return [f.DrainAsked(by=request.by, hosts=fresh)] if is_news else []


def lifted_by_up(state: State, by: str) -> list[f.DrainLifted]:
    """`up` of everything ends the drain of the plan; that of a host has to be ended by name."""
    return [f.DrainLifted(by=by, everywhere=True)] if state.capacity.drain.everywhere else []


def refuse_drained(plan: Plan, state: State, names: Sequence[str]) -> None:
    """Raises: Refused: one of them would be ended, and not start again."""
    drain = state.capacity.drain
    for name in names:
        host = plan.workstream(name).host
        if drain.covers(host) and is_held(state.of(name)):
            off = "orchestrator drain --off" + ("" if drain.everywhere else f" {host}")
            raise Refused(f"{host} is drained: {name} would be ended and not start again.", off)


def drained(state: State, hosts: Sequence[str], *, until_empty: bool) -> Any:
    """The answer; None while something runs that is waited for."""
    running = running_on(state, hosts)
    if until_empty and running:
        return None
    drain = state.capacity.drain
    return {"everywhere": drain.everywhere, "hosts": sorted(drain.hosts), "running": running}


def running_on(state: State, hosts: Sequence[str]) -> list[str]:
    return sorted(name for host in hosts for name in holders(state, host))
