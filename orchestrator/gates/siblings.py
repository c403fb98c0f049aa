"""The other branches that some built-in checks look at."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator import git
from orchestrator.checks import SEES_SIBLINGS, Sibling
from orchestrator.core.plan import Plan, WaveNumber, Workstream
from orchestrator.gates.jobs import wave_gates
from orchestrator.site import Home
from orchestrator.tips import known_tips


def siblings_of(home: Home, plan: Plan, asking: Iterable[Workstream]) -> tuple[Sibling, ...]:
    """All planned branches that exist, as far as this repository knows them; none where no gate asks."""
    if not any(gate.check in SEES_SIBLINGS for workstream in asking for gate in workstream.gates):
        return ()
    return _known(home, plan)


def members_of(home: Home, plan: Plan, number: WaveNumber, candidate: str) -> tuple[Sibling, ...]:
    """The wave's branches that a candidate holds; none where no gate asks."""
    if not any(gate.check in SEES_SIBLINGS for gate in wave_gates(plan, number)):
        return ()
    return tuple(
        one
        for one in _known(home, plan)
        if one.workstream.wave == number and git.is_ancestor(home.git, one.commit, candidate)
    )


def _known(home: Home, plan: Plan) -> tuple[Sibling, ...]:
    tips = known_tips(home, plan)
    return tuple(
        Sibling(workstream=workstream, commit=tips[workstream.name])
        for workstream in plan.workstreams.values()
        if workstream.name in tips
    )
