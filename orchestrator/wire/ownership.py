"""Whose a project's place on a host is: one daemon's at a time."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.wire.host import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Be the daemon that changes things here. Answered by `Claimed`, refused while another is.

    `owner` says who, on which machine, for which repository; `daemon` tells two processes of one owner
    apart. `fence` is what this daemon held here before, 0 if nothing. With `take_over` nobody is in the way.
    """

    place: Place
    owner: str
    daemon: str
    fence: int = 0
    take_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """`fence` grows whenever the place changes hands; `taken_from` is the owner that was put out."""

    fence: int
    taken_from: str | None = None
