"""Classes that are named for a role, and have nothing that fills it; models named, and never reached."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.checks.redflags.answers import NEUTRAL
from orchestrator.checks.redflags.services import (
    answers_texts,
    asks_injected,
    is_network,
    reaches_model,
    service_of,
)
from orchestrator.source.facts import Class, Kind, Sign
from orchestrator.source.index import Definition, Index
from orchestrator.source.listing import SourceFile
from orchestrator.source.naming import words

NO_CLIENT, NO_CORE = "redflags/no-client", "redflags/no-core-method"
NO_MEMORY = "redflags/no-memory"

_ROLES = {
    "tokenizer",
    "detector",
    "tracker",
    "extractor",
    "encoder",
    "decoder",
    "classifier",
    "quantizer",
    "embedder",
}
_ROLES |= {"predictor", "forecaster", "segmenter", "captioner"}
_BESIDE = {"processor", "extractor", "config", "tokenizer"}
"""What stands beside a model, and is called by its name."""
_ROOTS = {"object", "Module"}


def judge(index: Index, file: SourceFile) -> Iterator[Sign]:
    for one in index.facts(file).classes:
        of = Definition(file, one)
        if one.abstract:
            continue
        service = None if _BESIDE & set(words(one.name)[-1:]) else service_of(one.name)
        if service and answers_texts(one) and not _reached(index, of, service[1]):
            yield Sign(NO_CLIENT, one.line, one.name, f"{one.name} never reaches a model of {service[0]}")
        if not one.remembers and not NEUTRAL & set(words(one.name)):
            text = f"{one.name} keeps nothing of earlier calls that its answers depend on: it cannot follow"
            yield Sign(NO_MEMORY, one.line, one.name, text)
        if _is_hollow(one):
            yield Sign(
                NO_CORE,
                one.line,
                one.name,
                f"{one.name} has no method that does a {words(one.name)[-1]}'s work",
            )


def _reached(index: Index, of: Definition, libraries: frozenset[str]) -> bool:
    return is_network(index, of) or asks_injected(index, of) or reaches_model(index, [of.file], libraries)


def _is_hollow(one: Class) -> bool:
    """Only a constructor, or methods that do nothing, and no parent that adds the work."""
    spoken = words(one.name)
    if not spoken or spoken[-1] not in _ROLES or NEUTRAL & set(spoken) or one.decorated:
        return False
    if any(base.rpartition(".")[2] not in _ROOTS for base in one.bases) or not one.methods:
        return False
    rest = [m for m in one.methods if not m.name.startswith("__") or m.name == "__call__"]
    working = {Kind.REAL, Kind.FORWARDS, Kind.ABSTRACT}
    return not any(m.kind in working or "raise" in m.found for m in rest)
