"""Required classes that are called what they are: one that does nothing, one that only counts places."""

from __future__ import annotations

from orchestrator.source.bodies import DEAF
from orchestrator.source.facts import Function, Kind
from orchestrator.source.naming import words

_PLACED = {
    "position",
    "positions",
    "positional",
    "rotary",
    "rope",
    "relpos",
    "bias",
    "mask",
    "grid",
    "anchor",
    "anchors",
}
"""What these say of places depends on how many there are, and on nothing else."""
NOTHING = {"null", "noop", "nop", "identity", "passthrough", "disabled"}


def owns_up(owner: str, function: Function) -> bool:
    """The class is required under a name that says so: positions that only count, a filter for nothing."""
    named = set(words(owner))
    if function.kind == Kind.REAL:
        return function.found == DEAF and bool(_PLACED & named)
    return function.kind in (Kind.STUB, Kind.IDENTITY) and bool(NOTHING & named)
