"""Tests that cannot fail: nothing is asserted, or what is asserted always holds, or its failure is caught."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from orchestrator.checks.redflags.mocked import asserts_its_mock
from orchestrator.source.facts import Sign
from orchestrator.source.liveness import FunctionNode, docstring, live
from orchestrator.source.naming import tail, words
from orchestrator.source.nodes import alike, walk
from orchestrator.source.parsing import Module

RULE = "redflags/hollow-test"

_CHECKS = {"assert", "raises", "warns", "fail", "check", "expect", "verify", "should", "ensure", "approx"}
_CHECKS |= {"compare", "benchmark", "validate", "equal", "match", "exit", "approve", "gradcheck", "doctest"}
_SMOKE = {"smoke", "sanity", "import", "imports", "importable", "runs", "builds", "constructs", "raise"}
_SMOKE |= {"instantiates", "starts", "loads", "compiles", "without", "crash", "crashes", "help"}
_CATCHES = {"Exception", "BaseException", "AssertionError", ""}


def signs(module: Module) -> Iterator[Sign]:
    tests = [f for f in module.nodes.functions() if f.name.startswith("test_") and not _is_marked(f)]
    silent = [test for test in tests if not _checks(test)]
    for test in module.nodes.functions():
        if test.name.startswith("test_") and (patched := asserts_its_mock(test)):
            yield Sign(
                RULE, test.lineno, test.name, f"{test.name} replaces {patched}, and asserts what it put there"
            )
    for test in tests:
        if how := _hollow(test):
            yield Sign(RULE, test.lineno, test.name, f"{test.name} {how}")
        elif len(silent) == len(tests) > 1 and not _is_smoke(module, test):
            text = f"{test.name} asserts nothing, and no other test of the file does"
            yield Sign(RULE, test.lineno, test.name, text)


def _is_smoke(module: Module, test: FunctionNode) -> bool:
    """It says that it only tries whether something can be done at all: that it does not raise."""
    first = docstring(module.tree.body)
    said = str(first.value.value) if first is not None and isinstance(first.value, ast.Constant) else ""
    return bool(_SMOKE & {*words(test.name), *words(said.replace(" ", "_"))})


def _is_marked(test: FunctionNode) -> bool:
    """Skipped, or written by something else: that is said elsewhere."""
    return any(
        tail(d.func if isinstance(d, ast.Call) else d) not in {"parametrize", "asyncio", "slow"}
        for d in test.decorator_list
    )


def _checks(test: FunctionNode) -> bool:
    for node in walk(test):
        if isinstance(node, (ast.Assert, ast.Raise)):
            return True
        if isinstance(node, ast.Call) and _CHECKS & set(words(tail(node.func))):
            return True
    return False


def _hollow(test: FunctionNode) -> str:
    body = live(test.body[1:] if docstring(test.body) else test.body)
    if all(
        isinstance(s, ast.Pass) or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        for s in body
    ):
        return "does nothing"
    held = [n for n in walk(test) if isinstance(n, ast.Assert)]
    same = _aliases(test)
    if held and all(_always(n.test) or _is_itself(n.test, same) for n in held) and not _calls_checks(test):
        return f"only asserts what always holds: {ast.unparse(held[0].test)[:50]}"
    caught = list(_caught(body))
    if held and len(caught) == len(held) and not _calls_checks(test):
        return "catches the failure of its own assertions"
    return ""


def _calls_checks(test: FunctionNode) -> bool:
    calls = (n for n in walk(test) if isinstance(n, ast.Call))
    return any(_CHECKS & set(words(tail(call.func))) for call in calls)


def _caught(body: Sequence[ast.stmt]) -> Iterator[ast.Assert]:
    for node in (n for statement in body for n in walk(statement)):
        if isinstance(node, ast.Try) and any(_swallows(h) for h in node.handlers):
            yield from (n for s in node.body for n in walk(s) if isinstance(n, ast.Assert))


def _swallows(handler: ast.ExceptHandler) -> bool:
    kind = handler.type
    caught = [tail(k) for k in kind.elts] if isinstance(kind, ast.Tuple) else [tail(kind) if kind else ""]
    ends = any(isinstance(n, (ast.Raise, ast.Assert)) for s in handler.body for n in walk(s))
    calls = {tail(n.func) for s in handler.body for n in walk(s) if isinstance(n, ast.Call)}
    return (
        bool(_CATCHES & set(caught))
        and not ends
        and calls <= {"print", "debug", "info", "warning", "skip", "xfail"}
    )


def _always(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return bool(value)
        case ast.Tuple(elts=[_, *_]):
            return True
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(map(_always, values))
        case ast.BoolOp(op=ast.And(), values=values):
            return all(map(_always, values))
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is() | ast.GtE() | ast.LtE()], comparators=[right]):
            return alike(left, right) and not any(isinstance(n, ast.Call) for n in walk(left))
        case ast.Compare(left=left, ops=[ast.GtE()], comparators=[ast.Constant(value=0)]):
            return _is_a_size(left)
        case ast.Compare(left=left, ops=[ast.Gt()], comparators=[ast.UnaryOp(op=ast.USub())]):
            return _is_a_size(left)
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, ast.Name(id="object")]):
            return True
    return False


def _aliases(test: FunctionNode) -> dict[str, str]:
    """Names that are only ever another name for something."""
    given: dict[str, list[ast.expr]] = {}
    for node in walk(test):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            given.setdefault(node.targets[0].id, []).append(node.value)
    return {
        name: values[0].id
        for name, values in given.items()
        if len(values) == 1 and isinstance(values[0], ast.Name)
    }


def _is_itself(node: ast.expr, same: dict[str, str]) -> bool:
    """`expected = result`, and then `assert result == expected`."""
    match node:
        case ast.Compare(left=ast.Name(id=a), ops=[ast.Eq() | ast.Is()], comparators=[ast.Name(id=b)]):
            return same.get(a, a) == same.get(b, b)
    return False


def _is_a_size(node: ast.expr) -> bool:
    """Never less than nothing, whatever it is the size of."""
    match node:
        case ast.Call(func=func):
            return tail(func) in {"len", "size", "numel", "abs", "dim", "norm"}
        case ast.Subscript(value=ast.Attribute(attr="shape")) | ast.Attribute(attr="size" | "ndim"):
            return True
    return False
