"""Networks that are built and never run: nothing in the file names a layer that `__init__` makes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orchestrator.source.facts import Sign
from orchestrator.source.liveness import FUNCTIONS, FunctionNode, docstring, live
from orchestrator.source.naming import dotted, tail, words_of
from orchestrator.source.nodes import walk
from orchestrator.source.parsing import Module

RULE = "redflags/unused-layers"

_RUNS_ALL = {"children", "modules", "named_children", "named_modules", "_modules", "__dict__"}
_COUNTS = words_of("parameters named_parameters zero_grad state_dict")
_SETS = words_of("train eval to cuda cpu half float requires_grad_ zero_grad")
"""What these answer is the layer itself: it may be run on the same line."""
_LEARNED = words_of(
    """
    Linear Bilinear Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Embedding
    EmbeddingBag LSTM GRU RNN MultiheadAttention Transformer TransformerEncoder TransformerDecoder
    TransformerEncoderLayer TransformerDecoderLayer Sequential ModuleList ModuleDict LazyLinear
    """
)


def signs(module: Module) -> Iterator[Sign]:
    if not any(tail(base) == "Module" for owner in module.nodes.of(ast.ClassDef) for base in owner.bases):
        return
    touched = {id(n) for n in _touched(module)}
    loads = (n for n in module.nodes.of(ast.Attribute) if isinstance(n.ctx, ast.Load))
    named = {n.attr for n in loads if id(n) not in touched}
    texts = {n.value for n in module.nodes.of(ast.Constant) if isinstance(n.value, str) and len(n.value) < 60}
    for owner in module.nodes.of(ast.ClassDef):
        if owner.bases and all(tail(base) == "Module" for base in owner.bases):
            yield from _of_class(owner, named | texts)


def _touched(module: Module) -> Iterator[ast.expr]:
    """Layers that are only set to a mode, moved or counted: nothing is put through them."""
    for held in module.nodes.of(ast.Attribute):
        if held.attr in _COUNTS:
            yield held.value
    for statement in module.nodes.of(ast.Expr):
        if (held_there := _is_set(statement)) is not None:
            yield held_there
    for loop in module.nodes.of(ast.For):
        match loop:
            case ast.For(target=ast.Name(id=name), iter=ast.Tuple(elts=items) | ast.List(elts=items)):
                inner = [n for s in loop.body for n in walk(s)]
                idle = [_is_set(n) for n in inner if isinstance(n, ast.Expr)]
                uses = [n for n in inner if isinstance(n, ast.Name) and n.id == name]
                if uses and all(any(use is one for one in idle) for use in uses):
                    yield from items


def _is_set(statement: ast.Expr) -> ast.expr | None:
    match statement.value:
        case ast.Call(func=ast.Attribute(value=held, attr=attr)) if attr in _SETS:
            return held
    return None


def _of_class(owner: ast.ClassDef, named: set[str]) -> Iterator[Sign]:
    """`named` are all attributes that the file reads: others may run the layers of a base class."""
    methods = {n.name: n for n in owner.body if isinstance(n, FUNCTIONS)}
    init = methods.get("__init__")
    others = [method for name, method in methods.items() if name != "__init__" and _works(method)]
    layers = list(dict.fromkeys(_layers(init))) if init is not None and others else []
    idle = [layer for layer in layers if layer not in named]
    if idle and not any(_may_run_all(method) for method in methods.values()):
        listed = ", ".join(idle[:3])
        yield Sign(
            RULE, others[0].lineno, owner.name, f"{owner.name} builds {listed}, and never runs what it built"
        )


def _layers(init: FunctionNode) -> Iterator[str]:
    for node in walk(init):
        match node:
            case ast.Assign(targets=targets, value=ast.Call(func=func)) if _is_layer(func):
                for target in targets:
                    if isinstance(target, ast.Attribute) and dotted(target.value) == "self":
                        yield target.attr


def _is_layer(func: ast.expr) -> bool:
    root, _, rest = dotted(func).partition(".")
    return root in {"nn", "torch"} and bool(rest) and tail(func) in _LEARNED


def _may_run_all(method: FunctionNode) -> bool:
    """All layers could be reached without their names."""
    for node in walk(method):
        match node:
            case ast.Attribute(attr=attr) if attr in _RUNS_ALL:
                return True
            case ast.Call(func=ast.Name(id="getattr" | "vars")):
                return True
            case ast.Name(id="self", ctx=ast.Load()) if _hands_itself_on(method, node):
                return True
    return False


def _hands_itself_on(method: FunctionNode, node: ast.Name) -> bool:
    """`helper(self, x)`: what that does with it is not known."""
    calls = (n for n in walk(method) if isinstance(n, ast.Call) and tail(n.func) != "super")
    return any(node is a for call in calls for a in (*call.args, *(k.value for k in call.keywords)))


def _works(forward: FunctionNode) -> bool:
    body = live(forward.body[1:] if docstring(forward.body) else forward.body)
    return not all(isinstance(s, (ast.Pass, ast.Raise, ast.Expr)) for s in body)
