"""The nodes of a syntax tree, walked once: what can run, what cannot, and what is only said of types."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrator.source.liveness import FunctionNode, is_typing, live, truth

N = TypeVar("N", bound=ast.AST)

_BLOCKS = {"body", "orelse", "finalbody"}
_HOLDING = ("body", "orelse", "finalbody", "handlers", "cases")
_INNER = (ast.expr, ast.arguments)
_ANNOTATIONS = {"annotation", "returns"}


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


def sort(tree: ast.Module) -> Nodes:
    found = Nodes()
    todo: list[ast.AST] = [tree]
    for node in todo:
        found.kinds[type(node)].append(node)
        found.order.append(node)
        for name, value in node.__dict__.items():
            if value.__class__ is list:
                if name in _BLOCKS:
                    todo += _running(value, found)
                else:
                    todo += [item for item in value if isinstance(item, ast.AST)]
            elif (isinstance(value, ast.expr) and name not in _ANNOTATIONS) or isinstance(
                value, ast.arguments
            ):
                todo.append(value)
    return found


class _Holding(dict[type[ast.AST], tuple[str, ...]]):
    """The fields of each kind of node that may hold nodes."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        fields = tuple(name for name in kind._fields if name not in _PLAIN)
        self[kind] = () if kind is ast.Constant else fields
        return self[kind]


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
_holding = _Holding()


def walk(root: ast.AST) -> list[ast.AST]:
    """All nodes from here on, as `ast.walk` gives them but for `Load` and its like, and sooner."""
    found = [root]
    for node in found:
        held = node.__dict__
        for name in _holding[node.__class__]:
            value = held.get(name)
            if value.__class__ is list:
                found += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append(value)
    return found


def statements(root: ast.AST) -> list[ast.AST]:
    """All statements within `root`, in no order that matters, without looking into their expressions."""
    found: list[ast.AST] = []
    todo = [root]
    while todo:
        node = todo.pop()
        for name in _HOLDING:
            held = node.__dict__.get(name)
            if held.__class__ is list:
                todo += held
        found.append(node)
    return found[1:]


def running(root: ast.AST) -> list[ast.AST]:
    """All nodes from here on, without statements that can never run."""
    found = [root]
    for node in found:
        for name, value in node.__dict__.items():
            if value.__class__ is list:
                items = live(value) if name in _BLOCKS and not isinstance(node, ast.Lambda) else value
                found += [item for item in items if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append(value)
    return found


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
