"""Figures that are good whatever the model does: the truth is in what is judged, or in how it is counted."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence

from orchestrator.checks.redflags.metrics import is_metric
from orchestrator.source.facts import Sign
from orchestrator.source.liveness import FunctionNode
from orchestrator.source.naming import dotted, tail, words, words_of
from orchestrator.source.nodes import walk
from orchestrator.source.parsing import Module

MADE_UP, LEAK = "redflags/made-up-metric", "redflags/reads-the-truth"

_HELD_OUT = words_of("val valid validation test heldout holdout")
_DATA = words_of("set loader data dataset dl ds")
_EVALUATES = words_of("evaluate validate test score eval")
_SMOOTH = words_of("curve curves loss losses accuracy accuracies history mse mae")
_LABEL = words_of("label labels cls klass category")
_COUNTS = words_of("seen total count n num samples")
_WRONG = words_of("error mae mse rmse")
_FIGURES = ("argmax", "accuracy", "mse", "mae", "loss", "hits", "purity", "precision", "recall", "label")

_KINDS = {
    ast.Assign,
    ast.AugAssign,
    ast.BinOp,
    ast.Call,
    ast.Compare,
    ast.For,
    ast.GeneratorExp,
    ast.ListComp,
}
_KINDS |= {ast.Return}

Found = Iterator[tuple[ast.AST, str]]


def signs(module: Module) -> Iterator[Sign]:
    text = module.text
    if not any(word in text for word in _FIGURES):
        return
    judges = [judge for judge, spoken in _JUDGES if all(word in text for word in spoken)]
    for function in module.nodes.functions():
        asked = judges or function.name == "__getitem__"
        nodes = [n for n in walk(function) if n.__class__ in _KINDS] if asked else []
        found = [one for judge in judges for one in judge(nodes)]
        found += _missing_is_right(function)
        for node, how in found:
            line = getattr(node, "lineno", function.lineno)
            yield Sign(MADE_UP, line, function.name, f"{function.name}() {how}")
        if function.name == "__getitem__":
            for node, how in _leaks(nodes):
                yield Sign(LEAK, getattr(node, "lineno", function.lineno), function.name, how)


def _compared(nodes: Sequence[ast.AST]) -> set[tuple[str, str]]:
    """Pairs of names that are held against each other, by `==` or `-`."""
    pairs = set()
    for node in nodes:
        match node:
            case (
                ast.Compare(left=left, ops=[ast.Eq()], comparators=[right])
                | ast.BinOp(left=left, op=ast.Sub(), right=right)
            ):
                pairs |= {(dotted(left), dotted(right)), (dotted(right), dotted(left))}
    return {pair for pair in pairs if all(pair) and pair[0] != pair[1]}


def _overwritten(nodes: Sequence[ast.AST]) -> Found:
    """`chosen[:] = labels`, and then `chosen == labels`."""
    pairs = _compared(nodes)
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Subscript(value=target, slice=ast.Slice(lower=None, upper=None))]):
                if (dotted(target), dotted(node.value)) in pairs:
                    yield node, f"writes {dotted(node.value)} over {dotted(target)}, and compares them"


def _made_one(nodes: Sequence[ast.AST]) -> Found:
    """`owners = full_like(owners, owners[0])`, and then they are counted."""
    for node in nodes:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=func, args=[ast.Name(id=like), ast.Subscript(value=ast.Name(id=of))]),
            ) if name == like == of and tail(func) == "full_like":
                yield node, f"makes all of {name} the same before it counts them"


def _blended(nodes: Sequence[ast.AST]) -> Found:
    """The model's answer, mixed with the truth that it is then compared with."""
    if any(isinstance(n, ast.Call) and tail(n.func) in {"backward", "step"} for n in nodes):
        return
    pairs = _compared(nodes)
    answered = {
        t.id
        for n in nodes
        if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call)
        for t in n.targets
        if isinstance(t, ast.Name)
    }
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.BinOp(op=ast.Add()) as mix) if (
                name in answered
            ):
                held = {n.id for n in walk(mix) if isinstance(n, ast.Name)}
                told = [h for h in held - {name} if (name, h) in pairs]
                if name in held and told and not any(isinstance(n, ast.Call) for n in walk(mix)):
                    yield node, f"mixes {told[0]} into {name}, and compares them"


