"""Commands that a check has run for it in clean checkouts, on the host where the commit's gates run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class NoVerdict(Exception):
    """What had to be run could not be. `is_red`: that is the commit's own fault, as a failing set-up is."""

    def __init__(self, message: str, *, is_red: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.is_red = is_red


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One command on `commit`, with `paths` as `source` has them laid over it, and files of these `texts`.

    `wanted` are files that it leaves in the folder `ORCHESTRATOR_OUT`. What it came to is remembered for
    as long as nothing that it sees changes: a failure only where `keeps_failures` says so.
    """

    name: str
    command: str
    commit: str
    source: str | None = None
    paths: tuple[str, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)
    wanted: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    keeps_failures: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`tail` is the end of the output. `log` is a path on the host."""

    exit_code: int | None
    timed_out: bool
    tail: str
    log: str | None = None
    changed: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)


class Trials(Protocol):
    """Where commands run."""

    def run(self, trial: Trial) -> Outcome:
        """Run it, or say what it came to before. Blocks.

        Raises:
            NoVerdict: the set-up failed, or something outside the command did.
            HostUnreachable: the host does not answer.
        """
