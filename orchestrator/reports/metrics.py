"""The measures of a wave, from what the journal and git say. Pure."""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.core import facts as f
from orchestrator.core.facts import Fact
from orchestrator.git import Commit

TYPES_GATE = "types"

_ERRORS = re.compile(r"^Found (\d+) errors? in \d+ files?", re.MULTILINE)
_NO_ERRORS = re.compile(r"^Success: no issues found in \d+ source files?", re.MULTILINE)
_BREAKING_SUBJECT = re.compile(r"\w+(\([^)]*\))?!: ")
_BREAKING_FOOTER = re.compile(r"^BREAKING[ -]CHANGE: ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Happened:
    """A fact and when it was written down, in seconds since the epoch by the daemon's clock."""

    at: float
    fact: Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """`active_s` is each workstream's running time, over all launches; `wall_s` is from the first start
    to the last end, `duration_s` from the first start to the landing. None where nothing was launched.
    """

    active_s: Mapping[str, float] = field(default_factory=dict)
    wall_s: float | None = None
    duration_s: float | None = None

    @property
    def speed_up(self) -> float | None:
        """Over doing the workstreams one after another."""
        return sum(self.active_s.values()) / self.wall_s if self.wall_s else None


def timing(history: Sequence[Happened], names: Collection[str], landed_at: float) -> Timing:
    starts = [
        one.at for one in history if isinstance(one.fact, f.LaunchChosen) and one.fact.workstream in names
    ]
    ends = [(one.at, one.fact) for one in history if isinstance(one.fact, f.LaunchEnded)]
    ends = [(at, end) for at, end in ends if end.workstream in names]
    if not starts or not ends:
        return Timing()
    active = dict.fromkeys(names, 0.0)
    for _, end in ends:
        active[end.workstream] += end.elapsed_s
    first = min(starts)
    return Timing(active_s=active, wall_s=max(at for at, _ in ends) - first, duration_s=landed_at - first)


@dataclass(frozen=True, slots=True)
class TypeRun:
    """One run of the gate `types`; `subject` is None for the wave's own."""

    subject: str | None
    text: str


def type_errors(runs: Sequence[TypeRun]) -> tuple[int | None, int | None]:
    """Errors in the first run and in the last; of the wave's own gate where it has one, else of all together.

    None where no run was mypy's.
    """
    counts: dict[str | None, list[int]] = {}
    for run in runs:
        errors = mypy_errors(run.text)
        if errors is not None:
            counts.setdefault(run.subject, []).append(errors)
    measured = [counts[None]] if None in counts else list(counts.values())
    if not measured:
        return None, None
    return sum(found[0] for found in measured), sum(found[-1] for found in measured)


def mypy_errors(text: str) -> int | None:
    """What mypy's last line says; None where it says nothing."""
    found = _ERRORS.findall(text)
    if found:
        return int(found[-1])
    return 0 if _NO_ERRORS.search(text) else None


def conflicts(history: Iterable[Happened], wave: int) -> tuple[str, ...]:
    """Every conflict that a look at the wave met, once."""
    looks = (one.fact for one in history if isinstance(one.fact, f.WaveProposed))
    met = (words for look in looks if look.wave == wave for words in look.conflicts)
    return tuple(dict.fromkeys(met))


def breaking(commits: Iterable[Commit]) -> tuple[str, ...]:
    """Subjects of the commits that announce a breaking change, as Conventional Commits write it."""
    return tuple(
        commit.subject
        for commit in commits
        if _BREAKING_SUBJECT.match(commit.subject) or _BREAKING_FOOTER.search(commit.body)
    )


def is_test_file(path: str) -> bool:
    """What pytest collects by default."""
    name = path.rpartition("/")[2]
    return name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py"))


def added_tests(old: Iterable[str], new: Iterable[str]) -> int:
    """Test functions of the changed test files that none of them had before; a moved one is not new."""
    before, after = (Counter(name for text in texts for name in names_of_tests(text)) for texts in (old, new))
    return (after - before).total()


def names_of_tests(source: str) -> tuple[str, ...]:
    """Qualified names of pytest's functions and methods; none of a text that is no Python."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return tuple(_named(ast.parse(source).body, ""))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()


def _named(body: Sequence[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("test"):
                yield prefix + name
            case ast.ClassDef(name=name) if name.startswith("Test") or _is_unittest(node):
                yield from _named(node.body, f"{prefix}{name}.")


def _is_unittest(node: ast.ClassDef) -> bool:
    return any(ast.unparse(parent).rpartition(".")[2] == "TestCase" for parent in node.bases)
