"""Functions that hand on exactly what they are given."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from orchestrator.source.liveness import FunctionNode
from orchestrator.source.naming import tail


def passes_through(node: FunctionNode, body: Sequence[ast.stmt], inputs: Sequence[str]) -> bool:
    """One call with exactly the parameters, and nothing done to its answer."""
    if not inputs and node.name != _called(body):
        return False
    match body:
        case [ast.Return(value=ast.Call() as call)] | [ast.Expr(value=ast.Call() as call)]:
            return list(_passed(call)) == list(inputs) and isinstance(call.func, ast.Attribute)
        case [ast.Return(value=ast.Await(value=ast.Call() as call))]:
            return list(_passed(call)) == list(inputs) and isinstance(call.func, ast.Attribute)
    return False


def _called(body: Sequence[ast.stmt]) -> str:
    value = getattr(body[0], "value", None) if len(body) == 1 else None
    return tail(value.func) if isinstance(value, ast.Call) else ""


def _passed(call: ast.Call) -> Iterator[str]:
    for argument in call.args:
        inner = argument.value if isinstance(argument, ast.Starred) else argument
        yield inner.id if isinstance(inner, ast.Name) else ""
    for keyword in call.keywords:
        yield keyword.value.id if isinstance(keyword.value, ast.Name) else ""
