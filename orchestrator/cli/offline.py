"""The status without a daemon: the plan, the journal, the branches, and a look at this machine's workers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.cli.here import Here
from orchestrator.cli.kept_plan import load_kept_plan

if TYPE_CHECKING:
    from orchestrator.core.gating import Tips
    from orchestrator.core.observation import LaunchSeen, Observation, SyncSeen
    from orchestrator.core.plan import Plan
    from orchestrator.core.state import State
    from orchestrator.home import Home


def current_status(here: Here) -> dict[str, Any]:
    """The status document: the daemon's, or what can be known without one."""
    from orchestrator.client import NoDaemon

    try:
        return here.client.status()
    except NoDaemon:
        return offline_status(here)


def offline_status(here: Here) -> dict[str, Any]:
    from orchestrator.core.status import DaemonStatus, status

    plan, state, home, now = load_kept_plan(here), here.load_state(), here.find_home(), time.monotonic()
    observation = replace(_look(plan, state, home, now), synced=_pulled(plan))
    state = _with_ends(plan, state, observation, now)
    daemon = DaemonStatus(running=False, pid=None)
    found = status(plan, state, observation, _tips(plan, state, home), daemon, now)
    # A beat's age is counted from when its number last changed, which one look cannot tell.
    streams = tuple(replace(w, heartbeat_age_s=None) for w in found.workstreams)
    return asdict(replace(found, workstreams=streams))


def _pulled(plan: Plan) -> Mapping[str, SyncSeen]:
    # Not for a plan without: manifests take time to load.
    if not any(Path(plan.source).with_name(w.pulling.to).is_dir() for w in plan.workstreams.values()):
        return {}
    from orchestrator.results.known import known_pulls

    return known_pulls(plan)


def _look(plan: Plan, state: State, home: Home, now: float) -> Observation:
    """This machine's launches as they are now; other hosts are not asked."""
    from orchestrator.core.observation import HostSeen, Observation
    from orchestrator.core.plan import LOCAL

    observation = Observation(hosts={LOCAL: HostSeen(reachable=True)})
    launched = [
        (record.launch.id, f"{record.worktree}/{w.results}")
        for w in plan.on_host(LOCAL)
        if (record := state.of(w.name)).launch is not None and record.worktree is not None
    ]
    return observation.with_pulses(_seen(home, launched), now, now) if launched else observation


def _seen(home: Home, launched: Sequence[tuple[str, str]]) -> tuple[LaunchSeen, ...]:
    from orchestrator.agent.watch import Watch
    from orchestrator.wire import Place, Probe, Watched

    place = Place(
        repository=str(home.root),
        common_dir=str(home.common_dir),
        state=str(home.state.root),
        worktrees=f"{home.root}.worktrees",
    )
    watched = tuple(Watched(launch=launch, results=results) for launch, results in launched)
    return Watch().probe(Probe(place=place, launches=watched)).launches


def _with_ends(plan: Plan, state: State, observation: Observation, now: float) -> State:
    """The state once the ends that were seen are written down, as a daemon would first do."""
    from orchestrator.core.decide import decide
    from orchestrator.core.facts import LaunchEnded

    for fact in decide(plan, state, observation, now).facts:
        if isinstance(fact, LaunchEnded):
            state = state.after(fact)
    return state


def _tips(plan: Plan, state: State, home: Home) -> Tips:
    from orchestrator.core.gating import Tips, may_be_ready
    from orchestrator.tips import known_tips

    commits = known_tips(home, plan)
    if not any(may_be_ready(plan, state, number) for number in plan.waves):
        return Tips(commits=commits)

    from orchestrator.gates import green_gates

    return Tips(commits=commits, green=green_gates(home, plan, commits, state))
