"""The workstreams of a plan as written, with the defaults under them, however broken the rest is."""

from __future__ import annotations

import os.path
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from orchestrator.core.plan import DEFAULT_ROOT, LOCAL
from orchestrator.plan_file.tree import Place, Source, Tree, Unquoted, mapping
from orchestrator.plan_file.values import WAVE

DEFAULT_BASE = "main"
DEFAULT_INTEGRATION = "integration/wave{wave}"
_MERGED_BY_KEY = ("env", "heartbeat", "restart", "sync")
# What a workstream does is one choice: its own replaces all of the default one.
_WORK = ("run", "stages", "agent")
_WITH_WORK = (*_WORK, "resume", "brief")


@dataclass(frozen=True)
class Member:
    """A workstream under `waves`; `defaults` is the mapping of that name."""

    wave: int
    name: str
    place: Place
    own: dict[str, Tree]
    defaults: dict[str, Tree]

    @cached_property
    def merged(self) -> dict[str, Tree]:
        return merged(self.defaults, self.own)

    def key_place(self, key: str) -> Place:
        return (*self.place, key) if key in self.own else ("defaults", key)

    def text(self, key: str, otherwise: str) -> str:
        value = self.merged.get(key)
        return value if isinstance(value, str) else otherwise

    def count(self, key: str) -> int:
        return whole(self.merged.get(key))

    @property
    def host(self) -> str:
        return self.text("host", LOCAL)


def whole(value: Tree | None) -> int:
    """A whole number as written; 0 for anything else."""
    number = value.value if isinstance(value, Unquoted) else None
    return number if isinstance(number, int) else 0


def members(root: dict[str, Tree]) -> Iterator[Member]:
    """Every workstream of every wave that has a number, in the order of the file."""
    defaults = mapping(root.get("defaults"))
    for number, wave in waves(root).items():
        for name, own in mapping(wave.get("workstreams")).items():
            yield Member(number, name, wave_place(number, "workstreams", name), mapping(own), defaults)


def waves(root: dict[str, Tree]) -> dict[int, dict[str, Tree]]:
    found = mapping(root.get("waves")).items()
    return {int(key): mapping(wave) for key, wave in found if re.fullmatch(WAVE, key)}


def wave_place(number: int, *steps: str) -> Place:
    return ("waves", str(number), *steps)


def merged(defaults: dict[str, Tree], own: dict[str, Tree]) -> dict[str, Tree]:
    under = {
        key: value
        for key, value in defaults.items()
        if key not in _WITH_WORK or not any(work in own for work in _WORK)
    }
    both = {
        key: {**mapping(under.get(key)), **mapping(own[key])}
        for key in _MERGED_BY_KEY
        if isinstance(own.get(key), dict)
    }
    return {**under, **own, **both}


def plan_text(root: dict[str, Tree], key: str, otherwise: str) -> str:
    value = root.get(key)
    return value if isinstance(value, str) else otherwise


def repository_of(source: Source) -> Path:
    """The folder that paths of the plan begin at: the checkout around it, or its own folder."""
    folder = source.path.absolute().parent
    # Path.exists raises where a folder may not be searched.
    around = (parent for parent in (folder, *folder.parents) if os.path.exists(parent / ".git"))  # noqa: PTH110
    return next(around, folder)


def worktree_path(member: Member, repository: Path, project: str, root: str | None) -> str:
    """Where the worktree will stand on its host, as far as names tell."""
    named = member.text("worktree", "")
    if member.host == LOCAL:
        # Path.expanduser raises for a user who does not exist.
        path = os.path.expanduser(named or f"../{repository.name}.worktrees/{member.name}")  # noqa: PTH111
        return posixpath.normpath(repository / path)
    clone = posixpath.join(root or DEFAULT_ROOT, project)
    return posixpath.normpath(posixpath.join(clone, named or f"{clone}.worktrees/{member.name}"))
