"""Which statements can run at all: nothing after a `return`, nothing under `if False`."""

from __future__ import annotations

import ast
from collections.abc import Sequence

_ENDS = (ast.Return, ast.Raise, ast.Break, ast.Continue)
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def truth(test: ast.expr) -> bool | None:
    """What a condition always comes to; None when that depends."""
    match test:
        case ast.Constant(value=value):
            return bool(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = truth(operand)
            return None if inner is None else not inner
        case ast.Tuple(elts=[]) | ast.List(elts=[]) | ast.Dict(keys=[]):
            return False
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return False
        case ast.Compare(left=ast.Constant(value=a), ops=[ast.Eq()], comparators=[ast.Constant(value=b)]):
            return bool(a == b)
        case ast.BoolOp(op=ast.And(), values=values) if any(truth(v) is False for v in values):
            return False
        case ast.BoolOp(op=ast.Or(), values=values) if any(truth(v) is True for v in values):
            return True
    return None


def live(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The statements of one block that can run, with decided `if`s replaced by what runs of them."""
    found: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.If) and (decided := truth(statement.test)) is not None:
            found += live(statement.body if decided else statement.orelse)
        elif not (isinstance(statement, ast.While) and truth(statement.test) is False):
            found.append(statement)
        if found and isinstance(found[-1], _ENDS):
            break
    return found


def is_typing(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def docstring(body: Sequence[ast.stmt]) -> ast.Expr | None:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())) as first, *_]:
            return first
    return None
