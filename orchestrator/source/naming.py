"""Words in identifiers, and dotted names in expressions."""

from __future__ import annotations

import ast
import re
from functools import lru_cache

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")


@lru_cache(maxsize=50_000)
def words(identifier: str) -> tuple[str, ...]:
    """`extract_features` and `ExtractFeatures` alike: extract, features."""
    return tuple(word.lower() for word in _WORDS.findall(identifier))


def plain(name: str) -> str:
    """A name without case and separators, so that `GPT-4` and `gpt4` are the same."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a chain of attributes; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def tail(node: ast.expr) -> str:
    """The last name of a callee: `create` of `client.chat.completions.create`, also of `f().create`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def words_of(text: str) -> frozenset[str]:
    """A vocabulary, written as one text."""
    return frozenset(text.split())
