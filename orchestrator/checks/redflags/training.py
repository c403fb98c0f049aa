"""Training that cannot change a weight, and losses that do not look at what they judge."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from orchestrator.source.facts import Sign
from orchestrator.source.liveness import FUNCTIONS, FunctionNode
from orchestrator.source.naming import dotted, tail, words
from orchestrator.source.nodes import running as walk
from orchestrator.source.parsing import Module

NEVER, BLIND_LOSS = "redflags/never-trains", "redflags/loss-ignores-input"

_TRAINS = {"train", "fit", "training", "finetune"}
_BESIDE = {
    "model",
    "loop",
    "epoch",
    "one",
    "network",
    "net",
    "all",
    "full",
    "stage",
    "phase",
    "run",
    "fine",
    "tune",
    "self",
}
_BESIDE |= {
    "encoder",
    "detector",
    "classifier",
    "tokenizer",
    "tracker",
    "extractor",
    "branch",
    "and",
    "evaluate",
    "validate",
}
_WORKS = {
    "step",
    "epoch",
    "fit",
    "train",
    "backward",
    "update",
    "optimize",
    "minimize",
    "apply",
    "gradients",
    "closure",
    "launch",
}
_WORKS |= {
    "grad",
    "learn",
    "trainer",
    "map",
    "submit",
    "spawn",
    "execute",
    "batch",
    "partial",
    "engine",
    "popen",
    "call",
    "main",
}
_IDLE = {
    "print",
    "sleep",
    "range",
    "len",
    "append",
    "format",
    "info",
    "debug",
    "round",
    "random",
    "uniform",
    "gauss",
    "dump",
}
_IDLE |= {
    "dumps",
    "write",
    "open",
    "tqdm",
    "time",
    "float",
    "int",
    "str",
    "min",
    "max",
    "exp",
    "sqrt",
    "log",
    "enumerate",
    "join",
}
_IDLE |= {"no_grad", "enable_grad", "set_grad_enabled", "inference_mode"}
_IDLE |= {
    "randn",
    "rand",
    "normal",
    "randint",
    "abs",
    "set_description",
    "write_text",
    "extend",
    "mkdir",
    "Path",
    "pow",
    "echo",
    "zip",
}
_JUDGED = {
    "pred",
    "preds",
    "prediction",
    "predictions",
    "predicted",
    "output",
    "outputs",
    "logits",
    "input",
    "inputs",
    "recon",
}
_JUDGED |= {"reconstruction", "estimate", "yhat"}


def signs(module: Module) -> Iterator[Sign]:
    torch = any(a.name.split(".")[0] == "torch" for n in module.nodes.of(ast.Import) for a in n.names) or any(
        (n.module or "").split(".")[0] == "torch" for n in module.nodes.of(ast.ImportFrom)
    )
    for function in module.nodes.functions():
        if _TRAINS & set(words(function.name)):
            loops = [n for n in walk(function) if isinstance(n, (ast.For, ast.While))]
            if loops and _is_training(function, loops) and (why := _never(function, loops, torch)):
                yield Sign(NEVER, function.lineno, function.name, f"{function.name}() {why}")
        if "loss" in words(function.name)[-1:] and (name := _unread(function)):
            yield _blind(function, function.name, name)
    for owner in module.nodes.of(ast.ClassDef):
        if owner.name.endswith("Loss"):
            for method in owner.body:
                if not isinstance(method, FUNCTIONS) or method.name not in {"forward", "__call__"}:
                    continue
                if name := _unread(method):
                    yield _blind(method, owner.name, name)


def _blind(function: FunctionNode, owner: str, name: str) -> Sign:
    return Sign(BLIND_LOSS, function.lineno, owner, f"the loss {owner} never looks at {name}")


def _is_training(function: FunctionNode, loops: Sequence[ast.stmt]) -> bool:
    found = set(words(function.name))
    epochs = any(isinstance(n, ast.For) and "epoch" in words(getattr(n.target, "id", "")) for n in loops)
    return epochs or not found - _TRAINS - _BESIDE


def _never(function: FunctionNode, loops: Sequence[ast.stmt], torch: bool) -> str:
    calls = [n for n in walk(function) if isinstance(n, ast.Call)]
    names = {tail(c.func) for c in calls}
    own = {*words(function.name)}
    hands_on = any(
        _WORKS & set(words(name))
        and name not in {"step", "backward", "zero_grad", function.name}
        and not name.endswith(("LR", "Scheduler"))
        and name not in _IDLE
        for name in names
    )
    in_loops = {tail(n.func) for loop in loops for n in walk(loop) if isinstance(n, ast.Call)}
    if not in_loops - _IDLE and not _has_arithmetic(loops):
        return "only prints, waits and draws numbers"
    if {"add_", "sub_", "copy_"} & names and any(isinstance(n, ast.If) for loop in loops for n in walk(loop)):
        return ""  # weights are tried, and kept or taken back
    ranged = any(isinstance(n, ast.For) for n in loops)
    if "sleep" in in_loops and ranged and not hands_on and "backward" not in names:
        return "waits instead of training"
    if not torch or hands_on or "grad" in own:
        return ""
    if any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in walk(function)):
        return ""
    steps = [c for c in calls if tail(c.func) == "step" and "sched" not in dotted(c.func).lower()]
    if "backward" not in names and not steps:
        return "never runs a backward pass or a step of an optimizer" if _computes(calls) else ""
    if any(_never_met(n, loops) and _moves(n) for loop in loops for n in walk(loop)):
        return "moves its weights under a condition that is never met"
    if "backward" not in names and not any(c.args for c in steps):
        return "steps without a backward pass: there is nothing to step by"
    return "" if steps else "runs a backward pass and never steps"


def _never_met(node: ast.AST, loops: Sequence[ast.stmt]) -> bool:
    """`if epoch < 0` of a number that is counted from 0."""
    counted = {_counter(n) for n in loops}
    match node:
        case ast.If(test=ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[bound])) if (
            name in counted
        ):
            number = _number(bound)
            below = number is not None and (number < 0 or (number == 0 and isinstance(op, ast.Lt)))
            return below and isinstance(op, (ast.Lt, ast.LtE, ast.Eq))
    return False


def _counter(loop: ast.stmt) -> str:
    """The name of a number that a loop counts up from 0 or above; empty where there is none."""
    match loop:
        case ast.For(target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"), args=args)):
            return name if len(args) == 1 or (len(args) == 2 and (_number(args[0]) or 0) >= 0) else ""
    return ""


def _number(node: ast.expr) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
    return None


def _moves(node: ast.AST) -> bool:
    inner = [n for s in getattr(node, "body", ()) for n in walk(s)]
    return any(isinstance(n, ast.Call) and tail(n.func) in {"step", "backward"} for n in inner)


def _has_arithmetic(loops: Sequence[ast.stmt]) -> bool:
    """Whether weights could be moved by hand: an element or attribute is reassigned from something."""
    targets = (ast.Subscript, ast.Attribute)
    shown = {name for loop in loops for name in _shown(loop)}
    for loop in loops:
        for node in walk(loop):
            if isinstance(node, ast.AugAssign) and isinstance(node.target, targets):
                return True
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
                return True
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute) and shown:
                learns = any(isinstance(n, ast.Name) and n.id in shown for n in walk(node.value))
                if learns:
                    return True
            if isinstance(node, ast.AugAssign) and any(
                isinstance(n, ast.Name) and n.id == "lr" for n in walk(node)
            ):
                return True
    return False


def _shown(loop: ast.stmt) -> set[str]:
    """The examples that a loop goes over, by name; none where it only counts."""
    if not isinstance(loop, ast.For) or any(
        tail(n) == "range" for n in walk(loop.iter) if isinstance(n, ast.Name)
    ):
        return set()
    return {n.id for n in walk(loop.target) if isinstance(n, ast.Name)}


def _computes(calls: Sequence[ast.Call]) -> bool:
    """Whether it looks like a training at all: a model, a loss, or an optimizer."""
    seen = {word for call in calls for word in words(dotted(call.func) or tail(call.func))}
    return bool(
        seen & {"model", "loss", "criterion", "optimizer", "optim", "adam", "sgd", "forward", "net", "adamw"}
    )


def _unread(function: FunctionNode) -> str:
    """The parameter that the loss should judge and never reads."""
    if _is_empty(function):
        return ""
    read = {n.id for n in walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    return next((name for name in names if set(words(name)) & _JUDGED and name not in read), "")


def _is_empty(function: FunctionNode) -> bool:
    """Declared, not defined: nothing but a docstring, `pass`, `...` or a refusal."""
    return all(
        isinstance(s, (ast.Pass, ast.Raise))
        or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        for s in function.body
    )
