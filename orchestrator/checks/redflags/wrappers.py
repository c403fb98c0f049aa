"""Files in which every class and function only hands on what it is given."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.source.facts import Class, Facts, Sign
from orchestrator.source.index import Definition, Index
from orchestrator.source.listing import SourceFile

RULE = "redflags/thin-wrappers"

_MARKERS = (
    "Error",
    "Exception",
    "Warning",
    "Interrupt",
    "Enum",
    "ABC",
    "Protocol",
    "object",
    "Flag",
    "Exit",
    "Mixin",
)
_OWN = {"__init__", "__repr__", "__str__"}


def judge(index: Index, file: SourceFile) -> Iterator[Sign]:
    facts = index.facts(file)
    if file.inner.endswith("__init__.py") or facts.is_program or not _is_thin(index, file, facts):
        return
    names = [one.name for one in facts.defined]
    first = min(one.line for one in facts.defined)
    listed = ", ".join(names[:4])
    yield Sign(RULE, first, "", f"the whole file only wraps: {listed} hand on what they are given")


def _is_thin(index: Index, file: SourceFile, facts: Facts) -> bool:
    if not facts.classes and len(facts.functions) < 2:
        return False
    renamed = [one.bases for one in facts.classes if not one.methods]
    if len(renamed) > len(set(renamed)):  # kinds of one thing, told apart by their names
        return False
    return all(_is_wrapper(index, Definition(file, one)) for one in facts.classes) and all(
        f.passes_through for f in facts.functions
    )


def _is_wrapper(index: Index, of: Definition) -> bool:
    one = of.what
    assert isinstance(one, Class)
    if one.abstract or one.decorated or (not one.bases and not one.methods):
        return False
    if not one.methods:  # only a new name for what it inherits
        outside = [base for heir in index.lineage(of) for base in index.parents(heir)[1]]
        return not one.fields and not any(base.endswith(_MARKERS) for base in outside)
    working = [m for m in one.methods if m.name not in _OWN]
    return not one.fields and one.only_keeps and bool(working) and all(m.passes_through for m in working)
