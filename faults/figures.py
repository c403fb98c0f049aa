"""What a subject answers with: figures beside their aims, or what could not be run here and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from benchmarks.measuring import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRun:
    what: str
    why: str

    def document(self) -> dict[str, Any]:
        return {"what": self.what, "not_run": self.why}

    def row(self) -> tuple[str, ...]:
        return (self.what, f"not run: {self.why}", "", "", "", "")


Answer = Figure | NotRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`few` is the sample that tests take; `long` adds what lasts for an hour."""

    seed: int
    cuts: int = 1000
    hosts: int = 8
    namespaces: bool = False
    long: bool = False
    few: bool = False

    def random(self, subject: str) -> Random:
        return Random(f"{self.seed} {subject}")

    @property
    def poll_s(self) -> float | None:
        """Figures are of the product as it comes; tests look more often."""
        return 0.2 if self.few else None


Subject = Callable[[Options], Iterator[Answer]]


def none_of(what: str, found: int, of: int | None = None) -> Figure:
    """A count whose aim is zero."""
    said = what if of is None else f"{what} (of {of})"
    return Figure(what=said, ours=found, unit="", limit=0)


def all_of(what: str, missing: int, of: int) -> Figure:
    """How many of so many did not; the aim is that all do."""
    return none_of(f"not so: {what}", missing, of)


def within(what: str, seconds: float, limit: float) -> Figure:
    return Figure(what=what, ours=round(seconds, 2), unit="s", limit=limit)


def plain(what: str, value: float, unit: str = "") -> Figure:
    """What is worth knowing and was never promised."""
    return Figure(what=what, ours=round(value, 2), unit=unit)
