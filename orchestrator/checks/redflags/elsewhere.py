"""Work done on something else: a copy is trained, a memory emptied, weights are by chance."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orchestrator.checks.redflags.services import answers_by_name, service_of
from orchestrator.source.facts import Sign
from orchestrator.source.liveness import FUNCTIONS, FunctionNode
from orchestrator.source.naming import dotted, tail, words, words_of
from orchestrator.source.nodes import walk
from orchestrator.source.parsing import Module

NEVER, NO_MEMORY, NO_CLIENT = "redflags/never-trains", "redflags/no-memory", "redflags/no-client"
CONSTANT = "redflags/constant-answer"

_TRAINS = words_of("train fit training finetune")
_OPTIMIZERS = words_of("SGD Adam AdamW RMSprop Adagrad Adamax NAdam RAdam LBFGS Lion")
_FILLED = words_of("zeros ones full empty rand randn zeros_like ones_like rand_like randn_like")
_UPDATES = words_of("update track step")


def signs(module: Module) -> Iterator[Sign]:
    for function in module.nodes.functions():
        if _TRAINS & set(words(function.name)) and (how := _trains_another(function)):
            yield Sign(NEVER, function.lineno, function.name, f"{function.name}() {how}")
    for owner in module.nodes.of(ast.ClassDef):
        methods = [n for n in owner.body if isinstance(n, FUNCTIONS)]
        for method in methods:
            place = f"{owner.name}.{method.name}"
            if words(owner.name)[-1:] == ("tracker",) and method.name in _UPDATES:
                if name := _emptied(method):
                    text = f"{place} empties self.{name} before it looks at it: it cannot follow"
                    yield Sign(NO_MEMORY, method.lineno, place, text)
            elif method.name == "forward":
                for line in _blank_in_one_mode(method):
                    yield Sign(CONSTANT, line, place, f"{place} answers a blank, unless in the other mode")
        if service_of(owner.name) and any(answers_by_name(m.name) for m in methods):
            yield from _untaught(owner)


def _trains_another(function: FunctionNode) -> str:
    """Weights are moved that do not go out, and those that go out are not moved."""
    nodes = walk(function)
    moved = {
        n.id
        for call in nodes
        if isinstance(call, ast.Call) and tail(call.func) in _OPTIMIZERS
        for given in (*call.args[:1], *(k.value for k in call.keywords if k.arg == "params"))
        for n in walk(given)
        if isinstance(n, ast.Name)
    }
    out = {
        n.id
        for answer in nodes
        if isinstance(answer, ast.Return) and answer.value is not None
        for n in walk(answer.value)
        if isinstance(n, ast.Name)
    }
    if not moved or not out or moved & out:
        return ""
    for name, made_of in _copies(nodes):
        if name in moved and made_of in out and _is_only_run(function, name):
            return f"trains {name}, a copy of {made_of}, and answers with {made_of} as it was"
    for name in _frozen(nodes) & out:
        return f"freezes {name}, and moves {min(moved)} instead"
    return ""


def _copies(nodes: list[ast.AST]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Call(func=func, args=[ast.Name(id=made_of), *_])
            ) if tail(func) == "deepcopy":
                yield name, made_of


def _is_only_run(function: FunctionNode, name: str) -> bool:
    """Nothing is taken out of it: it is called, and asked for its parameters."""
    kept: set[int] = set()
    for node in walk(function):
        match node:
            case ast.Call(func=ast.Name(id=called) as used) if called == name:
                kept.add(id(used))
            case ast.Attribute(
                value=ast.Name(id=held) as used, attr="parameters" | "train" | "eval" | "to"
            ) if held == name:
                kept.add(id(used))
    loads = [n for n in walk(function) if isinstance(n, ast.Name) and n.id == name]
    return all(id(n) in kept for n in loads if isinstance(n.ctx, ast.Load))


def _frozen(nodes: list[ast.AST]) -> set[str]:
    found = set()
    for node in nodes:
        match node:
            case ast.For(iter=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="parameters"))):
                if any(_turns_off(n) for s in node.body for n in walk(s)):
                    found.add(name)
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="requires_grad_"),
                args=[ast.Constant(value=False)],
            ):
                found.add(name)
    return found


def _turns_off(node: ast.AST) -> bool:
    match node:
        case ast.Assign(targets=[ast.Attribute(attr="requires_grad")], value=ast.Constant(value=False)):
            return True
        case ast.Call(func=ast.Attribute(attr="requires_grad_"), args=[ast.Constant(value=False)]):
            return True
    return False


def _emptied(method: FunctionNode) -> str:
    """What is emptied before anything of it is read; empty where it reads another memory."""
    emptied: set[str] = set()
    for statement in method.body:
        match statement:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=value) if (
                _is_empty(value)
            ):
                emptied.add(name)
                continue
        loads = {n.attr for n in walk(statement) if _is_own(n) and isinstance(n.ctx, ast.Load)}  # type: ignore[attr-defined]
        if loads and not emptied:
            return ""
    kept = {n.attr for n in walk(method) if _is_own(n) and isinstance(n.ctx, ast.Store)}  # type: ignore[attr-defined]
    return min(emptied) if emptied and kept <= emptied else ""


def _is_own(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def _is_empty(value: ast.expr) -> bool:
    match value:
        case ast.Dict(keys=[]) | ast.List(elts=[]):
            return True
        case ast.Call(func=ast.Name(id="dict" | "list" | "set"), args=[], keywords=[]):
            return True
    return False


def _blank_in_one_mode(method: FunctionNode) -> Iterator[int]:
    for node in walk(method):
        if isinstance(node, ast.If) and any(
            dotted(n) == "self.training" for n in walk(node.test) if isinstance(n, ast.Attribute)
        ):
            for answer in (s for block in (node.body, node.orelse) for s in block):
                match answer:
                    case ast.Return(value=ast.Call(func=func)) if tail(func) in _FILLED:
                        yield answer.lineno


def _untaught(owner: ast.ClassDef) -> Iterator[Sign]:
    """`PhiForCausalLM(PhiConfig())`: the model's shape, with weights by chance."""
    calls = [n for n in walk(owner) if isinstance(n, ast.Call)]
    loaded = {"load_state_dict", "load_weights", "load_model", "load_checkpoint"} & {
        tail(c.func) for c in calls
    }
    for call in calls:
        made = tail(call.func)
        by_shape = made[:1].isupper() and ("ForCausalLM" in made or made.endswith(("Model", "LMHeadModel")))
        configs = [a for a in call.args if isinstance(a, ast.Call) and "Config" in dotted(a.func)]
        if (by_shape or made == "from_config") and configs and not loaded:
            text = f"{owner.name} makes {dotted(call.func)} with weights by chance, and loads none"
            yield Sign(NO_CLIENT, call.lineno, owner.name, text)
