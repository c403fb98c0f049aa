"""A neutral place to merge in, and what merging needs to know of commits."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from orchestrator.git.command import Git

_SETTINGS = (
    # What is merged may land: by default git leaves loose objects to the disk's own time.
    "core.fsync=committed,reference",
    "core.attributesFile=/dev/null",
    "merge.renames=true",
    "merge.directoryRenames=conflict",
    "merge.conflictStyle=merge",
)
_ATTRIBUTES = ".gitattributes"
_FULL_ID = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PathChange:
    """`kind` is git's letter: A added, D deleted, M modified, T another type."""

    path: str
    kind: str


@contextmanager
def merging(common_dir: str | Path, base: str, like: Git | None = None) -> Iterator[Git]:
    """Git in an empty folder of its own, with the attributes that `base` has committed.

    It writes its objects where `like` does.

    merge-tree obeys the `.gitattributes` of the folder it runs in, uncommitted ones too, and in the
    git directory none at all (measured, git 2.39): here it answers the same wherever it is asked.
    """
    repository = Git(common_dir)
    with tempfile.TemporaryDirectory(prefix="orchestrator-merge-") as name:
        folder = Path(name)
        (folder / ".git").write_bytes(b"gitdir: " + bytes(Path(common_dir).absolute()) + b"\n")
        for path, blob in _attribute_files(repository, base):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(
                repository.run("cat-file", "blob", blob).stdout, encoding="utf-8", errors="surrogateescape"
            )
        settings, environment = (like.settings, like.environment) if like else ((), {})
        yield Git(folder, (*_SETTINGS, *settings), environment=environment)


def merge_rules(common_dir: str | Path, base: str) -> str:
    """A digest of all that decides a merge besides its commits: git itself, its settings, attributes."""
    repository = Git(common_dir)
    own = Path(common_dir, "info", "attributes")
    parts = (
        repository.text("version"),
        repr(_SETTINGS),
        repository.run("config", "-z", "--get-regexp", r"^(merge|diff)\.", ok=(0, 1)).stdout,
        repr(_attribute_files(repository, base)),
        own.read_text(encoding="utf-8", errors="surrogateescape") if own.exists() else "",
    )
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _attribute_files(git: Git, commit: str) -> Sequence[tuple[str, str]]:
    """Path and blob; of a commit's own id, which never means another, they are read once."""
    read = _read_once if _FULL_ID.fullmatch(commit) else _read
    return read(str(git.directory), commit)


def _read(directory: str, commit: str) -> Sequence[tuple[str, str]]:
    entries = [entry.partition("\t") for entry in Git(directory).run("ls-tree", "-r", "-z", commit).fields()]
    return [
        (path, meta.split(" ")[2])
        for meta, _, path in entries
        if path.rpartition("/")[2] == _ATTRIBUTES and meta.startswith("100")
    ]


_read_once = lru_cache(maxsize=64)(_read)


def changed_paths(git: Git, old: str, new: str) -> tuple[PathChange, ...]:
    """What differs between two commits; a rename is a deletion and an addition."""
    fields = git.run("diff-tree", "-r", "-z", "--no-renames", "--name-status", old, new).fields()
    return tuple(PathChange(path, kind) for kind, path in zip(fields[::2], fields[1::2], strict=True))


def commit_times(git: Git, commits: Iterable[str]) -> dict[str, int]:
    """Each commit's committer date, in seconds since the epoch."""
    answer = git.text("log", "--no-walk=unsorted", "--format=%H %ct", *commits, "--")
    return {commit: int(seconds) for commit, seconds in (line.split(" ") for line in answer.split("\n"))}


def branch_being_rebased(git_directory: Path) -> str | None:
    """The branch a rebase in this worktree will move when it ends."""
    for folder in ("rebase-merge", "rebase-apply"):
        try:
            head = (git_directory / folder / "head-name").read_text(encoding="utf-8")
        except OSError:
            continue
        return head.strip().removeprefix("refs/heads/")
    return None
