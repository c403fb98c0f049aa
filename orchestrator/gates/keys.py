"""What a verdict depends on, as a name: equal names mean that one green speaks for both."""

from __future__ import annotations

import hashlib
import json
import posixpath
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from orchestrator import git
from orchestrator.checks import EDITION, SEES_APPROVALS, SEES_SIBLINGS, runs_commands
from orchestrator.checks.paths import covers
from orchestrator.core.plan import Gate
from orchestrator.gates.jobs import Job
from orchestrator.home import Home
from orchestrator.wire import Toolchain

_FORM = 2
"""Raised when what a stored verdict means changes."""

LOCK_FILES = (
    "constraints*.txt", "requirements*.txt", "poetry.lock", "uv.lock", "pdm.lock", "Pipfile.lock",
    "pixi.lock", "conda-lock.yml", "environment.yml", "environment.yaml", "package-lock.json",
    "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "Cargo.lock", "go.sum",
    "Gemfile.lock", "composer.lock", "flake.lock",
)  # fmt: skip
"""At the top of a tree these stand for what a set-up installs."""

_TOLD_WHO = ("ORCHESTRATOR_WORKSTREAM", "ORCHESTRATOR_WAVE")
_WITH_BASE = ("diff", "commits", "wave")
_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Key:
    """`digest` is of everything the verdict depends on, `subject` of what is judged alone."""

    gate: str
    subject: str
    digest: str

    @property
    def path(self) -> Path:
        return Path(self.subject, f"{self.gate}-{self.digest[:32]}.json")


def key_of(home: Home, job: Job, gate: Gate, toolchain: Toolchain | None) -> Key:
    """Reads git objects, which never change, and the files that the plan copies.

    `toolchain` is the host's; a built-in check that runs no command needs none.
    """
    seen = {**_checked(job, gate), **_cut(home)} if gate.check is not None else _seen(home, job, gate)
    asked: dict[str, Any] = {}
    if gate.check is not None:
        asked |= _check_definition(gate)
    if runs_commands(gate):
        asked |= _definition(home, job, gate, toolchain)
    subject = seen["tree"] if seen.keys() == {"tree"} else digest_of(seen)[:32]
    return Key(gate.name, subject, digest_of({"form": _FORM, "seen": seen, **asked}))


def trials_about(home: Home, job: Job, gate: Gate, toolchain: Toolchain | None) -> str:
    """Stands for what all trials of a check have in common besides the trees they see."""
    return digest_of({"form": _FORM, **_definition(home, job, gate, toolchain)})


