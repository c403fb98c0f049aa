"""What is to be run where: the gates of one workstream's tip, or of one wave's candidate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.core.plan import LOCAL, Gate, HostName, Plan, WaveNumber, Workstream

_FORM = 1
"""Raised when what a stored verdict means changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Gates that share a checkout, named `name`. `notes` say what the plan left open."""

    name: str
    wave: WaveNumber
    workstream: Workstream | None
    host: HostName
    commit: str
    tree: str
    base: str
    gates: tuple[Gate, ...]
    setup: str | None = None
    copy: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return self.workstream.name if self.workstream else f"wave {self.wave}"


def workstream_job(
    workstream: Workstream, *, commit: str, tree: str, base: str, gates: Iterable[Gate] | None = None
) -> Job:
    return Job(
        name=workstream.name,
        wave=workstream.wave,
        workstream=workstream,
        host=workstream.host,
        commit=commit,
        tree=tree,
        base=base,
        gates=workstream.gates if gates is None else tuple(gates),
        setup=workstream.setup,
        copy=workstream.copy,
        env={
            **workstream.env,
            "ORCHESTRATOR_WORKSTREAM": workstream.name,
            "ORCHESTRATOR_WAVE": str(workstream.wave),
        },
    )


def wave_job(plan: Plan, number: WaveNumber, *, commit: str, tree: str, base: str) -> Job:
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
        gates=wave.gates,
        setup=setup,
        copy=copy,
        env={**_common_env(members), "ORCHESTRATOR_WAVE": str(number)},
        notes=tuple(_left_open(members, wave.setup)),
    )


def wave_checkout(number: int) -> str:
    """The name of the checkout in which a wave's gates run."""
    return f"wave-{number}"


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


def result_name(job: Job, gate: Gate, root: Path) -> str:
    """The file name of a verdict: equal names mean that an earlier green still holds.

    `root` is where copied files come from; a changed one gives another name.
    """
    if gate.check is not None:
        asked: dict[str, object] = {
            "check": gate.check,
            "settings": dict(gate.settings),
            "base": job.base,
            "commit": job.commit,
        }
    else:
        asked = {
            "run": gate.run,
            "setup": job.setup,
            "copy": [_stamp(root, path) for path in job.copy],
            "env": dict(job.env),
            "host": job.host,
        }
    text = json.dumps({"form": _FORM, **asked}, sort_keys=True, default=str)
    return f"{gate.name}-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}.json"


def _stamp(root: Path, path: str) -> tuple[str, int, int]:
    try:
        found = (root / path).stat()
    except OSError:
        return (path, -1, -1)
    return (path, found.st_size, found.st_mtime_ns)
