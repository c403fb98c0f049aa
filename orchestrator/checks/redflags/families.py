"""The families of red flags: those a syntax tree shows, and those that follow from the facts of all files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from orchestrator.checks.redflags import (
    answers,
    bent,
    checkpoints,
    copies,
    cores,
    depends,
    discarded,
    doubles,
    drops,
    elsewhere,
    exports,
    hiding,
    hollow,
    layers,
    learning,
    metrics,
    names,
    placeholders,
    remotes,
    roles,
    severed,
    stand_ins,
    swapped,
    told,
    training,
    truths,
    unasked,
    unlearned,
    wrappers,
)
from orchestrator.source.facts import Sign
from orchestrator.source.index import Index
from orchestrator.source.listing import SourceFile
from orchestrator.source.parsing import Module

SIGNS: Sequence[Callable[[Module], Iterable[Sign]]] = (
    placeholders.signs,
    hiding.signs,
    metrics.signs,
    training.signs,
    learning.signs,
    depends.signs,
    bent.signs,
    layers.signs,
    drops.signs,
    hollow.signs,
    checkpoints.signs,
    discarded.signs,
    unasked.signs,
    truths.signs,
    swapped.signs,
    elsewhere.signs,
    unlearned.signs,
    told.signs,
    severed.signs,
    stand_ins.signs,
)

_JUDGES: Sequence[Callable[[Index, SourceFile], Iterable[Sign]]] = (
    answers.judge,
    names.judge,
    wrappers.judge,
    copies.judge,
    exports.judge,
    roles.judge,
    remotes.judge,
    cores.judge,
    doubles.judge,
)


def signs_of(index: Index, file: SourceFile) -> Iterator[Sign]:
    """Every red flag of one file. Tests may fake whatever they like, but not
    themselves, and generated code is nobody's claim."""
    facts = index.facts(file)
    if facts.is_generated:
        return
    if file.is_test:
        yield from (sign for sign in facts.signs if sign.rule == hollow.RULE)
        return
    if facts.fault:
        yield Sign("redflags/unreadable", facts.fault_line, facts.fault, facts.fault)
    yield from (sign for sign in facts.signs if sign.rule != hollow.RULE)
    for judge in _JUDGES:
        yield from judge(index, file)
