"""Paths that differ in upper and lower case only: one file on some systems, two on others."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping


def folded(path: str) -> str:
    """Equal for paths that macOS and Windows take for one."""
    return unicodedata.normalize("NFC", path).casefold()


def by_fold(paths: Iterable[str]) -> dict[str, str]:
    return {folded(path): path for path in paths}


def collisions(added: Iterable[str], others: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Each added path with the other one it would fall on; `others` by their folded form."""
    return tuple(
        (path, other) for path in added if (other := others.get(folded(path))) is not None and other != path
    )
