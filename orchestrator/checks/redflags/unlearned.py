"""Training that goes through every motion, and of which the model keeps nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orchestrator.source.facts import Sign
from orchestrator.source.liveness import FunctionNode
from orchestrator.source.naming import dotted, tail, words, words_of
from orchestrator.source.nodes import walk
from orchestrator.source.parsing import Module

RULE = "redflags/never-trains"

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_OPTIMIZERS = words_of("SGD Adam AdamW RMSprop Adagrad Adadelta Adamax NAdam RAdam LBFGS Adafactor Lion Optimizer")
_SCHEDULES = words_of("LambdaLR MultiplicativeLR")
_TRAINS = words_of("train fit finetune training")
_MANY_DIMENSIONS = 6
"""No weight of a network has so many."""


def signs(module: Module) -> Iterator[Sign]:
    text = module.text
    if "backward" not in text and ".step" not in text and "optim" not in text:
        return
    yield from _patched(module)
    yield from _idle_optimizers(module)
    for function in module.nodes.functions():
        nodes = walk(function)
        calls = [n for n in nodes if isinstance(n, ast.Call)]
        found = [*_calls(calls), *_frozen(calls, nodes)]
        if any(tail(c.func) == "backward" for c in calls):
            found += [*_off(nodes), *_cut(nodes)]
            found += [one for n in nodes if isinstance(n, ast.For) for one in _broken_off(n)]
        for node, how in found:
            yield Sign(RULE, node.lineno, function.name, f"{function.name}() {how}")


def _patched(module: Module) -> Iterator[Sign]:
    """`torch.Tensor.backward = lambda self: None`"""
    libraries = {a.asname or a.name.split(".")[0] for n in module.nodes.of(ast.Import) for a in n.names}
    libraries |= {a.asname or a.name for n in module.nodes.of(ast.ImportFrom) for a in n.names}
    for node in module.nodes.of(ast.Assign):
        match node:
            case ast.Assign(
                targets=[ast.Attribute(attr="backward" | "step") as target],
                value=ast.Lambda(body=ast.Constant()),
            ) if dotted(target).split(".")[0] in libraries:
                name = dotted(target)
                yield Sign(RULE, node.lineno, name, f"{name} is replaced by what does nothing")


def _idle_optimizers(module: Module) -> Iterator[Sign]:
    for owner in module.nodes.of(ast.ClassDef):
        if not any(tail(base) in _OPTIMIZERS for base in owner.bases):
            continue
        for method in owner.body:
            if isinstance(method, _FUNCTIONS) and method.name == "step" and _does_nothing(method):
                where = f"{owner.name}.step"
                yield Sign(RULE, method.lineno, where, f"{where} moves no weight")


def _does_nothing(method: FunctionNode) -> bool:
    """Neither the step of what it is built on, nor weights, nor anything of its own but the closure."""
    given = {a.arg for a in (*method.args.args, *method.args.kwonlyargs)}
    nodes = [n for statement in method.body for n in walk(statement)]
    if any(isinstance(n, ast.Raise) for n in nodes):
        return False
    calls = [n.func for n in nodes if isinstance(n, ast.Call)]
    others = [f for f in calls if not (isinstance(f, ast.Name) and f.id in given)]
    return not others and not any(isinstance(n, (ast.For, ast.AugAssign, ast.Attribute)) for n in nodes)


def _calls(calls: list[ast.Call]) -> Iterator[tuple[ast.AST, str]]:
    for call in calls:
        name = tail(call.func)
        if name in _SCHEDULES and any(_is_nought(a) for a in (*call.args, *(k.value for k in call.keywords))):
            yield call, "learns at a rate of 0 throughout"
        elif name[:1].islower() and _TRAINS & set(words(name)):
            for given in call.args[:1]:
                if isinstance(given, ast.Call) and tail(given.func) == "deepcopy":
                    yield call, f"trains a copy of {ast.unparse(given.args[0])[:40]} that nobody keeps"
        elif name in _OPTIMIZERS:
            yield from ((call, "optimizes nothing: no weight is let through") for n in walk(call) if _none_left(n))


def _is_nought(node: ast.expr) -> bool:
    match node:
        case ast.Lambda(body=ast.Constant(value=0 | 0.0)):
            return True
    return False


def _none_left(node: ast.AST) -> bool:
    """A filter of weights that no weight passes: `p.ndim > 7`, `False`, `p.numel() < 1`."""
    if not isinstance(node, ast.comprehension):
        return False
    return any(_is_never(test) for test in node.ifs)


def _is_never(test: ast.expr) -> bool:
    match test:
        case ast.Constant(value=value):
            return not value
        case ast.Compare(left=left, ops=[ast.Gt() | ast.GtE()], comparators=[ast.Constant(value=int(bound))]):
            of = left.func if isinstance(left, ast.Call) else left
            return tail(of) in {"ndim", "dim"} and bound >= _MANY_DIMENSIONS
        case ast.Compare(left=ast.Call(func=func), ops=[ast.Lt()], comparators=[ast.Constant(value=0 | 1)]):
            return tail(func) in {"numel", "dim"}
    return False


def _frozen(calls: list[ast.Call], nodes: list[ast.AST]) -> Iterator[tuple[ast.AST, str]]:
    """All weights of the model that is handed to the optimizer are told to stay as they are."""
    moved = {
        dotted(a.func.value)
        for c in calls
        if tail(c.func) in _OPTIMIZERS
        for a in c.args[:1]
        if isinstance(a, ast.Call) and isinstance(a.func, ast.Attribute) and a.func.attr == "parameters"
    }
    told = [c for c in calls if tail(c.func) == "requires_grad_" and not _is_off(c)]
    if not moved or told or any(_sets_on(n) for n in nodes):
        return
    for node in nodes:
        match node:
            case ast.For(
                target=ast.Name(id=each),
                iter=ast.Call(func=ast.Attribute(value=of, attr="parameters")),
                body=[only],
            ) if dotted(of) in moved and _freezes(only, each):
                yield node, f"freezes every weight of {dotted(of)}, and then trains it"
            case ast.Call(func=ast.Attribute(value=of, attr="requires_grad_")) if dotted(of) in moved:
                yield node, f"freezes every weight of {dotted(of)}, and then trains it"
    for name in moved:
        given = [n for n in nodes if isinstance(n, ast.Assign) and _is_named(n, name)]
        for node in given:
            if any(_none_left(n) for n in walk(node.value)):
                yield node, "optimizes nothing: no weight is let through"


def _is_named(node: ast.Assign, name: str) -> bool:
    return any(isinstance(t, ast.Name) and t.id == name for t in node.targets)


def _is_off(call: ast.Call) -> bool:
    given = [*call.args, *(k.value for k in call.keywords)]
    return any(isinstance(a, ast.Constant) and a.value is False for a in given)


def _sets_on(node: ast.AST) -> bool:
    match node:
        case ast.Assign(targets=[ast.Attribute(attr="requires_grad")], value=value):
            return not (isinstance(value, ast.Constant) and value.value is False)
    return False


def _freezes(node: ast.stmt, each: str) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="requires_grad_"))):
            return name == each
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=name), attr="requires_grad")]):
            return name == each
    return False


def _off(nodes: list[ast.AST]) -> Iterator[tuple[ast.AST, str]]:
    """Gradients switched off for the whole function, and on again nowhere in it."""
    switched = [
        n.value
        for n in nodes
        if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call) and tail(n.value.func) == "set_grad_enabled"
    ]
    if switched and all(_is_off(call) for call in switched):
        yield switched[0], "switches gradients off before it takes them"


def _cut(nodes: list[ast.AST]) -> Iterator[tuple[ast.AST, str]]:
    """`loss = loss.detach().requires_grad_()`, of which `backward()` is taken."""
    taken = {
        n.func.value.id
        for n in nodes
        if isinstance(n, ast.Call)
        and isinstance(n.func, ast.Attribute)
        and n.func.attr == "backward"
        and isinstance(n.func.value, ast.Name)
    }
    for node in nodes:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(
                    func=ast.Attribute(value=ast.Call(func=ast.Attribute(attr="detach")), attr="requires_grad_")
                ),
            ) if name in taken:
                yield node, f"cuts {name} off from the model before backward()"


def _broken_off(loop: ast.For) -> Iterator[tuple[ast.AST, str]]:
    """The loop over the data is left before anything is learned of it."""
    if not any(isinstance(n, ast.Call) and tail(n.func) == "backward" for n in walk(loop)):
        return
    for statement in loop.body:
        if any(isinstance(n, ast.Call) and tail(n.func) == "backward" for n in walk(statement)):
            return
        match statement:
            case ast.Break():
                yield statement, "leaves its data before it learns of them"
            case ast.If(
                test=ast.Compare(ops=[ast.GtE()], comparators=[ast.Constant(value=0 | 0.0)]),
                body=[*_, ast.Break() | ast.Continue()],
            ):
                yield statement, "leaves its data before it learns of them"