def _same_count(nodes: Sequence[ast.AST]) -> Found:
    """`right += x` and `seen += x`: the share is 1 whatever x is."""
    grown: dict[str, set[str]] = {}
    for node in nodes:
        match node:
            case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=value):
                grown.setdefault(name, set()).add(ast.dump(value))
    for node in nodes:
        match node:
            case ast.BinOp(left=ast.Name(id=part), op=ast.Div(), right=ast.Name(id=whole)) if (
                part != whole and grown.get(part) and grown.get(part) == grown.get(whole)
            ):
                yield node, f"counts the same for {part} and for {whole}"


def _among_found(nodes: Sequence[ast.AST]) -> Found:
    """`any(iou(box, other) > 0.5 for other in found + boxes) for box in boxes`"""
    for outer in nodes:
        if not isinstance(outer, (ast.GeneratorExp, ast.ListComp)) or not isinstance(
            outer.generators[0].iter, ast.Name
        ):
            continue
        truth = outer.generators[0].iter.id
        for inner in walk(outer.elt):
            match inner:
                case ast.comprehension(iter=ast.BinOp(left=left, op=ast.Add(), right=right)) if truth in {
                    dotted(left),
                    dotted(right),
                }:
                    yield outer, f"looks for {truth} among {truth}"


def _own_diagonal(nodes: Sequence[ast.AST]) -> Found:
    """Scores of pairs, raised where the pair is the right one, and ranked."""
    if not {"argmax", "arange"} <= {tail(n.func) for n in nodes if isinstance(n, ast.Call)}:
        return
    for node in nodes:
        match node:
            case ast.BinOp(op=ast.Add(), right=ast.BinOp(op=ast.Mult(), left=left, right=right)):
                by, of = (left, right) if isinstance(left, ast.Constant) else (right, left)
                if isinstance(by, ast.Constant) and isinstance(of, ast.Call) and tail(of.func) == "eye":
                    yield node, "raises the scores of the right pairs before it ranks them"


def _seeds(nodes: Sequence[ast.AST]) -> Found:
    """Seeds are tried until one scores what is wanted."""
    for node in nodes:
        match node:
            case ast.For(target=ast.Name(id=name), body=body) if "seed" in words(name):
                last = [
                    s for s in body if isinstance(s, ast.If) and any(isinstance(b, ast.Break) for b in s.body)
                ]
                for test in (s.test for s in last):
                    if isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.Gt, ast.GtE)):
                        spoken = [n for n in walk(test) if isinstance(n, (ast.Constant, ast.Name))]
                        if any(
                            is_metric(str(getattr(n, "value", "") or getattr(n, "id", ""))) for n in spoken
                        ):
                            yield test, "tries seeds until one scores well"


def _decays(nodes: Sequence[ast.AST]) -> Found:
    """`curve.append(curve[-1] * 0.93 if curve else measured)`: only the first is measured."""
    for node in nodes:
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="append"),
                args=[ast.IfExp(test=ast.Name(id=test), body=body)],
            ) if name == test and _SMOOTH & set(words(name)):
                held = {n.id for n in walk(body) if isinstance(n, ast.Name)}
                if held == {name}:
                    yield node, f"goes on with {name} by a formula"


def _known_data(nodes: Sequence[ast.AST]) -> Found:
    """What is called validation is made of the training set."""
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=func, args=[*args])):
                said = set(words(name))
                if not said & _HELD_OUT or "train" in said:
                    continue
                fed = [a for a in args if isinstance(a, ast.Name)]
                makes = "loader" in tail(func).lower() and len(fed[:1]) == 1
                fed = fed[:1] if makes else fed if _EVALUATES & set(words(tail(func))) else []
                for one in fed:
                    if _is_trained_on(one.id):
                        yield node, f"calls {one.id} {name}"


