"""Networks that run their layers on what they are given, and answer something else."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from orchestrator.source.facts import Sign
from orchestrator.source.flow import Ways, closure, content_of, ways_of
from orchestrator.source.liveness import FUNCTIONS, FunctionNode
from orchestrator.source.naming import dotted, tail, words_of
from orchestrator.source.nodes import walk
from orchestrator.source.parsing import Module

RULE = "redflags/discarded-work"

_ANSWERS = words_of(
    "forward encode decode extract extract_features embed predict detect features tokenize compress __call__"
)
_SIZES = words_of("shape dtype device ndim")
_ASKS_SIZE = words_of("size dim numel ndimension")
_LIKE = words_of("zeros_like ones_like empty_like full_like rand_like randn_like randint_like")
_NEW = words_of("new_zeros new_ones new_empty new_full new_tensor")


def signs(module: Module) -> Iterator[Sign]:
    for owner in module.nodes.of(ast.ClassDef):
        if any(tail(base) == "Module" for base in owner.bases):
            methods = {n.name: n for n in owner.body if isinstance(n, FUNCTIONS)}
            known = _made_at_first(methods.get("__init__"))
            for name in _ANSWERS & methods.keys():
                if how := _discards(methods[name], methods.keys(), known):
                    line = methods[name].lineno
                    yield Sign(RULE, line, f"{owner.name}.{name}", f"{owner.name}.{name} {how}")


def _discards(method: FunctionNode, own: Iterable[str], known: set[str]) -> str:
    layers = [call for n in walk(method) if (call := _layer_call(n)) and tail(call.func) not in own]
    needed = set(content_of(method))
    if not layers or not needed or _sees_all(method):
        return ""
    cut = _without_sizes(method)
    assert isinstance(cut, FUNCTIONS)
    ways = ways_of(cut)
    reached = closure(ways, ways.answers)
    held = {name for name in reached if name.startswith("self.")}
    if not ways.returns or ways.open or "self" in reached or needed & reached or held - known:
        return ""
    given = {n for call in layers for n in _given(ways, call)}
    if needed & closure(ways, given):
        return f"runs {dotted(layers[0].func)} on its input, and answers something else"
    if _only_copied_in_size(method, needed):
        return f"puts a blank of the same size in the place of {min(needed)}"
    return ""


def _layer_call(node: ast.AST) -> ast.Call | None:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"))) if node.args:
            return node
    return None


def _given(ways: Ways, call: ast.Call) -> set[str]:
    names = {n.id for a in call.args for n in walk(a) if isinstance(n, ast.Name)}
    stages = {stage for stage in ways.sources if stage.partition("@")[0] in names}
    return names | stages


def _made_at_first(init: FunctionNode | None) -> set[str]:
    """Attributes that hold weights, layers or numbers: no place where a hook leaves what it saw."""
    found: set[str] = set()
    for node in walk(init) if init is not None else ():
        match node:
            case ast.Assign(targets=targets, value=value) if not isinstance(value, (ast.Dict, ast.List)):
                if not (isinstance(value, ast.Constant) and value.value is None):
                    found |= {dotted(t) for t in targets if isinstance(t, ast.Attribute)}
            case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]) if tail(func).startswith(
                "register_"
            ):
                found.add(f"self.{name}")
    return found


def _sees_all(method: FunctionNode) -> bool:
    """`super().forward(x)`, or the object handed on: what comes of that is not known."""
    for node in walk(method):
        match node:
            case ast.Call(func=ast.Name(id="super" | "getattr" | "vars")) | ast.Yield() | ast.YieldFrom():
                return True
            case ast.Call(args=args) if any(isinstance(a, ast.Name) and a.id == "self" for a in args):
                return True
    return False


def _only_copied_in_size(method: FunctionNode, needed: set[str]) -> bool:
    blank = [n for n in walk(method) if isinstance(n, ast.Call) and tail(n.func) in _LIKE]
    copied = {a.id for call in blank for a in call.args[:1] if isinstance(a, ast.Name)}
    return needed <= copied


def _without_sizes(node: ast.AST) -> ast.AST:
    """A copy in which how large a value is says nothing of it, and attributes are names of their own."""
    match node:
        case ast.Attribute(attr=attr) if attr in _SIZES:
            return _one(node)
        case ast.Attribute(value=ast.Name(id="self"), attr=attr, ctx=ctx):
            return ast.copy_location(ast.Name(id=f"self.{attr}", ctx=ctx), node)
        case ast.Call(func=func) if _asks_size(func):
            return _one(node)
    made = node.__class__.__new__(node.__class__)
    for name, value in node.__dict__.items():
        if value.__class__ is list:
            made.__dict__[name] = [_without_sizes(v) if isinstance(v, ast.AST) else v for v in value]
        else:
            made.__dict__[name] = _without_sizes(value) if isinstance(value, ast.AST) else value
    return made


def _asks_size(func: ast.expr) -> bool:
    name = tail(func)
    if name in _ASKS_SIZE:
        return isinstance(func, ast.Attribute)
    return name in _LIKE or name in _NEW or (name == "len" and isinstance(func, ast.Name))


def _one(node: ast.expr) -> ast.Constant:
    return ast.copy_location(ast.Constant(value=1), node)
