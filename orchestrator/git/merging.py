"""A neutral place to merge in, and what merging needs to know of commits."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_NOBODYS = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}
# How a partial clone gets the objects it lacks.
_FETCHING = re.compile(r"(remote|url|credential|http|ssh|protocol)\..*|core\.(sshcommand|gitproxy|askpass)")
_PROMISOR = re.compile(r"remote\..*\.promisor|extensions\.partialclone")
_OBEYED = (".gitattributes", ".gitmodules")
_FULL_ID = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PathChange:
    """`kind` is git's letter: A added, D deleted, M modified, T another type."""

    path: str
    kind: str


@contextmanager
def merging(common_dir: str | Path, base: str, like: Git | None = None) -> Iterator[Git]:
    """Git in an empty folder of its own, over the repository's objects, with `base`'s committed attributes.

    It writes its objects where `like` does.

    merge-tree obeys the `.gitattributes` of the folder it runs in, uncommitted ones too, and in the
    git directory none at all (measured, git 2.39); it runs the merge drivers that settings define. Here
    nobody's settings, attributes, drivers, grafts or replaced objects count: it answers the same wherever
    it is asked. It has no refs either: name commits by their ids. As everywhere in git, a submodule that
    both sides moved is merged only where it is initialised, and one of its commits contains the other.
    """
    repository = Git(common_dir)
    with tempfile.TemporaryDirectory(prefix="orchestrator-merge-") as name:
        folder = Path(name)
        settings = _settings_of(repository)
        _lay_out(folder / ".git", Path(common_dir).absolute(), settings)
        for path, blob in _obeyed_files(repository, base):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            content = repository.run("cat-file", "blob", blob).stdout
            target.write_bytes(content.encode("utf-8", "surrogateescape"))
        extra, objects = (like.settings, like.environment) if like else ((), {})
        environment = {**_NOBODYS, **_fetching(settings), **objects}
        yield Git(folder, (*_SETTINGS, *extra), environment=environment)


def merge_rules(common_dir: str | Path, base: str) -> str:
    """A digest of all that decides a merge besides its commits: git itself, its settings, attributes."""
    repository = Git(common_dir)
    parts = (repository.text("version"), repr(_SETTINGS), repr(_obeyed_files(repository, base)))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _settings_of(git: Git) -> dict[str, list[str]]:
    """Every setting that counts in a repository, by its name; sections and last parts in small letters."""
    found: dict[str, list[str]] = {}
    for record in git.run("config", "--list", "-z").fields():
        name, _, value = record.partition("\n")
        found.setdefault(name, []).append(value)
    return found


def _lay_out(git_dir: Path, common_dir: Path, settings: Mapping[str, list[str]]) -> None:
    (git_dir / "refs").mkdir(parents=True)
    (git_dir / "HEAD").write_text("ref: refs/heads/none\n", encoding="utf-8")
    (git_dir / "objects").symlink_to(common_dir / "objects")
    for name in ("shallow", "modules"):
        if (common_dir / name).exists():
            (git_dir / name).symlink_to(common_dir / name)
    hashed = settings.get("extensions.objectformat", ["sha1"])[-1]
    shared = settings.get("core.sharedrepository", ["umask"])[-1]
    (git_dir / "config").write_text(
        f"[core]\n\trepositoryformatversion = 1\n\tsharedRepository = {shared}\n"
        f"[extensions]\n\tobjectFormat = {hashed}\n",
        encoding="utf-8",
    )


def _fetching(settings: Mapping[str, list[str]]) -> dict[str, str]:
    """The environment in which a partial clone's missing objects are fetched; empty for a whole one."""
    if not any(_PROMISOR.fullmatch(name) for name in settings):
        return {}
    kept = [(name, value) for name, values in settings.items() if _FETCHING.match(name) for value in values]
    kept += [(f"remote.{name}.promisor", "true") for name in settings.get("extensions.partialclone", [])]
    return {
        "GIT_CONFIG_COUNT": str(len(kept)),
        **{f"GIT_CONFIG_KEY_{number}": name for number, (name, _) in enumerate(kept)},
        **{f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in enumerate(kept)},
    }


def _obeyed_files(git: Git, commit: str) -> Sequence[tuple[str, str]]:
    """Paths and blobs of the committed files that merging reads: attributes, and where submodules are.

    Of a commit's own id, which never means another, they are read once.
    """
    read = _read_once if _FULL_ID.fullmatch(commit) else _read
    return read(str(git.directory), commit)


def _read(directory: str, commit: str) -> Sequence[tuple[str, str]]:
    listed = Git(directory).run("ls-tree", "-r", "-z", commit).fields()
    entries = [entry.partition("\t") for entry in listed if entry.endswith(_OBEYED)]
    return [
        (path, meta.split(" ")[2])
        for meta, _, path in entries
        if meta.startswith("100") and path.rpartition("/")[2] in _OBEYED and _stays_inside(path)
    ]


_read_once = lru_cache(maxsize=64)(_read)


def _stays_inside(path: str) -> bool:
    """False for the paths of a forged tree."""
    return not {".", "..", ".git"} & {part.lower() for part in path.split("/")}


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
