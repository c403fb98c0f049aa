"""A command that is kept alive on a host, by a supervisor of its own, whoever looks on."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.observation import Exit
from orchestrator.wire.host import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKept:
    """Start a command under a name, once. Answered by `KeptRun`.

    One of that name and command that runs, or whose end nobody has heard of yet, is left as it is.
    `folder` is where it runs, relative to the home; None: the home itself.
    """

    place: Place
    name: str
    argv: tuple[str, ...]
    folder: str | None
    beat_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRun:
    """`begun`: this call started it; else it was there already."""

    begun: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadKept:
    """What a kept command printed after `offset`. Answered by `KeptPart`."""

    place: Place
    name: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPart:
    """`text` is base64. `exit` is there once the command has ended; more text may follow."""

    text: str
    offset: int
    exit: Exit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopKept:
    """End a kept command: TERM, the grace, KILL. Answered by `Finished` once it has ended."""

    place: Place
    name: str
    grace_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetKept:
    """Its end was told: the name is free. Answered by `Finished`."""

    place: Place
    name: str
