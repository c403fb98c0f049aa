"""A file's text with the bodies of some of its functions taken away: each raises instead of working."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.source.liveness import FUNCTIONS, FunctionNode, docstring
from orchestrator.source.naming import words_of
from orchestrator.source.nodes import walk
from orchestrator.source.parsing import Fault, parse

_HOUSEKEEPING = words_of(
    "__init__ __new__ __post_init__ __init_subclass__ __class_getitem__ __del__ __repr__ __str__ "
    "__eq__ __ne__ __hash__ __getattr__ __setattr__ __getstate__ __setstate__ __reduce__"
)
_CONSTRUCTS = words_of("__init__ __new__ __post_init__")
_GONE = "raise RuntimeError('this body was taken away, to see which test notices')"
_CONSTRUCTOR = f"def __init__(self, *arguments, **named):\n    {_GONE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A function, or a class: `methods` of it, or with `whole` all that is its work.

    Constructing an object proves nothing of it, so constructors and what they call stay, unless there is
    nothing else.
    """

    name: str
    methods: frozenset[str] = frozenset()
    whole: bool = True


def without_bodies(content: bytes, aims: Sequence[Aim]) -> str | None:
    """None for a file that cannot be read, or holds none of them."""
    module = parse(content)
    if isinstance(module, Fault):
        return None
    try:
        taken = sum(_taken(node, aim) for node in list(_outer(module.tree.body)) for aim in aims)
        return f"{ast.unparse(module.tree)}\n" if taken else None
    except RecursionError:
        return None


def _taken(node: ast.stmt, aim: Aim) -> int:
    if isinstance(node, ast.ClassDef) and node.name == aim.name:
        return _take_methods(node, aim)
    return _take(node) if isinstance(node, FUNCTIONS) and node.name == aim.name else 0


def _outer(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module or class itself, those in its `if`s, `try`s and `with`s too."""
    for statement in body:
        yield statement
        if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            continue
        for name in ("body", "orelse", "finalbody"):
            yield from _outer(getattr(statement, name, ()))
        for handler in getattr(statement, "handlers", ()):
            yield from _outer(handler.body)


def _take_methods(node: ast.ClassDef, aim: Aim) -> int:
    methods = [n for n in _outer(node.body) if isinstance(n, FUNCTIONS)]
    if aim.whole and not methods:
        node.body += ast.parse(_CONSTRUCTOR).body
        return 1
    names = {method.name for method in methods}
    chosen = set(aim.methods & names)
    if aim.whole:
        chosen |= names - _HOUSEKEEPING - _prepares(methods)
        chosen = chosen or names
    return sum(_take(method) for method in methods if method.name in chosen)


def _prepares(methods: Sequence[FunctionNode]) -> set[str]:
    """Methods that the constructor runs, by way of each other too."""
    calls = {method.name: set(_own_calls(method)) for method in methods}
    found: set[str] = set(_CONSTRUCTS & calls.keys())
    while more := {called for name in found for called in calls.get(name, ())} - found:
        found |= more
    return found


def _own_calls(method: FunctionNode) -> Iterator[str]:
    for node in walk(method):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name)):
                yield name


def _take(function: FunctionNode) -> int:
    said = docstring(function.body)
    function.body = [*([said] if said else []), *ast.parse(_GONE).body]
    return 1
