"""Texts that stand ready for when the model is not asked: no key, no device, an error, a table by hash."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orchestrator.source.facts import Sign
from orchestrator.source.liveness import FunctionNode
from orchestrator.source.naming import dotted, tail, words, words_of
from orchestrator.source.nodes import walk
from orchestrator.source.parsing import Module

RULE = "redflags/canned-answer"

_LIBRARIES = ("openai", "anthropic", "mistralai", "transformers", "ollama", "vllm", "llama_cpp", "litellm")
_ASKED = words_of("generate complete chat ask query answer respond caption describe explain summarize")
_SWITCHES = words_of("client model llm environ getenv key dry offline mock available pipeline pipe")
_TELLS = words_of(
    """
    sorry error failed fail failure unavailable unable cannot could not missing again retry no none without
    disabled dry mock unknown timeout timed
    """
)
_LEAST_WORDS = 4


def signs(module: Module) -> Iterator[Sign]:
    if not any(library in module.text for library in _LIBRARIES):
        return
    yield from _replaced(module)
    tables = set(_tables(module))
    for function in module.nodes.functions():
        if not _ASKED & set(words(function.name)[:1]):
            continue
        for answer in _answers(function, tables):
            text = f"{function.name}() answers {ast.unparse(answer)[:60]} without asking"
            yield Sign(RULE, answer.lineno, function.name, text)


def _replaced(module: Module) -> Iterator[Sign]:
    """`Client.ask = lambda self, prompt: "It moves in a line."`"""
    for node in module.nodes.of(ast.Assign):
        match node:
            case ast.Assign(targets=[ast.Attribute() as target], value=ast.Lambda(body=body)):
                if _ASKED & set(words(target.attr)[:1]) and _is_sentence(body):
                    name = dotted(target)
                    yield Sign(RULE, node.lineno, name, f"{name} is replaced by {ast.unparse(body)[:50]}")


def _tables(module: Module) -> Iterator[str]:
    """Names of the module that hold ready answers."""
    for node in module.tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.List(elts=items) | ast.Tuple(elts=items)):
                if len(items) > 1 and all(_is_sentence(item) for item in items):
                    yield name


def _answers(function: FunctionNode, tables: set[str]) -> Iterator[ast.expr]:
    for node in walk(function):
        match node:
            case ast.If(test=test, body=body) if _is_switch(test):
                yield from _said(body)
            case ast.ExceptHandler(body=body):
                yield from _said(body)
            case ast.Return(value=ast.Subscript(value=ast.Name(id=name), slice=place) as value):
                if name in tables and isinstance(place, ast.BinOp) and isinstance(place.op, ast.Mod):
                    yield value
            case ast.Return(value=ast.Call(func=func, args=[ast.Name(id=name)]) as value):
                if name in tables and tail(func) in {"choice", "sample"}:
                    yield value


def _is_switch(test: ast.expr) -> bool:
    """Asks whether somebody could be asked at all: of the client, of a setting, of the device."""
    names = [dotted(n) for n in walk(test) if isinstance(n, (ast.Attribute, ast.Name))]
    return any(_SWITCHES & set(words(name.rpartition(".")[2])) for name in names)


def _said(body: list[ast.stmt]) -> Iterator[ast.expr]:
    for statement in body:
        if (
            isinstance(statement, ast.Return)
            and statement.value is not None
            and _is_sentence(statement.value)
        ):
            yield statement.value


def _is_sentence(value: ast.expr) -> bool:
    """Text that says something, and not that something went wrong."""
    match value:
        case ast.Constant(value=str(text)):
            said = text
        case ast.JoinedStr(values=values):
            said = " ".join(str(v.value) for v in values if isinstance(v, ast.Constant))
        case _:
            return False
    spoken = said.lower().replace("'", " ").split()
    return len(spoken) >= _LEAST_WORDS and not {word.strip(".,:;!?[]()") for word in spoken} & _TELLS
