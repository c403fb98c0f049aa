"""Facts of many files: remembered ones from the cache, the rest read now, by several processes when many."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TypeVar

from orchestrator.source.cache import FactsCache, FragmentsCache
from orchestrator.source.comments import allowances, code_lines
from orchestrator.source.facts import Facts, Sign
from orchestrator.source.fragments import Fragments, fragments_in
from orchestrator.source.index import Index
from orchestrator.source.listing import Listing
from orchestrator.source.outline import outline
from orchestrator.source.parsing import Fault, Module, parse
from orchestrator.source.shape import shape

_WORTH_PROCESSES = 600
"""Fewer files are read sooner by one process than a second one has started."""
_PORTION = 50
_MOST_PROCESSES = 8

T = TypeVar("T")
Signs = Callable[[Module], Iterable[Sign]]


def read_index(
    listing: Listing, cache: FactsCache, families: Sequence[Signs], beside: FragmentsCache | None = None
) -> Index:
    """Blocks while files are read. A file that cannot be read has facts that say why.

    What is read now is also kept as fragments in `beside`: that costs little once there is a syntax tree.
    """
    ids = [file.id for file in listing.files]
    facts = cache.load(ids)
    contents = listing.fetch([one for one in dict.fromkeys(ids) if one not in facts])
    if beside is None:
        new = spread(partial(facts_of, families=tuple(families)), contents)
    else:
        both = spread(partial(_both_of, families=tuple(families)), contents)
        new = {one: read for one, (read, _) in both.items()}
        beside.keep({one: fragments for one, (_, fragments) in both.items()})
    cache.keep(new)
    facts |= new
    return Index(listing.files, facts | {one: Facts(fault="is missing") for one in ids if one not in facts})


def spread(read: Callable[[bytes], T], contents: Mapping[str, bytes]) -> dict[str, T]:
    """What `read` makes of each content, by several processes when there are many."""
    if len(contents) < _WORTH_PROCESSES or (os.cpu_count() or 1) == 1:
        return {one: read(content) for one, content in contents.items()}
    # `spawn`: the daemon has threads, and a fork of it could hold a lock for ever.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(os.cpu_count() or 1, _MOST_PROCESSES), mp_context=context) as pool:
        found = list(pool.map(read, contents.values(), chunksize=_PORTION))
    return dict(zip(contents, found, strict=True))


def _both_of(content: bytes, families: Sequence[Signs]) -> tuple[Facts, Fragments]:
    module = parse(content)
    return _facts_in(module, families), fragments_in(module)


def facts_of(content: bytes, families: Sequence[Signs] = ()) -> Facts:
    return _facts_in(parse(content), families)


def _facts_in(module: Module | Fault, families: Sequence[Signs]) -> Facts:
    if isinstance(module, Fault):
        return Facts(fault=module.reason, fault_line=module.line)
    try:
        return _facts(module, families)
    except (RecursionError, MemoryError):
        return Facts(fault="nested too deeply to be read")


def _facts(module: Module, families: Sequence[Signs]) -> Facts:
    found = outline(module)
    digest, size = shape(module, found)
    return found._replace(
        code_lines=code_lines(module),
        shape=digest,
        shape_size=size,
        signs=tuple(sign for family in families for sign in _shown(family, module)),
        allowances=allowances(module),
    )


def _shown(family: Signs, module: Module) -> list[Sign]:
    try:
        return list(family(module))
    except RecursionError:  # an expression too deep to be followed shows nothing
        return []
