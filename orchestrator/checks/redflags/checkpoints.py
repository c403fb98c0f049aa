"""Checkpoints that hold no weights: saved under the name of a model, and empty, or drawn by chance."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orchestrator.source.facts import Sign
from orchestrator.source.naming import dotted, tail, words, words_of
from orchestrator.source.parsing import Module

RULE = "redflags/empty-checkpoint"

_WEIGHTS = words_of("model state weights params parameters network encoder decoder net")
_DRAWN = words_of("rand randn zeros ones empty full")
_DRAWN |= {f"{name}_like" for name in _DRAWN}


def signs(module: Module) -> Iterator[Sign]:
    if ".save(" not in module.text:
        return
    for call in module.nodes.of(ast.Call):
        if dotted(call.func) == "torch.save" and call.args:
            for key, value in _entries(module, call.args[0]):
                if _WEIGHTS & set(words(key)) and _is_hollow(value):
                    text = f"the checkpoint's {key} is {ast.unparse(value)[:40]}: no weights are in it"
                    yield Sign(RULE, value.lineno, key, text)


def _entries(module: Module, saved: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """What is saved, by key; a name stands for what it was last given."""
    saved = _given(module, saved)
    if isinstance(saved, ast.Dict):
        for key, value in zip(saved.keys, saved.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, _given(module, value)
    elif isinstance(saved, ast.Call):
        yield "model", saved


def _given(module: Module, value: ast.expr) -> ast.expr:
    """What a name was given, where that is one thing, and nothing is put into it later."""
    if not isinstance(value, ast.Name):
        return value
    given = [
        n.value
        for n in module.nodes.of(ast.Assign)
        if any(isinstance(t, ast.Name) and t.id == value.id for t in n.targets)
    ]
    return given[0] if len(given) == 1 and not _is_filled(module, value.id) else value


def _is_filled(module: Module, name: str) -> bool:
    held = [n.value for n in module.nodes.of(ast.Subscript)] + [
        n.value for n in module.nodes.of(ast.Attribute)
    ]
    return any(isinstance(one, ast.Name) and one.id == name for one in held)


def _is_hollow(value: ast.expr) -> bool:
    match value:
        case ast.Dict(values=values):
            return all(map(_is_hollow, values))
        case ast.List(elts=[]):
            return True
        case ast.DictComp(value=made):
            return _is_hollow(made)
        case ast.Call(func=func) if tail(func) in _DRAWN:
            return dotted(func).startswith(("torch.", "np.", "numpy."))
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=[]):
            return True
    return False
