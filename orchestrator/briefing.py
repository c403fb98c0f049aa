"""What a coding agent is told: its role's brief, the workstream's, and what the plan says of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.plan import AgentRole, Plan, Workstream
from orchestrator.errors import Refused

BRIEF_LIMIT_BYTES = 1024 * 1024


def brief_of(plan: Plan, workstream: Workstream, root: Path) -> str | None:
    """The text, read from the repository's folder; None for a workstream without an agent.

    Raises:
        Refused: a file is missing, no text, outside of the repository, or too large.
    """
    role = workstream.agent
    if role is None:
        return None
    told = [_told(root, brief) for brief in (role.brief, workstream.brief) if brief]
    return "\n\n".join((*told, "\n".join(_facts(plan, workstream, role)))) + "\n"


def _told(root: Path, brief: str) -> str:
    """Words as they stand; what has no blank, or is one, is the path of a file that holds them."""
    if len(brief.split()) > 1 and not os.path.isfile(root / brief):  # noqa: PTH113 (words may be too long for a path)
        return brief.strip()
    path = root / brief
    if not path.resolve().is_relative_to(root.resolve()):
        raise Refused(f"brief: {brief} leads out of the repository.")
    if not path.is_file():
        hint = "create it, name another file, or write the words themselves into the plan"
        raise Refused(f"brief: there is no file {brief} in {root}.", hint)
    if path.stat().st_size > BRIEF_LIMIT_BYTES:
        raise Refused(f"brief: {brief} is larger than {BRIEF_LIMIT_BYTES} bytes.")
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise Refused(f"brief: {brief} is no UTF-8 text.") from error


def _facts(plan: Plan, workstream: Workstream, role: AgentRole) -> Iterator[str]:
    wave = plan.waves[workstream.wave]
    yield f"## Workstream {workstream.name}"
    yield ""
    yield f"- role: {role.name}"
    yield f"- wave {wave.number}" + (f": {wave.goal}" if wave.goal else "")
    yield f"- branch: {workstream.branch}, from {workstream.base}; commit there, do not push or switch"
    if workstream.paths:
        yield f"- change only: {', '.join(workstream.paths)}"
    if workstream.components:
        yield f"- components it claims to hold: {', '.join(workstream.components)}"
    if workstream.gates:
        yield f"- gates it must pass: {', '.join(gate.name for gate in workstream.gates)}"
    yield f"- results: {workstream.results}/"
