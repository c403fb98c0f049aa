"""Training whose loss, or whose optimizer, has nothing to do with the model."""

from __future__ import annotations

import ast
import builtins
from collections import defaultdict
from collections.abc import Iterable, Iterator
from enum import IntEnum

from orchestrator.source.facts import Sign
from orchestrator.source.liveness import FunctionNode
from orchestrator.source.naming import dotted, tail, words, words_of
from orchestrator.source.nodes import running as walk
from orchestrator.source.parsing import Module

RULE, BLIND_LOSS = "redflags/never-trains", "redflags/loss-ignores-input"

_OPTIMIZERS = words_of(
    "SGD Adam AdamW RMSprop Adagrad Adadelta Adamax NAdam RAdam LBFGS ASGD Rprop Adafactor Lion"
)
_CUTS = words_of("detach item numpy tolist detach_ data")
_FRESH = words_of(
    """
    tensor as_tensor zeros ones full rand randn empty zeros_like ones_like rand_like randn_like float int
    full_like Tensor FloatTensor Parameter from_numpy arange linspace uniform random gauss range
    """
)
_WORTH = _OPTIMIZERS | {"backward", "detach", "step", "item"}
_CRITERIA = words_of("loss criterion entropy mse nll objective cost mse_loss l1 bce")
_JUDGED = words_of(
    "pred preds prediction predictions output outputs logits recon reconstruction positions estimate yhat"
)
_OFF = words_of("no_grad inference_mode")


class Tie(IntEnum):
    """How a value hangs together with weights."""

    CUT = 0
    DATA = 1
    HELD = 2


def signs(module: Module) -> Iterator[Sign]:
    if not _WORTH & {tail(call.func) for call in module.nodes.of(ast.Call)}:
        return
    names = [a for n in module.nodes.of(ast.Import) for a in n.names]
    names += [a for n in module.nodes.of(ast.ImportFrom) for a in n.names]
    imported = {a.asname or a.name.split(".")[0] for a in names}
    for function in module.nodes.functions():
        yield from _optimizers(function, imported)
        if _trains(function):
            yield from _losses(function)
            yield from _cleared(function)
        if words(function.name)[-1:] == ("loss",):
            yield from _unteaching(function)


def _trains(function: FunctionNode) -> bool:
    """Weights are moved here, or the name says so: elsewhere gradients are taken for other ends."""
    if {"train", "fit", "training", "finetune"} & set(words(function.name)):
        return True
    calls = (n.func for n in walk(function) if isinstance(n, ast.Call))
    return any(tail(f) == "step" and "optim" in dotted(f).lower() for f in calls)


def _optimizers(function: FunctionNode, imported: set[str]) -> Iterator[Sign]:
    """What is optimized must be held by somebody else, too: else its change is lost."""
    for call in [n for n in walk(function) if isinstance(n, ast.Call) and tail(n.func) in _OPTIMIZERS]:
        given = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "params")]
        if given and not _is_held(given[0], function, imported):
            yield _sign(function, call, f"optimizes {ast.unparse(given[0])[:50]}, which nothing else uses")
        if any(
            k.arg == "lr" and isinstance(k.value, ast.Constant) and k.value.value == 0 for k in call.keywords
        ):
            yield _sign(function, call, "learns at a rate of 0")


def _is_held(node: ast.expr, function: FunctionNode, imported: set[str]) -> bool:
    inner = {id(n) for n in walk(node)}
    names = {n.id for n in walk(node) if isinstance(n, ast.Name)} - imported - set(dir(builtins))
    given = {
        t.id: n.value
        for n in walk(function)
        if isinstance(n, ast.Assign)
        for t in n.targets
        if isinstance(t, ast.Name)
    }
    for name in names:
        loads = [n for n in walk(function) if isinstance(n, ast.Name) and n.id == name and id(n) not in inner]
        if name not in given:  # a parameter, a loop's name, something of the module
            if not (name[:1].isupper() and _only_called(node, name)):
                return True
            continue
        source = given[name]
        if any(isinstance(n.ctx, ast.Load) for n in loads):
            return True
        if source is not node and _is_held(source, function, imported | {name}):
            return True
    return False


def _only_called(node: ast.expr, name: str) -> bool:
    """A class of this module, of which an object is made here and kept by nobody."""
    return any(
        isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == name for n in walk(node)
    )


def _losses(function: FunctionNode) -> Iterator[Sign]:
    for call in [n for n in walk(function) if isinstance(n, ast.Call)]:
        match call.func:
            case ast.Attribute(value=loss, attr="backward") if not call.args and not call.keywords:
                tie = _Ties(function).of(loss)
                if tie is not Tie.HELD:
                    how = "is cut off from the model" if tie is Tie.CUT else "does not come of a model"
                    yield _sign(function, call, f"runs backward() on a loss that {how}")
                elif isinstance(loss, ast.Name) and _is_told(function, loss.id):
                    how = f"has to tell {loss.id} to require gradients: it does not come of weights"
                    yield _sign(function, call, how)


def _is_told(function: FunctionNode, name: str) -> bool:
    for node in walk(function):
        match node:
            case ast.Assign(
                targets=[ast.Attribute(value=ast.Name(id=told), attr="requires_grad")],
                value=ast.Constant(value=True),
            ) if told == name:
                return True
            case ast.Call(func=ast.Attribute(value=ast.Name(id=told), attr="requires_grad_"), args=[]) if (
                told == name
            ):
                return True
    return False


