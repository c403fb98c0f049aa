"""What is wrong with a plan, where it stands, and how it is said."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ExitStatus, OrchestratorError

# Longer lists and texts hide what the line is about; the end of a path is what matters in it.
_NAMES_SHOWN = 40
_LETTERS_SHOWN = 60
PATH_LETTERS = 4096


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Lines and columns count from 1, columns in characters."""

    path: Path
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


class PlanErrors(OrchestratorError):
    """The plan cannot be used: edit it. Holds every problem found, in the order of the file."""

    exit_status = ExitStatus.USAGE

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def quoted(text: str, letters: int = _LETTERS_SHOWN) -> str:
    """The text on one line, in quotes, cut when long."""
    cut = text if len(text) <= letters else text[:letters] + "…"
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return f"'{plain}'"


def unknown(kind: str, name: str, known: Iterable[str], label: str = "known") -> str:
    """Say that `name` is not among `known`, and which of them is nearest."""
    names = sorted(known)
    listed = ", ".join(names[:_NAMES_SHOWN]) + (", …" if len(names) > _NAMES_SHOWN else "")
    message = f"unknown {kind} {quoted(name)}; {label}: {listed or 'none'}"
    close = nearest(name, names)
    return f"{message}; did you mean {quoted(close)}?" if close else message


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    folded = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name[:_LETTERS_SHOWN].lower(), folded, n=1, cutoff=cutoff)
    return folded[close[0]] if close else None
