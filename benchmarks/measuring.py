"""Medians, ratios against a baseline of the same run, and the machine they were measured on."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of a report. `baseline` is what `ours` is a ratio of, in the same unit.

    `limit` is the most the target allows: of the ratio when `of_ratio`, else of our own value.
    """

    what: str
    ours: float
    unit: str
    baseline: float | None = None
    limit: float | None = None
    of_ratio: bool = False

    @property
    def ratio(self) -> float | None:
        return None if not self.baseline else self.ours / self.baseline

    @property
    def met(self) -> bool | None:
        """None where nothing was promised."""
        judged = self.ratio if self.of_ratio else self.ours
        return None if self.limit is None or judged is None else judged <= self.limit

    def document(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "unit": self.unit,
            "ours": round(self.ours, 6),
            "baseline": self.baseline and round(self.baseline, 6),
            "ratio": self.ratio and round(self.ratio, 4),
            "limit": self.limit,
            "limit_is_of": None if self.limit is None else "ratio" if self.of_ratio else "ours",
            "met": self.met,
        }

    def row(self) -> tuple[str, ...]:
        return (
            self.what,
            f"{_number(self.ours)} {self.unit}",
            "" if self.baseline is None else f"{_number(self.baseline)} {self.unit}",
            "" if self.ratio is None else f"{self.ratio:.2f}",
            self._target(),
            {None: "", True: "yes", False: "NO"}[self.met],
        )

    def _target(self) -> str:
        if self.limit is None:
            return ""
        return f"≤ {self.limit:g} ×" if self.of_ratio else f"≤ {self.limit:g} {self.unit}"


HEADINGS = ("what", "ours", "baseline", "ratio", "target", "met")


class Row(Protocol):
    def row(self) -> tuple[str, ...]: ...


def table(figures: Iterable[Row]) -> str:
    """The figures as a Markdown table, aligned for a terminal too."""
    rows = [HEADINGS, *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def seconds(act: Callable[[], object]) -> float:
    """The wall time of `act`."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def interleaved(runs: int, *measurements: Callable[[], T]) -> tuple[list[T], ...]:
    """Each measurement's results over `runs` rounds; every other round goes backwards through them."""
    results: tuple[list[T], ...] = tuple([] for _ in measurements)
    for number in range(runs):
        order = list(zip(measurements, results, strict=True))
        for measure, found in order if number % 2 == 0 else reversed(order):
            found.append(measure())
    return results


def machine(folder: Path) -> dict[str, Any]:
    """What the figures depend on; `folder` is where the repositories lie."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "filesystem": _said("df", "--output=fstype", str(folder)).split()[-1],
        "python": platform.python_version(),
        "git": _said("git", "--version").removeprefix("git version "),
        "tmux": _said("tmux", "-V").removeprefix("tmux "),
    }


def load() -> float:
    """How many processes wanted a core during the last minute."""
    return round(os.getloadavg()[0], 1)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def _number(value: float) -> str:
    if value == int(value) and value < 10_000:
        return str(int(value))
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def described(values: Sequence[float]) -> str:
    """The range behind a median, for the notes under a table."""
    return f"{_number(min(values))}–{_number(max(values))}"
