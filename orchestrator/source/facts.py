"""What is remembered of one Python file: enough for every check, without its syntax tree.

Named tuples, not dataclasses: ten thousand files are read back in a second, straight from `marshal`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

EDITION = 7
"""Raised when what is read out of a file changes: remembered facts of another edition are forgotten."""


class Kind(IntEnum):
    """What a function amounts to, read from its body alone."""

    REAL = 0
    STUB = 1
    CONSTANT = 2
    RANDOM = 3
    IDENTITY = 4
    ABSTRACT = 5
    FORWARDS = 6  # gives the answer of one other function, named in `target`
    CANNED = 7  # fixed texts, with the input pasted in or a keyword looked for


class Import(NamedTuple):
    """`target` is dotted, with leading dots where relative; `live` is False under `if False`."""

    name: str
    target: str
    line: int
    used: bool
    live: bool
    typing_only: bool


class Function(NamedTuple):
    """`acts`: it does something besides returning. `inputs`: how many parameters carry values."""

    name: str
    line: int
    kind: int
    found: str
    target: str
    acts: bool
    inputs: int
    passes_through: bool


class Class(NamedTuple):
    """`fields` counts attributes declared in the body. `stores`: its `__init__` keeps what it is given.

    `only_keeps`: it does no more than that, or than handing it to another constructor. `parts` are
    attributes and the classes of which they hold one. `remembers`: an answer depends on earlier calls;
    only asked of classes that follow something over time. `asks_given`: it calls what `__init__` was given.
    """

    name: str
    line: int
    bases: tuple[str, ...]
    methods: tuple[Function, ...]
    fields: int
    abstract: bool
    stores: bool
    only_keeps: bool
    decorated: bool
    parts: tuple[tuple[str, str], ...] = ()
    remembers: bool = True
    asks_given: bool = False


class Sign(NamedTuple):
    """One red flag that a file shows by itself. `symbol` says where, in names, for comparing versions."""

    rule: str
    line: int
    symbol: str
    found: str


class Allowance(NamedTuple):
    """A comment that allows a rule on its line and the next one."""

    rule: str
    line: int
    reason: str


class Facts(NamedTuple):
    """`fault` says why the file could not be read; then the rest is empty.

    `aliases` are module-level names for other names. `uses` are dotted names of what was imported and
    is used. `mentions` are words in strings that may name a class or module. `calls` are the last names
    of all that is called, `held_calls` of what is called on a part of something else.
    """

    fault: str = ""
    fault_line: int = 0
    imports: tuple[Import, ...] = ()
    classes: tuple[Class, ...] = ()
    functions: tuple[Function, ...] = ()
    aliases: tuple[tuple[str, str, int], ...] = ()
    exported: tuple[tuple[str, int], ...] = ()
    bound: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    held_calls: tuple[str, ...] = ()
    code_lines: int = 0
    is_program: bool = False
    is_generated: bool = False
    shape: str = ""
    shape_size: int = 0
    signs: tuple[Sign, ...] = ()
    allowances: tuple[Allowance, ...] = ()

    @property
    def defined(self) -> list[Class | Function]:
        """Classes and functions of the module itself."""
        return [*self.classes, *self.functions]


def packed(facts: Facts) -> tuple[object, ...]:
    """Plain tuples, as `marshal` takes them."""
    return tuple(_plain(value) for value in facts)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    return int(value) if isinstance(value, IntEnum) else value


def unpacked(fields: tuple[Any, ...]) -> Facts:
    facts = Facts._make(fields)
    classes = [Class._make((*one[:3], tuple(map(Function._make, one[3])), *one[4:])) for one in facts.classes]
    return facts._replace(
        imports=tuple(map(Import._make, facts.imports)),
        classes=tuple(classes),
        functions=tuple(map(Function._make, facts.functions)),
        signs=tuple(map(Sign._make, facts.signs)),
        allowances=tuple(map(Allowance._make, facts.allowances)),
    )
