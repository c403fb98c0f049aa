"""Gates, and the search for what makes a wave's red."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFinished:
    """A gate's verdict on one commit. `workstream` is None for a wave's gate on its candidate.

    `ok`: it does not block. `outcome` is empty in journals of versions that knew only `ok`. `message`
    says why it is red, and holds the end of what it printed.
    """

    wave: int
    workstream: str | None
    gate: str
    commit: str
    tree: str
    ok: bool
    seconds: float
    cached: bool
    log: str
    asked_by: str = "daemon"
    outcome: str = ""
    severity: str = "block"
    attempts: int = 1
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRetried:
    """A run of a gate came to no verdict; `attempt` is its number, and another one follows."""

    wave: int
    workstream: str | None
    gate: str
    commit: str
    attempt: int
    reason: str
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTried:
    """A wave's gates on part of it, to find out what makes the whole red. `red` names gates.

    `reused`: its tree was one that had been run; `logs` are copies, kept until the wave's next isolation.
    """

    wave: int
    run: int
    workstreams: tuple[str, ...]
    purpose: str
    outcome: str
    commit: str | None = None
    red: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    reused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveIsolated:
    """`verdict` in a word, `causes` in words; `left_out` is what they keep from landing with `proven`."""

    wave: int
    verdict: str
    causes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    proven: tuple[str, ...] = ()
