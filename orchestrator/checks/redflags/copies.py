"""Two branches' folders with the same file in them, only the names changed."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from orchestrator.source.facts import Sign
from orchestrator.source.index import Index
from orchestrator.source.listing import SourceFile

RULE = "redflags/copied-file"

_LEAST_NODES, _LEAST_OF_A_NAME = 80, 50
"""Smaller files are alike by nature: a package's `__init__`, a configuration. Of two that are called alike
less is enough."""


def judge(index: Index, file: SourceFile) -> Iterator[Sign]:
    facts = index.facts(file)
    works = facts.functions or any(one.methods for one in facts.classes)
    if facts.shape_size < _LEAST_OF_A_NAME or not works or file.inner.endswith("__init__.py"):
        return
    for other in index.alike(file):
        (folder, name), (own, called) = posixpath.split(other.inner), posixpath.split(file.inner)
        enough = facts.shape_size >= _LEAST_NODES or (name == called and facts.shape_size >= _LEAST_OF_A_NAME)
        if folder != own and enough:
            yield Sign(RULE, 1, other.inner, f"is {other.path} with other names: line by line the same code")
            return
