"""Keeping worktrees that have base checked out in step, without touching what the user has not committed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator import git
from orchestrator.errors import CommandFailed
from orchestrator.git import Git, PathChange, WorktreeListed

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Step:
    """From one commit to the next, and the paths that differ."""

    old: str
    new: str
    changes: tuple[PathChange, ...]

    def back(self) -> Step:
        opposite = {"A": "D", "D": "A"}
        changes = tuple(git.PathChange(c.path, opposite.get(c.kind, c.kind)) for c in self.changes)
        return Step(self.new, self.old, changes)


def step(repository: Git, old: str, new: str) -> Step:
    return Step(old, new, git.changed_paths(repository, old, new))


def checkouts_of(repository: Git, branch: str) -> tuple[Path, ...]:
    return tuple(
        Path(worktree.path)
        for worktree in git.list_worktrees(repository)
        if _has(worktree, branch) and Path(worktree.path, ".git").exists()
    )


def obstacles(repository: Git, branch: str, move: Step) -> tuple[str, ...]:
    """Why worktrees that have `branch` checked out could not follow; they are not touched."""
    listed = git.list_worktrees(repository)
    there = [worktree for worktree in listed if Path(worktree.path, ".git").exists()]
    gone = [worktree for worktree in listed if worktree not in there]
    followers = [Path(worktree.path) for worktree in there if _has(worktree, branch)]
    return (
        *_unreachable(gone, branch),
        *_rebases(there, branch),
        *_in_checkouts(followers, move),
    )


def _has(worktree: WorktreeListed, branch: str) -> bool:
    return worktree.branch == branch and not worktree.bare


def _unreachable(gone: Iterable[WorktreeListed], branch: str) -> Iterator[str]:
    for worktree in gone:
        if _has(worktree, branch):
            how = "git worktree prune forgets it, if it is gone for good"
            yield f"{worktree.path}: has {branch} checked out, and is not there to follow; {how}"


def _rebases(there: Iterable[WorktreeListed], branch: str) -> Iterator[str]:
    """A rebase of the branch detaches HEAD, and would move the branch when it ends."""
    for worktree in there:
        if worktree.branch is None and git.branch_being_rebased(git.git_dir(worktree.path)) == branch:
            yield f"{worktree.path}: a rebase of {branch} is under way"


def _in_checkouts(paths: Sequence[Path], move: Step) -> Iterator[str]:
    for path in paths:
        operation = git.operation(git.git_dir(path))
        if operation is not None:
            yield f"{path}: a {operation} is under way"
            continue
        if (git.git_dir(path) / "index.lock").exists():
            yield f"{path}: another git is at work there, or left {git.git_dir(path) / 'index.lock'}"
            continue
        yield from _overlaps(path, move)


def _overlaps(path: Path, move: Step) -> Iterator[str]:
    worktree = Git(path)
    incoming = {change.path for change in move.changes}
    # As in git, a submodule's own checkout may be elsewhere: only `git submodule update` moves it.
    edited = [name for name in git.status(worktree, submodules=False).tracked if name in incoming]
    if edited:
        yield f"{path}: your uncommitted changes are in the way: {named(edited)}"
    unknown = in_the_way(path, move)
    if unknown:
        yield f"{path}: untracked or ignored files are in the way: {named(unknown)}"
    if not edited and not unknown:
        yield from _refused_by_git(worktree, path, move)


def _refused_by_git(worktree: Git, path: Path, move: Step) -> Iterator[str]:
    try:
        git.read_tree_two_way(worktree, move.old, move.new, dry_run=True)
    except CommandFailed as error:
        yield f"{path}: {error.message}"


def in_the_way(root: Path, move: Step) -> tuple[str, ...]:
    """Files git does not track, where the move will write.

    `read-tree -u` silently overwrites ignored ones (measured, git 2.39): they must be found before.
    """
    added = [change.path for change in move.changes if change.kind == "A"]
    there = [place for name in added for place in _occupied(root, name)]
    known = set(_tracked(root, there))
    return tuple(dict.fromkeys(name for name in there if name not in known))


def _occupied(root: Path, name: str) -> Iterator[str]:
    """What lies at a path: a file there, files below it, or a file where its folder would be."""
    parts = Path(name).parts
    for depth in range(1, len(parts)):
        folder = Path(*parts[:depth])
        if (root / folder).is_symlink() or (root / folder).is_file():
            yield str(folder)
            return
    target = root / name
    if target.is_dir() and not target.is_symlink():
        for folder_name, _, files in os.walk(target):
            yield from (str(Path(folder_name, file).relative_to(root)) for file in files)
    elif os.path.lexists(target):
        yield name


def _tracked(root: Path, names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        return ()
    literal = Git(root, environment={"GIT_LITERAL_PATHSPECS": "1"})
    return git.tracked_files(literal, names)


def named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
