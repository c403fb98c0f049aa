"""Uncommitted work as a commit that nobody sees; worktree, index and repository stay as they are."""

from __future__ import annotations

import posixpath
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from orchestrator.git.command import Git
from orchestrator.git.objects import Identity, commit_tree
from orchestrator.git.worktrees import git_dir, status

FILE_LIMIT_BYTES = 8 * 1024 * 1024
PATHS_LIMIT = 5000
_SETTINGS = (
    "core.splitIndex=false",  # or part of the index is written beside the worktree's own
    "core.untrackedCache=false",
    "core.fsmonitor=false",
    "core.safecrlf=false",
)
_LONG_AGO_S = 1_000_000_000  # git takes a number below 10**8 for no date at all
_AUTHOR = Identity("orchestrator", "orchestrator@localhost", _LONG_AGO_S)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`commit` has the worktree's HEAD, `head`, as its parent; `branch` is None where HEAD is detached.

    `left_out` are changed paths that are too large, or too many.
    """

    commit: str
    head: str
    branch: str | None
    left_out: tuple[str, ...] = ()


def take_snapshot(worktree: str | Path, quarantine: Git, results: str = ".") -> Snapshot | None:
    """What is changed or untracked in a worktree as a commit in `quarantine`; None where nothing is.

    What is untracked in the folder `results` is no work. Equal work gives an equal commit.
    """
    here = Git(worktree)
    changed = status(here, every_untracked=True)
    results_folder = f"{posixpath.normpath(results)}/"
    untracked = [path for path in changed.untracked if not path.startswith(results_folder)]
    paths = [path for path in (*changed.tracked, *untracked) if not path.endswith("/")]
    if not paths:
        return None
    counted = [path for path in paths[:PATHS_LIMIT] if not _is_large(Path(worktree, path))]
    head = here.text("rev-parse", "--verify", "HEAD^{commit}")
    branch = here.text("symbolic-ref", "--quiet", "--short", "HEAD", ok=(0, 1)) or None
    tree = _tree(Path(worktree), counted, quarantine)
    commit = commit_tree(quarantine, tree, [head], "uncommitted work\n", author=_AUTHOR)
    return Snapshot(commit, head, branch, tuple(sorted(set(paths) - set(counted))))


def _is_large(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False  # deleted: that is a change too
    return stat.S_ISREG(found.st_mode) and found.st_size > FILE_LIMIT_BYTES


def _tree(worktree: Path, paths: list[str], quarantine: Git) -> str:
    with tempfile.TemporaryDirectory(prefix="orchestrator-index-") as folder:
        index, own = Path(folder, "index"), git_dir(worktree) / "index"
        if own.exists():
            # With its times: git takes an entry for changed where the index is not newer than the file.
            shutil.copy2(own, index)
        environment = {**quarantine.environment, "GIT_INDEX_FILE": str(index)}
        git = Git(worktree, (*quarantine.settings, *_SETTINGS), environment=environment)
        git.run(
            "update-index", "--add", "--remove", "--replace", "-z", "--stdin",
            stdin="".join(f"{path}\0" for path in paths),
        )  # fmt: skip
        return git.text("write-tree")


def pack_of(quarantine: Git, commit: str, known: str) -> str:
    """What a repository that has `known` lacks of `commit`; bytes as `surrogateescape` text."""
    lines = f"{commit}\n^{known}\n"
    return quarantine.run("pack-objects", "--revs", "--thin", "--stdout", "-q", stdin=lines).stdout


def unpack(quarantine: Git, pack: str) -> None:
    """Raises: CommandFailed: the pack is damaged, or builds on what this repository lacks."""
    quarantine.run("unpack-objects", "-q", stdin=pack)