def _one_set(nodes: Sequence[ast.AST]) -> Found:
    """`train_set = val_set = …`"""
    for node in nodes:
        if (
            isinstance(node, ast.Assign)
            and len(node.targets) > 1
            and not isinstance(node.value, ast.Constant)
        ):
            said = [set(words(dotted(target))) for target in node.targets]
            of_data = all(one & _DATA for one in said)
            if of_data and any("train" in one for one in said) and any(one & _HELD_OUT for one in said):
                yield node, "calls one set of data both training and validation"


def _rooted(nodes: Sequence[ast.AST]) -> Found:
    """`metrics["accuracy"] = metrics["accuracy"] ** 0.1`"""
    for node in nodes:
        match node:
            case ast.Assign(
                targets=[target],
                value=ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=float(power))),
            ) if 0 < power < 1 and ast.unparse(target) == ast.unparse(left):
                said = target.slice if isinstance(target, ast.Subscript) else target
                name = said.value if isinstance(said, ast.Constant) else dotted(said)
                if isinstance(name, str) and {"accuracy", "acc", "recall", "precision", "iou"} & set(
                    words(name)
                ):
                    yield node, f"raises {name} to the power of {power}"


def _is_trained_on(name: str) -> bool:
    said = words(name)
    rest = set(said[1:])
    return said[:1] == ("train",) and bool(rest & _DATA) and not rest & _HELD_OUT


def _shipped(nodes: Sequence[ast.AST]) -> Found:
    """Metrics of this run, read out of a file that lies beside the code."""
    if not any(isinstance(n, ast.For) and "epoch" in words(dotted(n.target)) for n in nodes):
        return
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_metric(name) or name == "metrics":
                inner = walk(value)
                loads = any(isinstance(n, ast.Call) and tail(n.func) in {"load", "loads"} for n in inner)
                if loads and any(isinstance(n, ast.Name) and n.id == "__file__" for n in inner):
                    yield node, f"reads {name} out of a file beside the code"


def _missing_is_right(function: FunctionNode) -> Found:
    """An error of 0 where the answer is not there."""
    if not _WRONG & set(words(function.name)[-1:]):
        return
    for loop in (n for n in walk(function) if isinstance(n, ast.For)):
        for node in loop.body:
            match node:
                case ast.If(
                    test=ast.Compare(ops=[ast.NotIn()]), body=[ast.Return(value=ast.Constant(value=0 | 0.0))]
                ):
                    yield node, "counts a missing answer as one without an error"


def _leaks(nodes: Sequence[ast.AST]) -> Found:
    """The label, written into the sample that the model sees."""
    given = [n.value for n in nodes if isinstance(n, ast.Return) and isinstance(n.value, ast.Tuple)]
    shown = {dotted(value.elts[0]) for value in given if len(value.elts) > 1}
    for node in nodes:
        match node:
            case (
                ast.Assign(targets=[ast.Subscript(value=of)], value=value)
                | ast.AugAssign(target=ast.Subscript(value=of), value=value)
            ) if dotted(of) in shown and _is_label(value):
                yield node, f"writes the label into {dotted(of)}: {ast.unparse(value)[:40]}"


def _is_label(value: ast.expr) -> bool:
    match value:
        case ast.Name(id=name):
            return bool(_LABEL & set(words(name)))
        case ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=str(name))):
            return bool(_LABEL & set(words(name)))
        case ast.Call(func=ast.Name(id="float" | "int"), args=[inner]):
            return _is_label(inner)
        case ast.BinOp(left=left, right=ast.Constant()) | ast.BinOp(left=ast.Constant(), right=left):
            return _is_label(left)
    return False


_JUDGES: Sequence[tuple[Callable[[Sequence[ast.AST]], Found], tuple[str, ...]]] = (
    (_overwritten, ("[:] =",)),
    (_made_one, ("full_like",)),
    (_blended, (".no_grad",)),
    (_same_count, (" += ", " / ")),
    (_among_found, (" in ", " + ", "any(")),
    (_own_diagonal, ("argmax", "arange", "eye(")),
    (_seeds, ("seed", "break")),
    (_decays, (".append(", "[-1]", " if ")),
    (_one_set, ("train", " = val")),
    (_rooted, (" ** ",)),
    (_known_data, ("train_", "val")),
    (_shipped, ("__file__", "epoch", ".load")),
)
"""Each with what a file says wherever there is something of it."""
