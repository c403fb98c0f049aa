"""The nodes of a syntax tree, walked once: what can run, what cannot, and what is only said of types."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrator.source.liveness import FunctionNode, is_typing, live, truth

N = TypeVar("N", bound=ast.AST)

_OWNERS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_BLOCKS = {"body", "orelse", "finalbody"}


@dataclass(slots=True)
class Nodes:
    """`kinds` holds what can run, by exact type; `dead` what cannot, `typing` what is for types only."""

    kinds: dict[type[ast.AST], list[ast.AST]] = field(default_factory=lambda: defaultdict(list))
    order: list[ast.AST] = field(default_factory=list)
    dead: list[ast.stmt] = field(default_factory=list)
    typing: list[ast.stmt] = field(default_factory=list)

    def of(self, kind: type[N]) -> Iterator[N]:
        yield from self.kinds.get(kind, ())  # type: ignore[misc]

    def functions(self) -> Iterator[FunctionNode]:
        yield from self.of(ast.FunctionDef)
        yield from self.of(ast.AsyncFunctionDef)

    def owners(self) -> Iterator[ast.Module | ast.ClassDef | FunctionNode]:
        """All that may have a docstring."""
        yield from self.of(ast.Module)
        yield from self.of(ast.ClassDef)
        yield from self.functions()


class _Fields(dict[type[ast.AST], tuple[str, ...]]):
    """The fields of each kind of node that may hold nodes, as far as they are wanted, in their order."""

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        super().__init__({ast.Constant: ()})
        self._wanted = wanted

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        self[kind] = fields = tuple(name for name in kind._fields if self._wanted(name))
        return fields


_PLAIN = {
    "ctx",
    "id",
    "attr",
    "arg",
    "asname",
    "module",
    "level",
    "kind",
    "type_comment",
    "conversion",
    "is_async",
}
_UNSORTED = {"annotation", "returns", "op", "pattern", "vararg", "kwarg"}
"""What is only said of types, and what the node that holds it tells."""

_holding = _Fields(lambda name: name not in _PLAIN)
_sorted = _Fields(lambda name: name not in _PLAIN | _UNSORTED)
_blocks = _Fields(lambda name: name in _BLOCKS | {"handlers", "cases"})


def fields_without(left_out: Iterable[str]) -> Mapping[type[ast.AST], tuple[str, ...]]:
    """By kind of node, the fields that may hold nodes, but for those left out."""
    unwanted = _PLAIN.union(left_out)
    return _Fields(lambda name: name not in unwanted)


def sort(tree: ast.Module) -> Nodes:
    found = Nodes()
    kinds, order = found.kinds, found.order
    order.append(tree)
    for node in order:
        kinds[node.__class__].append(node)
        held = node.__dict__
        for name in _sorted[node.__class__]:
            value = held.get(name)
            if value.__class__ is list:
                items = _running(value, found) if name in _BLOCKS else value
                order += [item for item in items if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                order.append(value)
    return found


def _held_by(node: ast.AST) -> list[ast.AST]:
    found: list[ast.AST] = []
    held = node.__dict__
    for name in _holding[node.__class__]:
        value = held.get(name)
        if value.__class__ is list:
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def walk(root: ast.AST) -> list[ast.AST]:
    """All nodes from here on, as `ast.walk` gives them but for `Load` and its like, and sooner."""
    found = [root]
    for node in found:
        found += _held_by(node)
    return found


def own(owner: ast.AST) -> list[ast.AST]:
    """The nodes within a function or module, without those of functions and classes in it."""
    found = _held_by(owner)
    for node in found:
        if not isinstance(node, _OWNERS):
            found += _held_by(node)
    return found


def statements(root: ast.AST) -> list[ast.AST]:
    """All statements within `root`, as `walk` gives them, without looking into their expressions."""
    found = [root]
    for node in found:
        for name in _blocks[node.__class__]:
            found += node.__dict__.get(name, ())
    return found[1:]


def running(root: ast.AST) -> list[ast.AST]:
    """All nodes from here on, without statements that can never run."""
    found = [root]
    for node in found:
        held = node.__dict__
        for name in _holding[node.__class__]:
            value = held.get(name)
            if value.__class__ is list:
                items = live(value) if name in _BLOCKS else value
                found += [item for item in items if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append(value)
    return found


def alike(a: object, b: object) -> bool:
    """Whether two expressions are the same, wherever they stand."""
    if a.__class__ is not b.__class__:
        return False
    if isinstance(a, ast.AST):
        return all(alike(getattr(a, name, None), getattr(b, name, None)) for name in a._fields)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(alike, a, b))
    return repr(a) == repr(b)


def _running(block: list[ast.stmt], found: Nodes) -> list[ast.stmt]:
    running = live(block)
    if len(running) != len(block) or any(a is not b for a, b in zip(running, block, strict=True)):
        kept = set(map(id, running))
        for statement in block:
            if id(statement) not in kept:
                _sort_dead(statement, kept, found)
    return running


def _sort_dead(statement: ast.stmt, kept: set[int], found: Nodes) -> None:
    if not isinstance(statement, ast.If) or truth(statement.test) is None:
        found.dead.append(statement)
        return
    never = statement.orelse if truth(statement.test) else statement.body
    (found.typing if is_typing(statement.test) else found.dead).extend(
        inner for inner in never if id(inner) not in kept
    )
