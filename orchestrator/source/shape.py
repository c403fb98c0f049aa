"""The shape of a module: what stays the same when only names and texts are changed."""

from __future__ import annotations

import ast
import hashlib

from orchestrator.source.facts import Facts
from orchestrator.source.parsing import Module


def shape(module: Module, facts: Facts) -> tuple[str, int]:
    """A digest of node kinds, numbers and the outside names used; and how many nodes that is of."""
    parts = []
    for node in module.nodes.order:
        kind = type(node).__name__
        if kind == "Constant":
            value = node.value  # type: ignore[attr-defined]
            kind = "" if isinstance(value, str) else f"={value!r}"
        if kind and not (kind == "Expr" and _is_docstring(node)):
            parts.append(kind)
    outside = [use for use in facts.uses if not use.startswith(".")]
    text = "\0".join([*parts, *outside])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24], len(parts)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
