"""Clients and models that are made and never asked, and answers that stand in their place."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from orchestrator.source.facts import Sign
from orchestrator.source.liveness import FUNCTIONS, FunctionNode
from orchestrator.source.naming import dotted, tail, words, words_of
from orchestrator.source.nodes import walk
from orchestrator.source.parsing import Module

NO_CLIENT, CANNED = "redflags/no-client", "redflags/canned-answer"

_LIBRARIES = words_of("openai anthropic mistralai cohere groq ollama transformers vllm llama_cpp litellm")
_BESIDE = ("Tokenizer", "Config", "Processor", "Encoding", "Streamer")
_ASKED = words_of(
    "generate complete chat ask query answer respond caption describe explain summarize translate completion"
)
_SWITCHES = words_of("environ getenv key keys offline online live demo mock mocked simulate simulated stub")
_LEAST_WORDS = 4


def signs(module: Module) -> Iterator[Sign]:
    made = _imported(module)
    if not made:
        return
    for owner in module.nodes.of(ast.ClassDef):
        methods = {n.name: n for n in owner.body if isinstance(n, FUNCTIONS)}
        held = {name for method in methods.values() for name in _held(method, made)}
        plain = all(tail(base) in {"object", "ABC", "Protocol"} for base in owner.bases)
        for method in methods.values():
            if not held or not _ASKED & set(words(method.name)[:1]):
                continue
            if plain and not _reads(method, methods, held, made):
                text = f"{owner.name}.{method.name} never asks self.{min(held)}"
                yield Sign(NO_CLIENT, method.lineno, f"{owner.name}.{method.name}", text)
            for line, said in _switched(method):
                text = f"{owner.name}.{method.name} answers {said[:50]} unless it is told to ask"
                yield Sign(CANNED, line, f"{owner.name}.{method.name}", text)


def _imported(module: Module) -> set[str]:
    """Names in this file that stand for a library that reaches a model, or something of one."""
    found = set()
    for node in module.nodes.of(ast.Import):
        found |= {a.asname or a.name.split(".")[0] for a in node.names if a.name.split(".")[0] in _LIBRARIES}
    for source in module.nodes.of(ast.ImportFrom):
        if (source.module or "").split(".")[0] in _LIBRARIES:
            found |= {a.asname or a.name for a in source.names}
    return found


def _held(method: FunctionNode, made: set[str]) -> Iterator[str]:
    """Attributes that are given a model or a client, and not only what stands beside one."""
    for node in walk(method):
        match node:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=attr)], value=value):
                roots = [dotted(n.func) for n in walk(value) if isinstance(n, ast.Call)]
                if any(r.split(".")[0] in made and not any(b in r for b in _BESIDE) for r in roots):
                    yield attr


def _reads(method: FunctionNode, methods: Mapping[str, FunctionNode], held: set[str], made: set[str]) -> bool:
    """Itself, or by another method; an object that is handed on whole may be asked anywhere."""
    todo, seen = [method], {method.name}
    for one in todo:
        for node in walk(one):
            match node:
                case ast.Attribute(value=ast.Name(id="self"), attr=attr, ctx=ast.Load()):
                    if attr in held:
                        return True
                    if attr in methods and attr not in seen:
                        seen.add(attr)
                        todo.append(methods[attr])
                case ast.Call(func=func, args=args):
                    if dotted(func).split(".")[0] in made or tail(func) in {"getattr", "super"}:
                        return True
                    if any(isinstance(a, ast.Name) and a.id == "self" for a in args):
                        return True
    return any(isinstance(s, ast.Raise) for s in method.body) or len(method.body) <= _is_said(method)


def _is_said(method: FunctionNode) -> int:
    """How many statements only declare: a docstring, `...`, `pass`."""
    return sum(
        isinstance(s, ast.Pass) or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        for s in method.body
    )


def _switched(method: FunctionNode) -> Iterator[tuple[int, str]]:
    """A sentence as the answer, where a setting or a missing key says that nobody is to be asked."""
    for node in walk(method):
        if isinstance(node, ast.If) and _is_switch(node.test):
            for answer in (s for block in (node.body, node.orelse) for s in block):
                if isinstance(answer, ast.Return) and _is_sentence(answer.value):
                    assert answer.value is not None
                    yield answer.lineno, ast.unparse(answer.value)


def _is_switch(test: ast.expr) -> bool:
    names = (n.attr if isinstance(n, ast.Attribute) else getattr(n, "id", "") for n in walk(test))
    return any(_SWITCHES & set(words(name)) for name in names if name)


def _is_sentence(value: ast.expr | None) -> bool:
    match value:
        case ast.Constant(value=str(text)):
            return len(text.split()) >= _LEAST_WORDS
        case ast.JoinedStr(values=values):
            said = " ".join(str(v.value) for v in values if isinstance(v, ast.Constant))
            return len(said.split()) >= _LEAST_WORDS
    return False
