"""Symbolic links of a commit that lead out of its checkout: what lies behind them is nobody's work."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from orchestrator import git
from orchestrator.git import Git

_MOST_HOPS = 40
"""After so many links an operating system gives up."""


def links_outside(repository: Git, commit: str) -> tuple[str, ...]:
    """Their paths; those that are met through a link to a folder within are among them by that path too."""
    entries = git.tree_entries(repository, commit, recursive=True)
    links = {entry.path: entry.id for entry in entries if entry.mode == "120000"}
    contents = git.read_blobs(repository, list(dict.fromkeys(links.values())))
    targets = {
        path: contents[one].decode("utf-8", "surrogateescape")
        for path, one in links.items()
        if one in contents
    }
    return tuple(sorted(outward(targets)))


def outward(targets: Mapping[str, str]) -> frozenset[str]:
    """Of links, by path, with what they hold."""
    ends = {path: _end_of(path, targets) for path in targets}
    out = frozenset(path for path, end in ends.items() if end is None)
    return out | frozenset(
        posixpath.join(path, posixpath.relpath(one, end or "."))
        for path, end in ends.items()
        if end is not None
        for one in out
        if one.startswith(f"{end}/" if end else "")
    )


def _end_of(path: str, targets: Mapping[str, str]) -> str | None:
    """Where in the tree a path leads; None for out of it. Links in a circle lead to themselves."""
    here: list[str] = []
    left, hops = [*_reversed(path)], 0
    while left:
        part = left.pop()
        if part == "..":
            if not here:
                return None
            here.pop()
            continue
        target = targets.get("/".join([*here, part]))
        if target is None:
            here.append(part)
        elif target.startswith("/"):
            return None
        elif (hops := hops + 1) > _MOST_HOPS:
            return path
        else:
            left += _reversed(target)
    return "/".join(here)


def _reversed(path: str) -> Iterator[str]:
    return (part for part in reversed(path.split("/")) if part not in ("", "."))
