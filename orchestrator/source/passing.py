"""Functions that hand on exactly what they are given."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator, Sequence

from orchestrator.source.liveness import FunctionNode
from orchestrator.source.naming import tail


def passes_through(
    node: FunctionNode, body: Sequence[ast.stmt], inputs: Sequence[str], imports: Container[str]
) -> bool:
    """One call with exactly the parameters, of what comes from elsewhere, and nothing done to its answer."""
    if not inputs and node.name != _called(body):
        return False
    match body:
        case [ast.Return(value=ast.Call() as call)] | [ast.Expr(value=ast.Call() as call)]:
            return list(_passed(call)) == list(inputs) and _is_elsewhere(call.func, imports)
        case [ast.Return(value=ast.Await(value=ast.Call() as call))]:
            return list(_passed(call)) == list(inputs) and _is_elsewhere(call.func, imports)
    return False


def _is_elsewhere(func: ast.expr, imports: Container[str]) -> bool:
    return isinstance(func, ast.Attribute) or (isinstance(func, ast.Name) and func.id in imports)


def _called(body: Sequence[ast.stmt]) -> str:
    value = getattr(body[0], "value", None) if len(body) == 1 else None
    return tail(value.func) if isinstance(value, ast.Call) else ""


def _passed(call: ast.Call) -> Iterator[str]:
    for argument in call.args:
        inner = argument.value if isinstance(argument, ast.Starred) else argument
        yield inner.id if isinstance(inner, ast.Name) else ""
    for keyword in call.keywords:
        yield keyword.value.id if isinstance(keyword.value, ast.Name) else ""
