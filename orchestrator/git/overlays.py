"""Trees put together from two commits, and the tree of a worktree as it is, without touching its index."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator.git.command import Git
from orchestrator.git.objects import Identity, commit_tree
from orchestrator.git.quarantine import quarantine
from orchestrator.git.trees import edit_tree, tree_entries
from orchestrator.git.worktrees import common_dir

_NOBODY = Identity("orchestrator", "orchestrator@localhost", 1_000_000_000)


def overlaid(
    git: Git, commit: str, source: str, paths: Sequence[str], texts: Mapping[str, str] | None = None
) -> str:
    """A commit on top of `commit` that has `paths`, files or folders, as `source` has them, and `texts`.

    No ref points to it. Equal arguments give an equal id.
    """
    entries = tree_entries(git, source, *paths, recursive=True) if paths else ()
    listed = "".join(f"{entry.mode} {entry.id}\t{entry.path}\0" for entry in entries)
    with _own_index(git) as index:
        index.run("read-tree", commit)
        index.run("update-index", "--add", "--replace", "-z", "--index-info", stdin=listed)
        tree = index.text("write-tree")
    if texts:
        tree = edit_tree(git, tree, dict(texts))
    return commit_tree(git, tree, [commit], f"{commit} with files of {source}\n", author=_NOBODY)


def tree_without(git: Git, commit: str, is_left_out: Callable[[str], bool]) -> str:
    """The id of a commit's tree without some of its files."""
    with quarantine(common_dir(git), git.directory) as beside, _own_index(beside) as index:
        index.run("read-tree", commit)
        return _written(index, is_left_out)


def tree_of_work(git: Git, is_left_out: Callable[[str], bool]) -> str:
    """The id of the tree that committing everything in a worktree would give, without some files.

    Untracked files count, ignored ones do not. Neither the index nor the repository keeps anything of it.
    """
    with quarantine(common_dir(git), git.directory) as beside, _own_index(beside) as index:
        index.run("read-tree", "HEAD")
        index.run("add", "--all", "--", ":/")
        return _written(index, is_left_out)


def _written(index: Git, is_left_out: Callable[[str], bool]) -> str:
    paths = [path for path in index.run("ls-files", "-z").fields() if is_left_out(path)]
    if paths:
        index.run("update-index", "--force-remove", "-z", "--stdin", stdin="".join(f"{p}\0" for p in paths))
    return index.text("write-tree")


@contextmanager
def _own_index(git: Git) -> Iterator[Git]:
    with tempfile.TemporaryDirectory(prefix="orchestrator-index-") as folder:
        variables = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        yield replace(git, environment={**git.environment, **variables})
