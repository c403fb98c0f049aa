"""How much two sequences of statements share, and finding those worth comparing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from orchestrator.source.fragments import Fragment, Statement

_COMMON = 60
"""A pair of statements that stands in so many fragments says nothing about any two of them."""

Shingle = tuple[str, ...]


def shared_weight(a: Fragment, b: Fragment) -> int:
    """Syntax nodes of the statements that both have in the same order."""
    ours, theirs = ([s.digest for s in one.statements] for one in (a, b))
    if ours == theirs:
        return a.weight
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    return sum(
        _weight(a.statements[block.a : block.a + block.size]) for block in matcher.get_matching_blocks()
    )


def _weight(statements: Iterable[Statement]) -> int:
    return sum(statement.weight for statement in statements)


def shingles(fragment: Fragment) -> set[Shingle]:
    """Statements with the next one; of a single statement, itself."""
    digests = [statement.digest for statement in fragment.statements]
    return set(pairwise(digests)) or {(digest,) for digest in digests}


class Lookup:
    """Fragments by their shingles; keys are whatever names them."""

    def __init__(self, fragments: Mapping[int, Fragment]) -> None:
        self._shingles = {key: shingles(fragment) for key, fragment in fragments.items()}
        self._holders: dict[Shingle, list[int]] = defaultdict(list)
        for key, held in self._shingles.items():
            for shingle in held:
                self._holders[shingle].append(key)

    def near(self, key: int) -> list[int]:
        """Those behind it that share something rare with it."""
        found: dict[int, None] = {}
        for shingle in self._shingles[key]:
            holders = self._holders[shingle]
            if 1 < len(holders) <= _COMMON:
                found.update((other, None) for other in holders if other > key)
        return list(found)

    def like(self, fragment: Fragment) -> list[int]:
        """Those that share something rare with it, or are the same all over."""
        found: dict[int, None] = {}
        for shingle in shingles(fragment):
            holders = self._holders.get(shingle, ())
            if len(holders) <= _COMMON:
                found.update(dict.fromkeys(holders))
        return list(found)


def best_share(fragment: Fragment, others: Sequence[Fragment]) -> float:
    """How much of a fragment the most similar of others has."""
    return max((shared_weight(fragment, other) / fragment.weight for other in others), default=0.0)
