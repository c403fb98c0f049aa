"""Names that a module offers and does not have."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from orchestrator.source.facts import Sign
from orchestrator.source.index import Index
from orchestrator.source.listing import SourceFile

RULE = "redflags/undefined-export"


def judge(index: Index, file: SourceFile) -> Iterator[Sign]:
    facts = index.facts(file)
    dynamic = any(i.name == "*" for i in facts.imports) or {"__getattr__", "globals", "vars"} & {
        *facts.bound,
        *facts.calls,
    }
    for name, line in () if dynamic else facts.exported:
        if name not in facts.bound and not (
            _is_submodule(index, file, name) or _is_beside(index, file, name)
        ):
            yield Sign(
                RULE, line, name, f"__all__ offers {name}, which the module neither defines nor imports"
            )


def _is_submodule(index: Index, file: SourceFile, name: str) -> bool:
    folder = file.inner.removesuffix("__init__.py")
    return any(inner.startswith((f"{folder}{name}.py", f"{folder}{name}/")) for inner in index.files)


def _is_beside(index: Index, file: SourceFile, name: str) -> bool:
    """A file of the same folder defines it: the one that is generated from this one, as a rule."""
    folder = posixpath.dirname(file.inner)
    return any(posixpath.dirname(one.file.inner) == folder for one in index.definitions(name))
