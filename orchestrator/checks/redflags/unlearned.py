"""Training that goes through every motion, and of which the model keeps nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orchestrator.source.facts import Sign
from orchestrator.source.liveness import FUNCTIONS, FunctionNode
from orchestrator.source.naming import dotted, tail, words, words_of
from orchestrator.source.nodes import walk
from orchestrator.source.parsing import Module

RULE = "redflags/never-trains"

_OPTIMIZERS = words_of(
    "SGD Adam AdamW RMSprop Adagrad Adadelta Adamax NAdam RAdam LBFGS Adafactor Lion Optimizer"
)
_SCHEDULES = words_of("LambdaLR MultiplicativeLR")
_TRAINS = words_of("train fit finetune training")
_KINDS = {ast.Assign, ast.Call, ast.Expr, ast.For}
_MANY_DIMENSIONS = 6
"""No weight of a network has so many."""


def signs(module: Module) -> Iterator[Sign]:
    text = module.text
    if "torch" not in text or not any(word in text for word in ("backward", ".step", "optim")):
        return
    yield from _patched(module)
    yield from _idle_optimizers(module)
    noughts = set(_noughts(module))
    for function in module.nodes.functions():
        nodes = [n for n in walk(function) if n.__class__ in _KINDS]
        calls = [n for n in nodes if isinstance(n, ast.Call)]
        found = [*_at_rest(nodes), *_calls(calls, nodes), *_frozen(calls, nodes)]
        if any(tail(c.func) == "backward" for c in calls):
            found += [*_off(nodes), *_cut(nodes), *_weightless(nodes, noughts), *_stilled(function, calls)]
            found += [one for n in nodes if isinstance(n, ast.For) for one in _broken_off(n)]
        for node, how in found:
            line = getattr(node, "lineno", function.lineno)
            yield Sign(RULE, line, function.name, f"{function.name}() {how}")


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
            if isinstance(method, FUNCTIONS) and method.name == "step" and _does_nothing(method):
                where = f"{owner.name}.step"
                yield Sign(RULE, method.lineno, where, f"{where} moves no weight")


def _does_nothing(method: FunctionNode) -> bool:
    """Neither the step of what it is built on, nor weights, nor anything of its own but the closure."""
    given = {a.arg for a in (*method.args.args, *method.args.kwonlyargs)}
    nodes = [n for statement in method.body for n in walk(statement)]
    if method.decorator_list or any(isinstance(n, ast.Raise) for n in nodes):
        return False
    calls = [n.func for n in nodes if isinstance(n, ast.Call)]
    others = [f for f in calls if not (isinstance(f, ast.Name) and f.id in given) and tail(f) != "zero_grad"]
    called = {id(n) for f in calls for n in walk(f)}
    reads = [n for n in nodes if isinstance(n, ast.Attribute) and id(n) not in called]
    return not others and not reads and not any(isinstance(n, (ast.For, ast.AugAssign)) for n in nodes)


def _calls(calls: list[ast.Call], nodes: list[ast.AST]) -> Iterator[tuple[ast.AST, str]]:
    for call in calls:
        name = tail(call.func)
        if name in _SCHEDULES and any(_is_nought(a) for a in (*call.args, *(k.value for k in call.keywords))):
            yield call, "learns at a rate of 0 throughout"
        elif name[:1].islower() and _TRAINS & set(words(name)):
            for given in call.args[:1]:
                if isinstance(given, ast.Call) and tail(given.func) == "deepcopy":
                    yield call, f"trains a copy of {ast.unparse(given.args[0])[:40]} that nobody keeps"
        elif name in _OPTIMIZERS:
            fed = {a.id for a in call.args[:1] if isinstance(a, ast.Name)}
            lists = [
                *call.args[:1],
                *(n.value for n in nodes if isinstance(n, ast.Assign) and _names(n) & fed),
            ]
            if any(_none_left(n) for one in lists for n in walk(one)):
                yield call, "optimizes nothing: no weight is let through"


def _names(node: ast.Assign) -> set[str]:
    return {t.id for t in node.targets if isinstance(t, ast.Name)}


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
        if isinstance(n, ast.Expr)
        and isinstance(n.value, ast.Call)
        and tail(n.value.func) == "set_grad_enabled"
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
                    func=ast.Attribute(
                        value=ast.Call(func=ast.Attribute(attr="detach")), attr="requires_grad_"
                    )
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


def _noughts(module: Module) -> Iterator[str]:
    """What the module sets to 0 once and for all, as it is written where it is read."""
    for node in module.tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant() as value):
                if _is_zero(value) and name.isupper():
                    yield name
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys, values=values)):
                for key, held in zip(keys, values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(held, ast.Constant) and _is_zero(held):
                        yield f"{name}[{key.value!r}]"


def _is_zero(node: ast.Constant) -> bool:
    return isinstance(node.value, (int, float)) and not isinstance(node.value, bool) and node.value == 0


def _weightless(nodes: list[ast.AST], noughts: set[str]) -> Iterator[tuple[ast.AST, str]]:
    """Every part of the loss is weighed with a 0 of the settings."""
    for node in nodes if noughts else ():
        if isinstance(node, ast.Assign) and any("loss" in words(name) for name in _names(node)):
            parts = _parts(node.value)
            if all(_weighs_nothing(part, noughts) for part in parts):
                yield node, "weighs every part of its loss with 0"


def _parts(value: ast.expr) -> list[ast.expr]:
    match value:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [*_parts(left), *_parts(right)]
    return [value]


def _weighs_nothing(value: ast.expr, noughts: set[str]) -> bool:
    match value:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _weighs_nothing(left, noughts) or _weighs_nothing(right, noughts)
        case ast.Name() | ast.Subscript():
            return ast.unparse(value) in noughts
    return False


def _at_rest(nodes: list[ast.AST]) -> Iterator[tuple[ast.AST, str]]:
    """`for group in optimizer.param_groups: group["lr"] = 0.0`, for all groups alike."""
    for node in nodes:
        match node:
            case ast.For(
                target=ast.Name(id=each),
                iter=ast.Attribute(attr="param_groups"),
                body=[
                    ast.Assign(
                        targets=[ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value="lr"))],
                        value=ast.Constant() as value,
                    )
                ],
            ) if name == each and _is_zero(value):
                yield node, "learns at a rate of 0"


def _stilled(function: FunctionNode, calls: list[ast.Call]) -> Iterator[tuple[ast.AST, str]]:
    """Gradients cut down to nothing, and inputs taken times 0."""
    arguments = function.args
    last = arguments.args[len(arguments.args) - len(arguments.defaults) :]
    usual = {a.arg: d for a, d in zip(last, arguments.defaults, strict=True)}
    for call in calls:
        match call:
            case ast.Call(func=func, args=[_, bound]) if tail(func) in {
                "clip_grad_norm_",
                "clip_grad_value_",
            }:
                value = usual.get(bound.id) if isinstance(bound, ast.Name) else bound
                if isinstance(value, ast.Constant) and _is_zero(value):
                    yield call, "clips every gradient to 0"
            case ast.Call(func=ast.Name(), args=[ast.BinOp(op=ast.Mult(), right=ast.Constant() as by)]):
                if _is_zero(by):
                    yield call, f"is fed nothing: {ast.unparse(call)[:50]}"
