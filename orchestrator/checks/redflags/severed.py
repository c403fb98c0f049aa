"""Networks, losses and trackers that are run, and of whose input nothing is left in the answer."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from orchestrator.source.facts import Sign
from orchestrator.source.liveness import FUNCTIONS, FunctionNode
from orchestrator.source.naming import dotted, tail, words, words_of
from orchestrator.source.nodes import walk
from orchestrator.source.parsing import Module

BLIND_LOSS, CONSTANT = "redflags/loss-ignores-input", "redflags/constant-answer"
CHANCE, TOLD = "redflags/random-answer", "redflags/reads-the-truth"

_CRITERIA = words_of("mse_loss l1_loss smooth_l1_loss huber_loss cross_entropy binary_cross_entropy kl_div")
_SAME = words_of("detach clone contiguous float")
_DRAWN = words_of("rand randn uniform normal standard_normal rand_like randn_like random")
_FINDS = words_of("detect predict classify locate segment")
_ANSWERS = words_of("score scores box boxes logit logits prob probs probabilities confidence")
_NAUGHT = words_of("zeros_like ones_like")
_MATCHES = words_of("update track associate assign match")
_READS_BACK = words_of("decode decompress reconstruct detokenize")
_IDS = words_of("ids indices index codes tokens")


def signs(module: Module) -> Iterator[Sign]:
    text = module.text
    if "torch" in text or "numpy" in text:
        for call in module.nodes.of(ast.Call):
            if tail(call.func) in _CRITERIA and len(call.args) > 1 and _is_same(*call.args[:2]):
                said = ast.unparse(call.args[0])[:40]
                yield Sign(BLIND_LOSS, call.lineno, said, f"the loss compares {said} with itself")
    for owner in module.nodes.of(ast.ClassDef):
        methods = [m for m in owner.body if isinstance(m, FUNCTIONS)]
        for method in methods:
            for rule, node, how in _of_method(owner, method):
                where = f"{owner.name}.{method.name}"
                yield Sign(rule, getattr(node, "lineno", method.lineno), where, f"{where} {how}")
        yield from _kept(owner, methods)


def _is_same(one: ast.expr, other: ast.expr) -> bool:
    """The same name, whether it is detached or not."""
    bare = [_bare(node) for node in (one, other)]
    return bool(dotted(bare[0])) and dotted(bare[0]) == dotted(bare[1])


def _bare(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _SAME:
        node = node.func.value
    return node


def _of_method(owner: ast.ClassDef, method: FunctionNode) -> Iterator[tuple[str, ast.AST, str]]:
    spoken, first = set(words(owner.name)), words(method.name)[:1]
    if method.name in {"forward", "encode", "decode", "__call__"}:
        yield from _emptied(walk(method))
    if _FINDS & set(first):
        yield from _by_chance(walk(method))
    if "tracker" in spoken and _MATCHES & set(first):
        yield from _counted_off(method)
    if spoken & {"quantizer", "tokenizer", "codebook", "quantize"}:
        yield from _counted_ids(walk(method))


def _emptied(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, ast.AST, str]]:
    """`x - x`, and layers that are fed zeros only."""
    for node in nodes:
        match node:
            case ast.Assign(value=ast.BinOp(left=ast.Name(id=left), op=ast.Sub(), right=ast.Name(id=right))):
                if left == right:
                    yield CONSTANT, node, f"takes {left} from itself"
            case ast.Return(value=ast.expr() as value):
                for call in walk(value):
                    if isinstance(call, ast.Call) and _fed_nothing(call):
                        yield CONSTANT, node, f"feeds {ast.unparse(call)[:50]}, whatever it is given"


def _fed_nothing(call: ast.Call) -> bool:
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="self")), args=[ast.Call(func=made, args=[_])], keywords=[]
        ):
            return tail(made) in _NAUGHT
    return False


def _by_chance(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, ast.AST, str]]:
    """Scores or places that are drawn, where the model's own would stand."""
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if _ANSWERS & set(words(name)):
                drawn = [n for n in walk(value) if isinstance(n, ast.Call) and tail(n.func) in _DRAWN]
                if drawn and not any(_asks_itself(n) for n in walk(value)):
                    yield CHANCE, node, f"draws {name}: {ast.unparse(drawn[0])[:50]}"


def _asks_itself(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and dotted(node.func).split(".")[0] == "self"


def _counted_off(method: FunctionNode) -> Iterator[tuple[str, ast.AST, str]]:
    """A tracker whose ids are the places in the list, and that remembers nothing of them."""
    given = {a.arg for a in method.args.args}
    for node in walk(method):
        for body in (getattr(node, "body", None), getattr(node, "orelse", None)):
            if not isinstance(body, list):
                continue
            remembers = any(
                isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store) for s in body for n in walk(s)
            )
            for answer in (s for s in body if isinstance(s, ast.Return) and not remembers):
                value = answer.value
                if isinstance(value, ast.Call) and tail(value.func) in {"list", "dict"} and value.args:
                    value = value.args[0]
                match value:
                    case ast.Call(func=ast.Name(id="enumerate"), args=[ast.Name(id=name), *_]) if (
                        name in given
                    ):
                        yield CONSTANT, answer, f"numbers {name} by their place, and tracks nothing"


def _counted_ids(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, ast.AST, str]]:
    """Codes that are counted off, not looked up."""
    for node in nodes:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.BinOp(left=ast.Call(func=func, args=[ast.Call(func=size)]), op=ast.Mod()),
            ) if _IDS & set(words(name)) and tail(func) == "arange" and tail(size) in {"len", "numel"}:
                yield CONSTANT, node, f"counts {name} off, whatever it is given"


def _kept(owner: ast.ClassDef, methods: Sequence[FunctionNode]) -> Iterator[Sign]:
    """What `encode` was given is put by, and `decode` hands it back."""
    stored = {
        target.attr
        for method in methods
        if words(method.name)[:1] == ("encode",)
        for node in walk(method)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Name)
        and node.value.id in {a.arg for a in method.args.args}
        for target in node.targets
        if isinstance(target, ast.Attribute)
    }
    for method in methods if stored else ():
        if not _READS_BACK & set(words(method.name)[:1]):
            continue
        for node in walk(method):
            if isinstance(node, ast.Return) and node.value is not None:
                ways = [node.value, *(getattr(node.value, side, None) for side in ("body", "orelse"))]
                if any(isinstance(w, ast.Attribute) and w.attr in stored for w in ways):
                    where = f"{owner.name}.{method.name}"
                    yield Sign(TOLD, node.lineno, where, f"{where} hands back what encode() was given")
