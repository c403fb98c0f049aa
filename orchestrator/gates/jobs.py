"""What is to be run where: the gates of one workstream's tip, or of one wave's candidate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.checks import Sibling
from orchestrator.core.facts import ReviewApproved
from orchestrator.core.plan import LOCAL, Gate, HostName, Plan, WaveNumber, Workstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Gates of one commit, in checkouts named `name`. `notes` say what the plan left open.

    `base` is where base stands, or what a candidate was built on. `siblings` are the other planned branches
    that exist, or those that a candidate holds. `together` are the commits of all jobs of one request.
    """

    name: str
    wave: WaveNumber
    workstream: Workstream | None
    host: HostName
    commit: str
    tree: str
    base: str
    gates: tuple[Gate, ...]
    claims: tuple[str, ...] = ()
    siblings: tuple[Sibling, ...] = ()
    approvals: tuple[ReviewApproved, ...] = ()
    setup: str | None = None
    copy: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    together: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return self.workstream.name if self.workstream else f"wave {self.wave}"


def workstream_job(
    workstream: Workstream,
    *,
    commit: str,
    tree: str,
    base: str,
    gates: Iterable[Gate] | None = None,
    siblings: Iterable[Sibling] = (),
    approvals: Iterable[ReviewApproved] = (),
    together: Iterable[str] = (),
) -> Job:
    """`gates` instead of the workstream's own; those for the wave are left to the wave."""
    return Job(
        name=workstream.name,
        wave=workstream.wave,
        workstream=workstream,
        host=workstream.host,
        commit=commit,
        tree=tree,
        base=base,
        gates=tuple(g for g in (workstream.gates if gates is None else gates) if not g.is_for_the_wave),
        claims=workstream.components,
        siblings=tuple(one for one in siblings if one.name != workstream.name),
        approvals=tuple(approvals),
        together=tuple(together),
        setup=workstream.setup,
        copy=workstream.copy,
        env={
            **workstream.env,
            "ORCHESTRATOR_WORKSTREAM": workstream.name,
            "ORCHESTRATOR_WAVE": str(workstream.wave),
        },
    )


def wave_job(
    plan: Plan,
    number: WaveNumber,
    *,
    commit: str,
    tree: str,
    base: str,
    siblings: Iterable[Sibling] = (),
) -> Job:
    wave, members = plan.waves[number], plan.of_wave(number)
    setup = wave.setup or _agreed(members, "setup")
    copy = _agreed(members, "copy") or ()
    return Job(
        name=wave_checkout(number),
        wave=number,
        workstream=None,
        host=LOCAL,
        commit=commit,
        tree=tree,
        base=base,
        gates=wave_gates(plan, number),
        claims=tuple(dict.fromkeys(name for member in members for name in member.components)),
        siblings=tuple(siblings),
        setup=setup,
        copy=copy,
        env={**_common_env(members), "ORCHESTRATOR_WAVE": str(number)},
        notes=tuple(_left_open(members, wave.setup)),
    )


def wave_gates(plan: Plan, number: WaveNumber) -> tuple[Gate, ...]:
    """The wave's own, and those that its workstreams leave to it."""
    left = (gate for member in plan.of_wave(number) for gate in member.gates if gate.is_for_the_wave)
    return tuple({gate.name: gate for gate in (*plan.waves[number].gates, *left)}.values())


AT_ONCE_ON_A_HOST = 2
"""Gates that run side by side: test suites are heavy, and workers train beside them. Those that were
given GPU shares are not counted: the shares bound them."""


def wave_checkout(number: int) -> str:
    """The name of the checkout in which a wave's gates run."""
    return f"wave-{number}"


def checkouts_of(name: str, *, is_wave: bool) -> list[str]:
    """The names of its checkouts: a wave has several, for candidates that are tried side by side."""
    more = range(2, AT_ONCE_ON_A_HOST + 1) if is_wave else ()
    return [name, *(f"{name}.{number}" for number in more)]


def _agreed(members: Sequence[Workstream], key: str) -> Any:
    values = {getattr(member, key) for member in members}
    return values.pop() if len(values) == 1 else None


def _left_open(members: Sequence[Workstream], setup: str | None) -> Iterable[str]:
    if setup is None and len({member.setup for member in members}) > 1:
        yield "its workstreams differ in `setup`: none is run; name one for the wave"
    if len({member.copy for member in members}) > 1:
        yield "its workstreams differ in `copy`: nothing is copied"


def _common_env(members: Sequence[Workstream]) -> dict[str, str]:
    if not members:
        return {}
    return {k: v for k, v in members[0].env.items() if all(m.env.get(k) == v for m in members)}
