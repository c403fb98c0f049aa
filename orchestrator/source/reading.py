"""Facts of many files: remembered ones from the cache, the rest read now, by several processes when many."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from orchestrator.source import fragments
from orchestrator.source.cache import FactsCache, FragmentsCache, written
from orchestrator.source.comments import allowances, code_lines
from orchestrator.source.facts import Facts, Sign, packed
from orchestrator.source.fragments import fragments_in
from orchestrator.source.index import Index
from orchestrator.source.listing import Listing
from orchestrator.source.outline import outline
from orchestrator.source.parsing import TOO_DEEP, Fault, Module, parse
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
    new = _read_new(listing, [one for one in dict.fromkeys(ids) if one not in facts], cache, families, beside)
    facts |= {one: cache.read(content) for one, content in new.items()}
    return Index(listing.files, facts | {one: Facts(fault="is missing") for one in ids if one not in facts})


def read_ahead(
    listing: Listing, cache: FactsCache, families: Sequence[Signs], beside: FragmentsCache
) -> None:
    """Read what was never read before, so that it is known when it is asked for."""
    _read_new(listing, cache.missing(file.id for file in listing.files), cache, families, beside)


def is_long(listing: Listing, cache: FactsCache) -> bool:
    """Whether so much was never read before that several processes would read it."""
    if len(listing.files) < _WORTH_PROCESSES:
        return False
    return len(cache.missing(file.id for file in listing.files)) >= _WORTH_PROCESSES


def _read_new(
    listing: Listing,
    ids: Sequence[str],
    cache: FactsCache,
    families: Sequence[Signs],
    beside: FragmentsCache | None,
) -> dict[str, bytes]:
    """The facts as they are kept."""
    read = partial(_read, families=tuple(families), with_fragments=beside is not None)
    both = spread(read, listing.fetch(ids))
    facts = {one: found for one, (found, _) in both.items()}
    if beside is not None:
        beside.keep_written({one: found for one, (_, found) in both.items()})
    cache.keep_written(facts)
    return facts


@contextmanager
def uncollected() -> Iterator[None]:
    """Nothing looks for cycles meanwhile: for where millions of objects are made that have none."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def spread(read: Callable[[bytes], T], contents: Mapping[str, bytes]) -> dict[str, T]:
    """What `read` makes of each content, by several processes when there are many."""
    if len(contents) < _WORTH_PROCESSES or (os.cpu_count() or 1) == 1:
        return {one: read(content) for one, content in contents.items()}
    # `spawn`: the daemon has threads, and a fork of it could hold a lock for ever.
    context = multiprocessing.get_context("spawn")
    most = min(os.cpu_count() or 1, _MOST_PROCESSES)
    with ProcessPoolExecutor(most, mp_context=context, initializer=gc.disable) as pool:
        found = list(pool.map(read, contents.values(), chunksize=_PORTION))
    return dict(zip(contents, found, strict=True))


def _read(content: bytes, families: Sequence[Signs], with_fragments: bool) -> tuple[bytes, bytes]:
    """Facts and fragments as they are kept: made here, they cost the process that keeps them nothing."""
    module = parse(content)
    found = written(packed(_facts_in(module, families)))
    return found, written(fragments.packed(fragments_in(module))) if with_fragments else b""


def _facts_in(module: Module | Fault, families: Sequence[Signs]) -> Facts:
    if isinstance(module, Fault):
        return Facts(fault=module.reason, fault_line=module.line)
    try:
        return _facts(module, families)
    except (RecursionError, MemoryError):
        return Facts(fault=TOO_DEEP)
    except Exception as error:  # noqa: BLE001  whoever writes such a file must not stop the checks of others
        return Facts(fault=f"the reader fails on it ({type(error).__name__}: {error})"[:200])


def _facts(module: Module, families: Sequence[Signs]) -> Facts:
    found = outline(module)
    digest, size = shape(module, found)
    return found._replace(
        code_lines=code_lines(module),
        shape=digest,
        shape_size=size,
        signs=tuple(_signs(module, families)),
        allowances=allowances(module),
    )


def _signs(module: Module, families: Sequence[Signs]) -> Iterator[Sign]:
    """What is too deep to be followed might hide anything: that is a sign of its own."""
    is_whole = True
    for family in families:
        try:
            yield from list(family(module))
        except RecursionError:
            is_whole = False
    if not is_whole:
        text = "an expression is nested too deeply to be followed"
        yield Sign("redflags/unreadable", 0, text, text)
