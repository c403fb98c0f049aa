"""Networks that are built and never run: `forward` uses none of the layers that `__init__` makes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orchestrator.source.facts import Sign
from orchestrator.source.liveness import FunctionNode, docstring, live
from orchestrator.source.naming import dotted, tail
from orchestrator.source.nodes import walk
from orchestrator.source.parsing import Module

RULE = "redflags/unused-layers"

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_RUNS_ALL = {"children", "modules", "named_children", "named_modules", "parameters", "_modules", "__dict__"}
_NO_LAYERS = {"Identity", "Size", "Generator", "device"}


def signs(module: Module) -> Iterator[Sign]:
    for owner in module.nodes.of(ast.ClassDef):
        if any("Module" in dotted(base) for base in owner.bases):
            yield from _of_class(owner)


def _of_class(owner: ast.ClassDef) -> Iterator[Sign]:
    methods = {n.name: n for n in owner.body if isinstance(n, _FUNCTIONS)}
    forward, init = methods.get("forward"), methods.get("__init__")
    if forward is None or init is None or not _works(forward):
        return
    layers = list(dict.fromkeys(_layers(init)))
    others = [method for name, method in methods.items() if name != "__init__"]
    if layers and not any(_may_run(method, set(layers)) for method in others):
        listed = ", ".join(layers[:3])
        yield Sign(RULE, forward.lineno, owner.name, f"{owner.name} builds {listed}, and never runs them")


def _layers(init: FunctionNode) -> Iterator[str]:
    for node in walk(init):
        match node:
            case ast.Assign(targets=targets, value=ast.Call(func=func)) if _is_layer(func):
                for target in targets:
                    if isinstance(target, ast.Attribute) and dotted(target.value) == "self":
                        yield target.attr


def _is_layer(func: ast.expr) -> bool:
    root, _, rest = dotted(func).partition(".")
    return (
        root in {"nn", "torch"} and tail(func)[:1].isupper() and bool(rest) and tail(func) not in _NO_LAYERS
    )


def _may_run(method: FunctionNode, layers: set[str]) -> bool:
    """One of the layers is named, or all could be reached without their names."""
    for node in walk(method):
        match node:
            case ast.Attribute(attr=attr) if attr in layers or attr in _RUNS_ALL:
                return True
            case ast.Call(func=ast.Name(id="getattr" | "vars" | "super")):
                return True
            case ast.Name(id="self", ctx=ast.Load()) if _hands_itself_on(method, node):
                return True
    return False


def _hands_itself_on(method: FunctionNode, node: ast.Name) -> bool:
    """`helper(self, x)`: what that does with it is not known."""
    calls = (n for n in walk(method) if isinstance(n, ast.Call))
    return any(node is a for call in calls for a in (*call.args, *(k.value for k in call.keywords)))


def _works(forward: FunctionNode) -> bool:
    body = live(forward.body[1:] if docstring(forward.body) else forward.body)
    return not all(isinstance(s, (ast.Pass, ast.Raise, ast.Expr)) for s in body)
