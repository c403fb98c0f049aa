"""Tests that replace something, and assert no more than the answer that they gave it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from orchestrator.source.liveness import FunctionNode
from orchestrator.source.naming import tail
from orchestrator.source.nodes import walk

_MOCKS = {"Mock", "MagicMock", "AsyncMock", "create_autospec"}
_PLAIN = {
    "len",
    "list",
    "dict",
    "set",
    "str",
    "int",
    "float",
    "bool",
    "sorted",
    "isinstance",
    "tuple",
    "type",
}


def asserts_its_mock(test: FunctionNode) -> str:
    """What it replaced, when every assertion rests on the answers of that alone."""
    kept = dict(_kept(test))
    replaced = {one for node in walk(test) for one in _replaced(node, kept)}
    held = [n.test for n in walk(test) if isinstance(n, ast.Assert)] if replaced else []
    asked = [list(_asked(one, kept)) for one in held]
    hollow = asked and all(calls and all(_is_among(call, replaced) for call in calls) for calls in asked)
    return min(name for _, name in replaced) if hollow else ""


def _kept(test: FunctionNode) -> Iterator[tuple[str, ast.expr]]:
    for node in walk(test):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value


def _replaced(node: ast.AST, kept: Mapping[str, ast.expr]) -> Iterator[tuple[str, str]]:
    """Owner and name of what is given an answer: by `patch`, `monkeypatch` or a `Mock`."""
    match node:
        case ast.Call(func=func, args=[owner, ast.Constant(value=str(name)), *rest], keywords=keys) if tail(
            func
        ) in {"object", "setattr"}:
            fixed = bool(rest) and isinstance(rest[0], ast.Lambda) and isinstance(rest[0].body, ast.Constant)
            if fixed or _answers(keys):
                yield _owner(owner, kept), name
        case ast.Call(func=func, args=[ast.Constant(value=str(name))], keywords=keys) if tail(
            func
        ) == "patch" and _answers(keys):
            holder, _, last = name.rpartition(".")
            yield holder.rpartition(".")[2], last
        case ast.Assign(
            targets=[ast.Attribute(attr="return_value", value=ast.Attribute(attr=name, value=owner))]
        ):
            yield _owner(owner, kept), name
        case ast.Assign(
            targets=[ast.Attribute(attr=name, value=owner)], value=ast.Call(func=func, keywords=keys)
        ) if tail(func) in _MOCKS and _answers(keys):
            yield _owner(owner, kept), name


def _answers(keys: list[ast.keyword]) -> bool:
    return any(key.arg == "return_value" for key in keys)


def _owner(node: ast.expr, kept: Mapping[str, ast.expr]) -> str:
    """The class of an object where that can be seen, else what holds it, by its last name."""
    if isinstance(node, ast.Name) and isinstance(kept.get(node.id), ast.Call):
        node = kept[node.id]
    if isinstance(node, ast.Call) and not tail(node.func)[:1].isupper():
        return ""
    return tail(node.func if isinstance(node, ast.Call) else node)


def _asked(asserted: ast.expr, kept: Mapping[str, ast.expr]) -> Iterator[tuple[str, str]]:
    """The calls that one assertion rests on, also those of which a local name holds the answer."""
    parts: list[ast.AST] = [asserted]
    seen: set[str] = set()
    for node in parts:
        parts += ast.iter_child_nodes(node)
        if isinstance(node, ast.Name) and node.id in kept and node.id not in seen:
            seen.add(node.id)
            parts.append(kept[node.id])
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr=name)):
                yield _owner(owner, kept), name
            case ast.Call(func=ast.Name(id=name)) if not (name in _PLAIN or name[:1].isupper()):
                yield "", name


def _is_among(call: tuple[str, str], replaced: set[tuple[str, str]]) -> bool:
    owner, name = call
    return call in replaced or (not owner and any(n == name and o[:1].islower() for o, n in replaced))
