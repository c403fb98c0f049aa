"""The commit under check and the one it forked from, as the honest-branch checks read them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from orchestrator import git
from orchestrator.checks.finding import Subject
from orchestrator.checks.redflags.families import SIGNS
from orchestrator.git import Git
from orchestrator.home import find_checkout
from orchestrator.source import reading
from orchestrator.source.cache import FactsCache, FragmentsCache
from orchestrator.source.index import Index
from orchestrator.source.listing import Listing, committed
from orchestrator.source.reading import Signs, is_long, read_index, uncollected

_TREES_KEPT = 8
"""What several checks of one branch look at is read once; a commit never changes."""


_reading = threading.Lock()
"""Gates of several branches run in threads; one reading at a time has all the processors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    listing: Listing
    index: Index


@dataclass(frozen=True, slots=True, kw_only=True)
class Forked:
    """A branch's tip, what it forked from, and the paths it changed since (deletions left out)."""

    tip: Tree
    fork: str
    changed: frozenset[str]


def read_commit(subject: Subject, commit: str) -> Tree:
    """Blocks while files that were never seen before are read: when many, those of all `together`."""
    with _reading, uncollected():
        return _read_commit(str(subject.git.directory), commit, subject.together)


@lru_cache(maxsize=_TREES_KEPT)
def _read_commit(directory: str, commit: str, together: tuple[str, ...]) -> Tree:
    listing, (facts, families, fragments) = committed(Git(directory), commit), _caches(directory)
    if is_long(listing, facts):
        _read_ahead(directory, together)
    return Tree(listing=listing, index=read_index(listing, facts, families, fragments))


def read_ahead(subject: Subject, commits: Sequence[str]) -> None:
    """Read what several commits hold in one go, so that each of them is known when it is asked for."""
    with _reading, uncollected():
        _read_ahead(str(subject.git.directory), tuple(commits))


@lru_cache(maxsize=1)
def _read_ahead(directory: str, commits: tuple[str, ...]) -> None:
    repository = Git(directory)
    files = tuple(file for commit in commits for file in committed(repository, commit).files)
    listing = Listing(files=files, skipped=(), fetch=partial(git.read_blobs, repository))
    reading.read_ahead(listing, *_caches(directory))


def _caches(directory: str) -> tuple[FactsCache, Sequence[Signs], FragmentsCache]:
    state = find_checkout(Path(directory)).state.checks
    return FactsCache(state / "facts.db"), SIGNS, FragmentsCache(state / "fragments.db")


def read_fork(subject: Subject) -> Forked:
    fork, changed = _changed(str(subject.git.directory), subject.base, subject.commit)
    return Forked(tip=read_commit(subject, subject.commit), fork=fork, changed=changed)


@lru_cache(maxsize=_TREES_KEPT)
def _changed(directory: str, base: str, commit: str) -> tuple[str, frozenset[str]]:
    repository = Git(directory)
    fork = git.merge_base(repository, base, commit) or base
    changes = git.changed_paths(repository, fork, commit)
    return fork, frozenset(change.path for change in changes if change.kind != "D")


def files_at(subject: Subject, *places: tuple[str, str]) -> tuple[str | None, ...]:
    """Committed text files, each a commit and a path; None where there is none."""
    names = [f"{commit}:{path}" for commit, path in places]
    found = git.read_blobs(subject.git, list(dict.fromkeys(names)))
    return tuple(found[n].decode("utf-8-sig", "replace") if n in found else None for n in names)