def digest_of(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def base_seen(home: Home, job: Job, gate: Gate) -> str | None:
    """The commit that a gate is told as base: where the history it judges begins. None: it sees the tree."""
    if gate.scope not in _WITH_BASE:
        return None
    return _fork(str(home.root), job.base, job.commit) or job.base


def locks_of(home: Home, tree: str) -> str:
    """Stands for the lock files of a tree; empty where it has none."""
    found = _locks(str(home.root), tree)
    return digest_of(found) if found else ""


def _check_definition(gate: Gate) -> dict[str, Any]:
    return {"gate": gate.name, "check": gate.check, "settings": dict(gate.settings), "edition": EDITION}


def _checked(job: Job, gate: Gate) -> dict[str, Any]:
    """A built-in check may look at both commits, and at what the plan says of the branch; some at others."""
    asked: dict[str, Any] = {"base": job.base, "commit": job.commit, "claims": job.claims}
    if job.workstream is not None:
        stream = job.workstream
        plan = {"name": stream.name, "branch": stream.branch, "paths": stream.paths}
        asked["plan"] = {**plan, "components": stream.components, "results": stream.results}
    if gate.check in SEES_SIBLINGS:
        asked["siblings"] = sorted(
            (one.name, one.commit, one.workstream.paths, one.workstream.results) for one in job.siblings
        )
    if gate.check in SEES_APPROVALS:
        asked["approvals"] = sorted((one.tree, one.by, one.commit) for one in job.approvals)
    return asked


def _cut(home: Home) -> dict[str, str]:
    """Where a shallow clone ends: what was fetched since may change what a check of history says."""
    shallow = home.state.root.parent / "shallow"
    return {"shallow": digest_of(shallow.read_text())} if shallow.exists() else {}


def _definition(home: Home, job: Job, gate: Gate, toolchain: Toolchain | None) -> dict[str, Any]:
    return {
        "gate": gate.name,
        "run": gate.run,
        "scope": gate.scope,
        "inputs": gate.inputs,
        "gpu": gate.gpu,
        "setup": job.setup,
        "copy": [_copied(home.root / path, path) for path in job.copy],
        "env": _told(job, gate),
        "host": job.host,
        "toolchain": asdict(toolchain) if toolchain else None,
    }


def _told(job: Job, gate: Gate) -> dict[str, str]:
    """The environment; who the worker is only where a command asks for it by name."""
    text = f"{gate.run}\n{job.setup or ''}"
    return {name: value for name, value in job.env.items() if name not in _TOLD_WHO or name in text}


def _seen(home: Home, job: Job, gate: Gate) -> dict[str, Any]:
    repository = str(home.root)
    if gate.scope == "commits":
        # They are named after all that came before, so they hold the tree and the fork point too.
        return {"commits": _commits(repository, job.base, job.commit) or [job.commit]}
    seen: dict[str, Any] = {"tree": job.tree}
    if gate.inputs:
        seen = {"inputs": _inputs(repository, job.tree, gate.inputs), "locks": locks_of(home, job.tree)}
    base = base_seen(home, job, gate)
    if base is not None:
        seen["base"] = base
    return seen


# Objects never change: what was read once holds for as long as this process lives.


@lru_cache(maxsize=512)
def _inputs(repository: str, tree: str, patterns: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    """Path, mode and id of what lies at each pattern: one entry for a folder, one for each file of a glob."""
    there = git.Git(repository)
    wanted = {posixpath.normpath(pattern) for pattern in patterns}
    globs = {pattern for pattern in wanted if not _GLOB.isdisjoint(pattern)}
    top = _top(repository, tree)
    found = {entry for entry in top if "." in wanted or entry.path in wanted}
    if deeper := {pattern for pattern in wanted - globs if "/" in pattern}:
        found.update(git.tree_entries(there, tree, *sorted(deeper)))
    if globs:
        every = git.tree_entries(there, tree, recursive=True)
        # A glob that means a folder means what is in it.
        meant = [*globs, *(f"{glob}/*" for glob in globs)]
        found.update(entry for entry in every if any(covers(glob, entry.path) for glob in meant))
    return tuple(sorted((entry.path, entry.mode, entry.id) for entry in found))


@lru_cache(maxsize=512)
def _top(repository: str, tree: str) -> tuple[git.TreeEntry, ...]:
    """What lies at the top of a tree."""
    return git.tree_entries(git.Git(repository), tree)


@lru_cache(maxsize=512)
def _locks(repository: str, tree: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (entry.path, entry.id)
        for entry in _top(repository, tree)
        if any(fnmatchcase(entry.path, pattern) for pattern in LOCK_FILES)
    )


@lru_cache(maxsize=512)
def _fork(repository: str, base: str, commit: str) -> str | None:
    return git.merge_base(git.Git(repository), base, commit)


@lru_cache(maxsize=512)
def _commits(repository: str, base: str, commit: str) -> tuple[str, ...]:
    return git.commits_between(git.Git(repository), base, commit)


def _copied(file: Path, path: str) -> tuple[str, int, str] | None:
    """Path, mode and content of a copied file; None where there is none: its run will say so."""
    try:
        found = file.stat()
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        return path, found.st_mode, _content(file, stamp)
    except OSError:
        return None


@lru_cache(maxsize=256)
def _content(file: Path, _stamp: tuple[int, ...]) -> str:
    """The hash of a file's content; read again when anything about it has changed."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
