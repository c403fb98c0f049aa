"""A plan as it was written: plain values, each with its place in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Union

from orchestrator.plan_file.problems import Problem, quoted

Step = str | int
Place = tuple[Step, ...]
Tree = Union[str, "Unquoted", list["Tree"], dict[str, "Tree"]]


@dataclass(frozen=True, slots=True)
class Unquoted:
    """A scalar that YAML does not read as text; `value` is None where no key may hold it."""

    raw: str
    kind: str
    value: bool | int | float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Marks:
    """Where a value stands, and the key (or list item) it belongs to."""

    key: Mark
    value: Mark


@dataclass(frozen=True, slots=True)
class Source:
    path: Path
    root: dict[str, Tree]
    marks: Mapping[Place, Marks] = field(repr=False)

    def problem(self, place: Place, message: str) -> Problem:
        """A problem with the value at `place`, or with the nearest one around it."""
        mark = self._marks(place).value
        return Problem(self.path, mark.line, mark.column, message)

    def key_problem(self, place: Place, message: str) -> Problem:
        mark = self._marks(place).key
        return Problem(self.path, mark.line, mark.column, message)

    def key_mark(self, place: Place) -> Mark:
        return self._marks(place).key

    def line(self, place: Place) -> int:
        return self._marks(place).key.line

    def _marks(self, place: Place) -> Marks:
        while place not in self.marks:
            place = place[:-1]
        return self.marks[place]


def found(value: object) -> str:
    match value:
        case Unquoted(kind="nothing"):
            return "nothing here"
        case Unquoted():
            return f"{quoted(value.raw)} is {value.kind} in YAML"
        case str():
            return f"{quoted(value)} is text"
        case list():
            return "found a list"
        case _:
            return "found a mapping"


def mapping(value: Tree | None) -> dict[str, Tree]:
    """The value, or nothing where the file holds something else: shape is reported elsewhere."""
    return value if isinstance(value, dict) else {}


def items(place: Place, value: Tree | None) -> Iterator[tuple[Place, Tree]]:
    """The items of a list, or the one value that stands for it."""
    if isinstance(value, list):
        yield from (((*place, index), item) for index, item in enumerate(value))
    elif value is not None:
        yield place, value


def plain(value: Tree) -> object:
    """The value as YAML means it, without our marks of how it was written."""
    match value:
        case Unquoted():
            return value.value
        case list():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case _:
            return value
