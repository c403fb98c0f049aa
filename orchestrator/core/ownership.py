"""Which files are a branch's own."""

from __future__ import annotations

from fnmatch import fnmatchcase

from orchestrator.core.plan import Workstream, is_fragment_of


def covers(pattern: str, path: str) -> bool:
    """A pattern is a file, a folder with everything below it, or a glob whose `*` also crosses folders."""
    folder = pattern.rstrip("/")
    return path == folder or path.startswith(f"{folder}/") or fnmatchcase(path, pattern)


def is_own(workstream: Workstream, path: str) -> bool:
    """Without `paths` everything is; its changelog fragment is its own wherever they are."""
    return (
        not workstream.paths
        or is_fragment_of(workstream.name, path)
        or any(covers(pattern, path) for pattern in workstream.paths)
    )
