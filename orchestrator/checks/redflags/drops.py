"""Decorators that put something else in the place of what they decorate, and never call it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orchestrator.source.facts import Sign
from orchestrator.source.liveness import FUNCTIONS, FunctionNode
from orchestrator.source.naming import tail
from orchestrator.source.nodes import walk
from orchestrator.source.parsing import Module

RULE = "redflags/dropped-function"


def signs(module: Module) -> Iterator[Sign]:
    for function in module.nodes.functions():
        taken = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        for inner in [n for n in function.body if isinstance(n, FUNCTIONS)] if len(taken) == 1 else []:
            if _stands_in(inner, taken[0]) and not _uses(function, inner, taken[0]) and not _refuses(inner):
                text = f"@{function.name} never calls the function it decorates"
                yield Sign(RULE, function.lineno, function.name, text)


def _stands_in(inner: FunctionNode, taken: str) -> bool:
    """`@wraps(function)`: it says itself that it is that function."""
    wraps = (d for d in inner.decorator_list if isinstance(d, ast.Call) and tail(d.func) == "wraps")
    return any(isinstance(a, ast.Name) and a.id == taken for call in wraps for a in call.args)


def _uses(function: FunctionNode, inner: FunctionNode, taken: str) -> bool:
    said = {id(n) for d in inner.decorator_list for n in walk(d)}
    return any(
        isinstance(n, ast.Name) and n.id == taken and isinstance(n.ctx, ast.Load) and id(n) not in said
        for statement in function.body
        for n in walk(statement)
    )


def _refuses(inner: FunctionNode) -> bool:
    """It only says that the function cannot be had."""
    return any(isinstance(n, ast.Raise) for n in inner.body) or any(
        isinstance(n, ast.Call) and tail(n.func) in {"skip", "fail", "exit"} for n in walk(inner)
    )
