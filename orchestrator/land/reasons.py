"""Why a wave, or one of its workstreams, does not land."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why not; `workstream` where one is to blame."""

    text: str
    workstream: str | None = None

    def words(self) -> str:
        return f"{self.workstream}: {self.text}" if self.workstream else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A workstream that holds the wave back, or was not part of it, and why."""

    name: str
    reason: str


def left_out(reasons: Sequence[Reason]) -> tuple[LeftOut, ...]:
    """Those reasons that name a workstream, one entry each."""
    texts: dict[str, list[str]] = {}
    for reason in reasons:
        if reason.workstream is not None:
            texts.setdefault(reason.workstream, []).append(reason.text)
    return tuple(LeftOut(name=name, reason="; ".join(parts)) for name, parts in texts.items())
