"""Answers that are read off the truth that came with the input, and samples of nothing but chance."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orchestrator.source.facts import Sign
from orchestrator.source.flow import content_of, reaching
from orchestrator.source.liveness import FUNCTIONS, FunctionNode
from orchestrator.source.naming import tail, words, words_of
from orchestrator.source.nodes import walk
from orchestrator.source.parsing import Module

TOLD, NOISE = "redflags/reads-the-truth", "redflags/random-answer"

_FINDS = words_of("detect locate predict classify recognize infer segment estimate")
_TRUTH = words_of("gt truth groundtruth label labels target targets annotation annotations answer answers")
_PLACES = words_of("box boxes bbox bboxes mask masks objects")
_DRAWN = words_of("rand randn random normal uniform standard_normal rand_like randn_like")
_OWNED = words_of("random noise noisy gaussian dummy fake mock")
_LAYOUT = words_of("float double half to type astype clamp reshape view contiguous unsqueeze squeeze")


def signs(module: Module) -> Iterator[Sign]:
    for owner in module.nodes.of(ast.ClassDef):
        spoken = words(owner.name)
        for method in (n for n in owner.body if isinstance(n, FUNCTIONS)):
            if _FINDS & set(words(method.name)[:1]):
                yield from _told(owner, method)
            elif method.name == "__getitem__" and _is_data(owner) and not _OWNED & set(spoken):
                yield from _noise(owner, method)


def _told(owner: ast.ClassDef, method: FunctionNode) -> Iterator[Sign]:
    """A truth that reaches the answer, where nothing is computed of the rest of the input."""
    needed = set(content_of(method))
    found = [n for n in walk(method) if (key := _key(n, needed)) and _is_truth(owner, method, key)]
    if not found or not needed & reaching(method):
        return
    read = {id(n.value) for n in walk(method) if isinstance(n, (ast.Attribute, ast.Subscript))}
    whole = any(isinstance(n, ast.Name) and n.id in needed and id(n) not in read for n in walk(method))
    others = [n for n in walk(method) if (key := _key(n, needed)) and not _is_truth(owner, method, key)]
    if not whole and not others:
        text = f"{owner.name}.{method.name} reads its answer off {ast.unparse(found[0])[:50]}"
        yield Sign(TOLD, method.lineno, f"{owner.name}.{method.name}", text)


def _key(node: ast.AST, needed: set[str]) -> str:
    match node:
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))) if name in needed:
            return key
        case ast.Attribute(value=ast.Name(id=name), attr=key) if name in needed:
            return key
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get"), args=[key, *_]) if (
            name in needed and isinstance(key, ast.Constant) and isinstance(key.value, str)
        ):
            return key.value
    return ""


def _is_truth(owner: ast.ClassDef, method: FunctionNode, key: str) -> bool:
    said = set(words(key))
    if said & _TRUTH or key == "get":
        return True
    finds_places = words(method.name)[0] in {"detect", "locate", "segment"}
    named = {word.rstrip("s") for word in words(owner.name)}
    return finds_places and (bool(said & _PLACES) or bool({word.rstrip("s") for word in said} & named))


def _is_data(owner: ast.ClassDef) -> bool:
    return owner.name.endswith("Dataset") or any(tail(base).endswith("Dataset") for base in owner.bases)


def _noise(owner: ast.ClassDef, method: FunctionNode) -> Iterator[Sign]:
    """Every part of a sample is drawn as it is, counted or constant, and one at least is drawn."""
    given = {
        t.id: n.value
        for n in walk(method)
        if isinstance(n, ast.Assign)
        for t in n.targets
        if isinstance(t, ast.Name)
    }
    changed = {t.id for n in walk(method) if (t := _changed(n)) is not None}
    returns = [n.value for n in walk(method) if isinstance(n, ast.Return) and n.value is not None]
    parts = [p for value in returns for p in _parts(value)]
    parts = [
        given[p.id] if isinstance(p, ast.Name) and p.id in given and p.id not in changed else p for p in parts
    ]
    drawn = [p for p in parts if _is_drawn(p)]
    index = {a.arg for a in method.args.args}
    if drawn and all(p in drawn or _is_counted(p, index) for p in parts):
        text = f"{owner.name} is made of chance: {ast.unparse(drawn[0])[:50]}"
        yield Sign(NOISE, method.lineno, f"{owner.name}.__getitem__", text)


def _changed(node: ast.AST) -> ast.Name | None:
    match node:
        case ast.AugAssign(target=target):
            pass
        case ast.Assign(targets=[ast.Subscript(value=target)]):
            pass
        case _:
            return None
    while isinstance(target, (ast.Subscript, ast.Attribute)):
        target = target.value
    return target if isinstance(target, ast.Name) else None


def _parts(value: ast.expr) -> list[ast.expr]:
    match value:
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Dict(values=items):
            return list(items)
    return [value]


def _is_drawn(value: ast.expr) -> bool:
    match value:
        case ast.Call(func=ast.Attribute(value=inner, attr=attr)) if attr in _LAYOUT:
            return _is_drawn(inner)
        case ast.BinOp(left=left, right=right):
            sides = sorted((left, right), key=lambda side: isinstance(side, ast.Constant))
            return isinstance(sides[1], ast.Constant) and _is_drawn(sides[0])
        case ast.Call(func=func):
            return tail(func) in _DRAWN
    return False


def _is_counted(value: ast.expr, index: set[str]) -> bool:
    """Numbers and the index alone, also of how many classes there are, or drawn as a whole number."""
    calls = {tail(n.func) for n in walk(value) if isinstance(n, ast.Call)}
    names = {n.id for n in walk(value) if isinstance(n, ast.Name)} - {"torch", "np", "numpy", "random", "len"}
    return calls <= {"tensor", "len", "randint", "int", "LongTensor", "integers", "choice"} and names <= index
