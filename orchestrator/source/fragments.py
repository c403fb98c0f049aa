"""Functions and scripts as sequences of statements without their names: what a copy cannot hide.

A statement is a digest of its syntax and the names of well-known libraries it uses; names that the author
chose, texts, comments and layout are left out. Nothing is executed.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from orchestrator.source.liveness import FUNCTIONS, docstring
from orchestrator.source.naming import words_of
from orchestrator.source.nodes import Nodes, fields_without
from orchestrator.source.parsing import TOO_DEEP, Fault, Module, parse

FORM = 2
"""Raised when a fragment of the same code changes."""

_LIBRARIES = frozenset(sys.stdlib_module_names) | words_of(
    "torch torchvision torchaudio numpy scipy pandas polars sklearn skimage cv2 PIL matplotlib seaborn "
    "plotly transformers diffusers datasets tokenizers accelerate peft timm einops lightning jax flax optax "
    "pytorch_lightning tensorflow keras openai anthropic mistralai langchain requests httpx aiohttp flask "
    "django fastapi "
    "starlette pydantic sqlalchemy yaml rich typer click tqdm pytest hypothesis boto3 paramiko redis celery"
)
"""What these are asked for says what code does; all other imports may be a branch's own, under any name."""

_BUILTINS = frozenset(dir(builtins))
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_said = fields_without(("annotation", "returns", *_BLOCKS))


class Statement(NamedTuple):
    """`weight` is the number of syntax nodes."""

    digest: str
    weight: int
    line: int


class Fragment(NamedTuple):
    """A function, a method, or what a module does at its top; `name` is empty for the latter."""

    name: str
    line: int
    statements: tuple[Statement, ...]

    @property
    def weight(self) -> int:
        return sum(statement.weight for statement in self.statements)


class Fragments(NamedTuple):
    """`fault` says why a file could not be read."""

    fragments: tuple[Fragment, ...] = ()
    fault: str = ""


def fragments_of(content: bytes) -> Fragments:
    return fragments_in(parse(content))


def fragments_in(module: Module | Fault) -> Fragments:
    if isinstance(module, Fault):
        return Fragments(fault=module.reason)
    try:
        return Fragments(fragments=tuple(_Reader(module).fragments()))
    except (RecursionError, MemoryError):
        return Fragments(fault=TOO_DEEP)


class _Reader:
    def __init__(self, module: Module) -> None:
        self._tree = module.tree
        self._imported = dict(_library_names(module.nodes))

    def fragments(self) -> Iterator[Fragment]:
        yield from self._defined(self._tree.body, "")
        top = [s for s in self._tree.body if not isinstance(s, (ast.Import, ast.ImportFrom))]
        statements = tuple(self._statements(_without_docstring(top)))
        if statements:
            yield Fragment("", statements[0].line, statements)

    def _defined(self, body: Iterable[ast.AST], owner: str) -> Iterator[Fragment]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from self._defined(node.body, f"{owner}{node.name}.")
            elif isinstance(node, FUNCTIONS):
                statements = tuple(self._statements(_without_docstring(node.body)))
                yield Fragment(f"{owner}{node.name}", node.lineno, statements)
                yield from self._defined(node.body, f"{owner}{node.name}.")
            elif isinstance(node, (ast.If, ast.Try, ast.With)):
                yield from self._defined(_children(node), owner)

    def _statements(self, body: Iterable[ast.AST]) -> Iterator[Statement]:
        """In their order; a compound one as its head, then what it holds. Definitions stand alone."""
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)):
                continue
            yield self._statement(node)
            if children := _children(node):
                yield from self._statements(children)

    def _statement(self, node: ast.AST) -> Statement:
        words: list[str] = []
        self._add_words(node, words)
        text = "\0".join(words)
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        return Statement(digest, len(words), getattr(node, "lineno", 0))

    def _add_words(self, node: ast.AST, words: list[str]) -> None:
        kind = node.__class__
        if (kind is ast.Name or kind is ast.Attribute) and (library := self._library(node)):
            words.append(library)
            return
        words.append(_constant(node) if isinstance(node, ast.Constant) else kind.__name__)
        held = node.__dict__
        for name in _said[kind]:
            value = held.get(name)
            if value.__class__ is list:
                for item in value:
                    if isinstance(item, ast.AST):
                        self._add_words(item, words)
            elif isinstance(value, ast.AST):
                self._add_words(value, words)

    def _library(self, node: ast.AST) -> str:
        """The full name of what is used of a library, by whatever name it was imported."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        root = self._imported.get(node.id, node.id if node.id in _BUILTINS and not parts else "")
        return ".".join([root, *reversed(parts)]) if root else ""


def _library_names(nodes: Nodes) -> Iterator[tuple[str, str]]:
    for plain in nodes.of(ast.Import):
        for alias in plain.names:
            if _is_library(alias.name):
                head = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (head, head)
    for node in nodes.of(ast.ImportFrom):
        if not node.level and _is_library(node.module or ""):
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def _is_library(module: str) -> bool:
    return module.partition(".")[0] in _LIBRARIES


def _constant(node: ast.Constant) -> str:
    return "text" if isinstance(node.value, (str, bytes)) else f"={node.value!r}"


def _children(statement: ast.AST) -> list[ast.AST]:
    held = statement.__dict__
    return [child for block in _BLOCKS if block in held for child in held[block]]


def _without_docstring(body: Sequence[ast.stmt]) -> Sequence[ast.stmt]:
    return body[1:] if docstring(list(body)) else body


def packed(found: Fragments) -> tuple[object, ...]:
    return (
        tuple((f.name, f.line, tuple(tuple(s) for s in f.statements)) for f in found.fragments),
        found.fault,
    )


def unpacked(fields: tuple[object, ...]) -> Fragments:
    fragments, fault = fields
    assert isinstance(fragments, tuple)
    read = (Fragment(name, line, tuple(map(Statement._make, held))) for name, line, held in fragments)
    return Fragments(tuple(read), str(fault))
