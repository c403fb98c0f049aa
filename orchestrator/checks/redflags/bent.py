"""Metrics that were measured, and then bent: held above a floor, or given something on top."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain

from orchestrator.checks.redflags.metrics import is_metric
from orchestrator.source.facts import Sign
from orchestrator.source.naming import tail, words, words_of
from orchestrator.source.nodes import Nodes, alike, statements, walk
from orchestrator.source.parsing import Module

RULE = "redflags/made-up-metric"

_GOOD = words_of("accuracy acc f1 precision recall auc iou psnr ssim bleu purity map dice rate")
_BAD = words_of("mse mae rmse error perplexity mape")
_LEAST, _MOST = 0.1, 1.0
"""Floors outside of these only keep a number finite, or within its range."""


def signs(module: Module) -> Iterator[Sign]:
    for name, value in _metrics_in(module.nodes):
        if how := _bent(name, value):
            yield Sign(RULE, value.lineno, name, f"{name} {how}: {ast.unparse(value)[:60]}")


def _metrics_in(nodes: Nodes) -> Iterator[tuple[str, ast.expr]]:
    """What is answered or kept under a metric's name."""
    for function in nodes.functions():
        if _is_measured(function.name):
            returns = (n.value for n in statements(function) if isinstance(n, ast.Return))
            yield from ((function.name, value) for value in returns if value is not None)
    for node in chain(nodes.of(ast.Assign), nodes.of(ast.Dict), nodes.of(ast.keyword)):
        match node:
            case ast.Assign(targets=targets, value=value):
                yield from ((n, value) for t in targets if _is_measured(n := _label(t)))
            case ast.Dict(keys=keys, values=values):
                pairs = zip(keys, values, strict=True)
                yield from ((n, v) for k, v in pairs if _is_measured(n := _text(k)))
            case ast.keyword(arg=str(name), value=value) if _is_measured(name):
                yield name, value


@lru_cache(maxsize=50_000)
def _is_measured(name: str) -> bool:
    return bool((_GOOD | _BAD) & set(words(name))) and is_metric(name)


def _label(target: ast.expr) -> str:
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key
    return ""


def _text(key: ast.expr | None) -> str:
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""


def _bent(name: str, value: ast.expr) -> str:
    value = _unwrapped(value)
    good = bool(_GOOD & set(words(name)))
    match value:
        case ast.Call(func=func, args=args) if tail(func) in {"max", "maximum"} and good:
            return "is never below a number written here" if _between(args) and len(args) == 2 else ""
        case ast.Call(func=func, args=args) if tail(func) in {"min", "minimum"} and not good:
            return "is never above a number written here" if _between(args) and len(args) == 2 else ""
        case ast.Call(func=func, args=[*_, low, high]) if tail(func) in {"clip", "clamp"}:
            return "is held in a range written here" if _between([low] if good else [high]) else ""
        case ast.IfExp(test=ast.Compare(), body=body, orelse=orelse):
            return "is replaced by a number written here" if _replaced(value.test, body, orelse) else ""
        case ast.BinOp(op=ast.Add(), left=left, right=right) if good:
            return "is raised by a number written here" if _between([left, right], 0.01) else ""
        case ast.BinOp(op=ast.Mult(), left=left, right=right) if not good and _between([left, right]):
            return "" if 0.5 in (_number(left), _number(right)) else "is scaled by a number written here"
    return ""


def _unwrapped(value: ast.expr) -> ast.expr:
    """Rounding, and turning into a float, change no meaning."""
    if isinstance(value, ast.IfExp) and _number(value.orelse) in (0.0, 1.0):
        value = value.body
    while isinstance(value, ast.Call) and value.args and tail(value.func) in {"round", "float"}:
        value = value.args[0]
    return value


def _replaced(test: ast.expr, body: ast.expr, orelse: ast.expr) -> bool:
    """`acc if acc > 0.9 else 0.93`: one way is a number, the other what the test looks at."""
    for number, other in ((body, orelse), (orelse, body)):
        if (_between([number]) or _is_raised(number)) and _number(other) is None:
            return any(alike(other, n) for n in walk(test)) and _between(walk(test))
    return False


def _is_raised(value: ast.expr) -> bool:
    """`0.9 + share / 100`"""
    match value:
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return _between([left, right])
    return False


def _between(nodes: Iterable[ast.AST], least: float = _LEAST) -> bool:
    return any(least <= number < _MOST for n in nodes if (number := _number(n)) is not None)


def _number(node: ast.AST) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, float):
        return node.value
    return None