def _cleared(function: FunctionNode) -> Iterator[Sign]:
    """Gradients thrown away between `backward()` and `step()`."""
    for node in walk(function):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        calls = [s.value for s in body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call)]
        order = [tail(c.func) for c in calls if tail(c.func) in {"backward", "zero_grad", "step"}]
        if order[:3] == ["backward", "zero_grad", "step"]:
            yield _sign(function, calls[0], "throws the gradients away before it steps")


def _unteaching(function: FunctionNode) -> Iterator[Sign]:
    """A loss through which nothing can be learned: what it judges is cut off in it."""
    judged = [a.arg for a in function.args.args if _JUDGED & set(words(a.arg))]
    returns = [n.value for n in walk(function) if isinstance(n, ast.Return) and n.value is not None]
    cuts = any(isinstance(n, ast.Call) and tail(n.func) in _CUTS for n in walk(function))
    if judged and returns and cuts:
        ties = _Ties(function)
        ties.looped |= {a.arg for a in function.args.args if a.arg not in judged and a.arg != "self"}
        if all(ties.of(value) is not Tie.HELD for value in returns):
            yield Sign(
                BLIND_LOSS, function.lineno, function.name, f"{function.name}() is cut off from {judged[0]}"
            )


def _sign(function: FunctionNode, at: ast.expr, how: str) -> Sign:
    return Sign(RULE, at.lineno, function.name, f"{function.name}() {how}")


class _Ties:
    """What the names of one function hang together with. What is not known counts as held."""

    def __init__(self, function: FunctionNode) -> None:
        self.given: dict[str, list[ast.expr]] = defaultdict(list)
        self.looped: set[str] = set()
        self.off: set[int] = set()
        self.asked: set[str] = set()
        self.moved: set[str] = set()
        nodes = walk(function)
        for node in nodes:
            self._note(node)
        off = _OFF & {tail(d.func if isinstance(d, ast.Call) else d) for d in function.decorator_list}
        if off:
            self.off |= {id(n) for n in nodes}

    def _note(self, node: ast.AST) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._assign(target, value)
            case ast.AugAssign(target=target, value=value):
                self._assign(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, value)
            case ast.NamedExpr(target=target, value=value):
                self._assign(target, value)
            case ast.For(target=ast.Tuple() as target):
                self.looped |= {n.id for n in walk(target) if isinstance(n, ast.Name)}
            case ast.For(target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"))):
                self.looped.add(name)
            case ast.Call(func=func, args=[given, *_]) if tail(func) in _OPTIMIZERS:
                self.moved |= {n.id for n in walk(given) if isinstance(n, ast.Name)}
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)), args=args)):
                self.given[name] += args
            case ast.With(items=items) if any(_switches_off(i.context_expr) for i in items):
                self.off |= {id(n) for statement in node.body for n in walk(statement)}

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        match target:
            case ast.Name(id=name):
                self.given[name].append(value)
            case ast.Tuple(elts=items) | ast.List(elts=items):
                for item in items:
                    self._assign(item, value)
            case ast.Subscript(value=inner) | ast.Attribute(value=inner):
                self._assign(inner, value)

    def of(self, node: ast.expr) -> Tie:
        if id(node) in self.off:
            return Tie.CUT
        match node:
            case ast.Constant():
                return Tie.CUT
            case ast.Name(id=name):
                return self._of_name(name)
            case ast.Attribute(value=value, attr=attr):
                return Tie.CUT if attr == "data" else self.of(value)
            case ast.Subscript(value=value):
                return self.of(value)
            case ast.Call():
                return self._of_call(node)
        parts = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        return self._most(parts) if parts else Tie.HELD

    def _of_name(self, name: str) -> Tie:
        if name in self.asked:
            return Tie.CUT
        if name in self.moved:
            return Tie.HELD
        if name not in self.given:
            return Tie.DATA if name in self.looped else Tie.HELD
        self.asked.add(name)
        try:
            return self._most(self.given[name])
        finally:
            self.asked.discard(name)

    def _of_call(self, call: ast.Call) -> Tie:
        name, given = tail(call.func), [*call.args, *(k.value for k in call.keywords)]
        if name in _CUTS or name in _FRESH:
            return Tie.CUT
        root = dotted(call.func).partition(".")[0]
        if root in {"torch", "F", "nn", "np", "numpy", "math"} and root not in self.given:
            made = name[:1].isupper()
            return Tie.HELD if made else self._most(given)
        if _CRITERIA & set(words(name)[-1:]):
            ties = [self.of(one) for one in given]
            return Tie.CUT if Tie.CUT in ties and Tie.HELD not in ties else Tie.HELD
        if isinstance(call.func, ast.Attribute):
            return max(self.of(call.func.value), self._most(given))
        if isinstance(call.func, ast.Name) and call.func.id in {"sum", "abs", "max", "min", "pow"}:
            return self._most(given)
        return self.of(call.func) if isinstance(call.func, ast.Call) else Tie.HELD

    def _most(self, nodes: Iterable[ast.expr]) -> Tie:
        return max((self.of(node) for node in nodes), default=Tie.CUT)


def _switches_off(node: ast.expr) -> bool:
    return tail(node.func if isinstance(node, ast.Call) else node) in _OFF
