"""What the user typed for workstreams and waves, held against those there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from orchestrator.errors import UsageError

_Wave = TypeVar("_Wave", bound=int)


def chosen(given: Sequence[str] | None, known: Iterable[str]) -> tuple[str, ...]:
    """The names that were meant, each once, in the order given; all of `known` when none was given.

    Raises:
        UsageError: a name or pattern that means none of them.
    """
    every = tuple(known)
    return tuple(dict.fromkeys(n for word in given for n in _meant(word, every))) if given else every


def require_one_of(kind: str, word: str, known: Iterable[str]) -> str:
    every = tuple(known)
    if word in every:
        return word
    raise _unknown(kind, word, every)


def require_wave(number: int, known: Iterable[_Wave]) -> _Wave:
    every = tuple(known)
    for wave in every:
        if wave == number:
            return wave
    raise UsageError(f"no wave {number} in the plan; there are: {', '.join(map(str, every)) or 'none'}.")


def _meant(word: str, known: tuple[str, ...]) -> tuple[str, ...]:
    if word in known:
        return (word,)
    matching = tuple(name for name in known if fnmatchcase(name, word))
    if not matching:
        raise _unknown("workstream", word, known)
    return matching


def _unknown(kind: str, word: str, known: tuple[str, ...]) -> UsageError:
    from difflib import get_close_matches

    close = get_close_matches(word.lower(), known, n=1)
    listed = ", ".join(known[:40]) + (", …" if len(known) > 40 else "")
    return UsageError(
        f"unknown {kind} '{word}'; known: {listed or 'none'}.",
        f"did you mean '{close[0]}'?" if close else None,
    )
