"""Losses and figures that do not judge what they are given: it is replaced, weighed with 0, or sorted out."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

from orchestrator.checks.redflags.answers import MEASURES
from orchestrator.source.facts import Sign
from orchestrator.source.flow import content_of, reaching
from orchestrator.source.liveness import FunctionNode
from orchestrator.source.naming import tail, words, words_of
from orchestrator.source.nodes import walk
from orchestrator.source.parsing import Module

BLIND_LOSS, MADE_UP, CONSTANT = (
    "redflags/loss-ignores-input",
    "redflags/made-up-metric",
    "redflags/constant-answer",
)

_LIKE = words_of("zeros_like ones_like empty_like full_like rand_like randn_like randint_like")
_COUNTS = words_of("evaluate eval validate validation test benchmark")
_FINDS = words_of("detect locate recognize track")
_FAR = 1e6
"""A bound that nothing measured comes near."""


def signs(module: Module) -> Iterator[Sign]:
    for function in module.nodes.functions():
        spoken = words(function.name)
        is_measure, is_loss = bool(spoken) and spoken[-1] in MEASURES, spoken[-1:] == ("loss",)
        needed = set(content_of(function))
        if (is_measure or is_loss) and len(needed) > 1:
            if how := _replaced(function, needed) or _weighed_off(function, needed):
                rule = BLIND_LOSS if is_loss else MADE_UP
                yield Sign(rule, function.lineno, function.name, f"{function.name}() {how}")
            elif not is_loss and _keeps_what_fits(function, needed):
                how = "counts only those that are right already"
                yield Sign(MADE_UP, function.lineno, function.name, f"{function.name}() {how}")
        if (is_measure and not is_loss) or _FINDS & set(spoken[:1]):
            for compare in _never_false(function):
                rule = MADE_UP if is_measure else CONSTANT
                text = f"{function.name}() asks what always holds: {ast.unparse(compare)[:50]}"
                yield Sign(rule, compare.lineno, function.name, text)
        if _COUNTS & set(spoken):
            for told in _told(function):
                text = f"{function.name}() puts the label into the answer: {ast.unparse(told)[:50]}"
                yield Sign(MADE_UP, told.lineno, function.name, text)


def _replaced(function: FunctionNode, needed: set[str]) -> str:
    """`labels = zeros_like(labels)`, and nothing else of what was given."""
    for node in walk(function):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Call(func=func, args=[ast.Name(id=given), *_])
            ) if name == given and name in needed and tail(func) in _LIKE:
                return f"puts a blank in the place of {name}"
    return ""


def _weighed_off(function: FunctionNode, needed: set[str]) -> str:
    zeros = {name for name, values in _given(function).items() if all(map(_is_zero, values))}
    if not zeros or zeros & needed:
        return ""
    weighed = _Zeros(zeros).visit(copy.deepcopy(function))
    lost = (needed & reaching(function)) - reaching(weighed)
    return f"weighs {min(lost)} with 0" if lost else ""


def _given(function: FunctionNode) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for node in walk(function):
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)) if len(
                names
            ) == len(values):
                pairs = list(zip(names, values, strict=True))
            case ast.Assign(targets=targets, value=value):
                pairs = [(target, value) for target in targets]
            case ast.AugAssign(target=ast.Name() as added, value=value):
                pairs = [(added, ast.copy_location(ast.Name(id="?", ctx=ast.Load()), value))]
            case _:
                continue
        for target, value in pairs:
            if isinstance(target, ast.Name):
                found.setdefault(target.id, []).append(value)
    return found


def _is_zero(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value == 0 and not isinstance(value.value, bool)


class _Zeros(ast.NodeTransformer):
    """Names that only ever stand for 0, as 0."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self._names and isinstance(node.ctx, ast.Load):
            return ast.copy_location(ast.Constant(value=0), node)
        return node


def _keeps_what_fits(function: FunctionNode, needed: set[str]) -> bool:
    """All that is read of what was given is read where only equal pairs are kept."""
    for node in walk(function):
        if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)) and len(node.generators) == 1:
            (loop,) = node.generators
            targets = {n.id for n in walk(loop.target) if isinstance(n, ast.Name)}
            if any(_is_equal_pair(test, targets) for test in loop.ifs):
                inner = {id(n) for n in walk(node)}
                loads = [n for n in walk(function) if isinstance(n, ast.Name) and n.id in needed]
                return bool(loads) and all(id(n) in inner for n in loads)
    return False


def _is_equal_pair(test: ast.expr, targets: set[str]) -> bool:
    match test:
        case ast.Compare(left=ast.Name(id=a), ops=[ast.Eq()], comparators=[ast.Name(id=b)]):
            return a in targets and b in targets
    return False


def _never_false(function: FunctionNode) -> Iterator[ast.Compare]:
    """A comparison used as a figure, with a bound beyond anything: `error <= 1e9`."""
    branching: set[int] = set()
    for node in walk(function):
        if isinstance(node, (ast.If, ast.IfExp, ast.While)):
            branching |= {id(n) for n in walk(node.test)}
        elif isinstance(node, ast.Subscript):
            branching |= {id(n) for n in walk(node.slice)}
    for node in walk(function):
        match node:
            case ast.Compare(ops=[ast.Lt() | ast.LtE()], comparators=[bound]):
                holds = _number(bound) >= _FAR
            case ast.Compare(ops=[ast.Gt() | ast.GtE()], comparators=[bound]):
                holds = _number(bound) <= -_FAR
            case _:
                continue
        if holds and id(node) not in branching:
            yield node


def _number(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
    return 0.0


def _told(function: FunctionNode) -> Iterator[ast.expr]:
    """What the label is added to, before it is compared with the label."""
    given = _given(function)
    for node in walk(function):
        match node:
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[ast.Name(id=label)]):
                names = {n.id for n in walk(left) if isinstance(n, ast.Name)} - {label}
                for value in (v for name in names for v in given.get(name, ())):
                    yield from (mix for mix in walk(value) if _mixes(mix, label))  # type: ignore[misc]


def _mixes(node: ast.AST, label: str) -> bool:
    """A model's answer on one side, the label on the other."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, (ast.Add, ast.Mult, ast.Sub)):
        return False
    sides = [walk(side) for side in (node.left, node.right)]
    has = [any(isinstance(n, ast.Name) and n.id == label for n in side) for side in sides]
    calls = [any(isinstance(n, ast.Call) for n in side) for side in sides]
    return (has[0] and not has[1] and calls[1]) or (has[1] and not has[0] and calls[0])
