"""Carrying a checkout of base along, from a half-written one too; never over what is the user's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator import git
from orchestrator.errors import CommandFailed
from orchestrator.git import Git
from orchestrator.land.checkouts import Step, in_the_way, named

CHECKOUT_DEADLINE_S = 600.0
_COPY = "index.orchestrator"


def index_mark(commit: str) -> str:
    """What our own lock of an index holds: the commit its checkout goes to."""
    return f"orchestrator {commit}"


@contextmanager
def hold_index(root: Path, commit: str) -> Iterator[None]:
    """Keep every other git from committing or staging in a checkout, while base moves under it.

    Raises:
        CommandFailed: another git is at work there, or the lock cannot be written.
    """
    lock = git.git_dir(root) / "index.lock"
    try:
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise CommandFailed(f"{root}: another git is at work there ({lock} exists)") from None
    except OSError as error:
        raise _not_held(lock, error) from error
    try:
        _mark(descriptor, lock, commit)
        yield
    finally:
        lock.unlink(missing_ok=True)


def _mark(descriptor: int, lock: Path, commit: str) -> None:
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{index_mark(commit)}\n")
    except OSError as error:  # a full disk
        raise _not_held(lock, error) from error


def _not_held(lock: Path, error: OSError) -> CommandFailed:
    return CommandFailed(f"{lock} cannot be written: {error.strerror}")


def carry(worktree: Git, move: Step) -> None:
    """As `carry_held`, for an index that nobody holds yet."""
    with hold_index(Path(worktree.directory), move.new):
        carry_held(worktree, move)


def carry_held(worktree: Git, move: Step) -> None:
    """Carry a checkout from `move.old` to `move.new`; one that shows it already stays as it is.

    For whoever holds its index: git works on a copy, which takes the index's place at once.

    Raises:
        CommandFailed: what is not committed is in the way (nothing was written), or git was cut short.
    """
    root = Path(worktree.directory)
    strangers = in_the_way(root, move)
    if strangers:
        raise CommandFailed(f"files in the way: {named(strangers)}")
    folder = git.git_dir(root)
    copy = folder / _COPY
    try:
        shutil.copyfile(folder / "index", copy)
        on_copy = replace(worktree, environment={**worktree.environment, "GIT_INDEX_FILE": str(copy)})
        git.read_tree_two_way(on_copy, move.old, move.new, timeout_s=CHECKOUT_DEADLINE_S)
        copy.replace(folder / "index")
    except OSError as error:
        raise CommandFailed(f"{error.strerror}: {error.filename}") from error
    finally:
        forget_copy(root)


def forget_copy(root: Path) -> None:
    """Remove what a killed move left of its own copy of an index."""
    for name in (_COPY, f"{_COPY}.lock"):
        (git.git_dir(root) / name).unlink(missing_ok=True)


def bring(worktree: Git, move: Step) -> None:
    """Make a checkout show `move.new`, whatever an interrupted move between the two commits left of it.

    A killed one leaves the index as it was, and of the paths of the move some as they were, some absent,
    some cut short, some new. Only those are put back and carried over; one in step stays as it is.

    Raises:
        CommandFailed: something else is in the way; it was left as it is.
    """
    root = Path(worktree.directory)
    forget_copy(root)
    paths = {change.path for change in move.changes}
    if _shows(worktree, move.new, paths):
        return
    _put_back(worktree, root, move, paths)
    carry(worktree, move)


def bring_back(worktree: Git, move: Step) -> None:
    """As `bring`, where the checkout may never have left `move.new`: then what was half written is mended.

    Raises:
        CommandFailed: something else is in the way; it was left as it is.
    """
    root, paths = Path(worktree.directory), {change.path for change in move.changes}
    forget_copy(root)
    if not _shows(worktree, move.new, paths):
        bring(worktree, move)
        return
    half = _half_written(worktree, root, paths)
    _restore(worktree, root, [path for path in half if _is_ours(worktree, root / path, path, move)])


def _shows(worktree: Git, commit: str, paths: Collection[str]) -> bool:
    """Git writes the files before the index, and that at once: an index that moved means files in step."""
    staged = git.index_entries(worktree)
    wanted = {e.path: (e.mode, e.id) for e in git.tree_entries(worktree, commit, recursive=True)}
    return all(staged.get(path) == wanted.get(path) for path in paths)


def _put_back(worktree: Git, root: Path, move: Step, paths: Collection[str]) -> None:
    """Make the files of the move what the index says they are."""
    half = _half_written(worktree, root, paths)
    unproved = [path for path in half if not _is_ours(worktree, root / path, path, move)]
    if unproved:
        raise CommandFailed(
            f"it was left half written, and these files hold neither what was there nor what was to come: "
            f"{named(unproved)}"
        )
    _restore(worktree, root, half)


def _half_written(worktree: Git, root: Path, paths: Collection[str]) -> list[str]:
    """Those of `paths` that are not what the index says, and those that it does not have."""
    staged = git.index_entries(worktree)
    torn = [path for path in git.unlike_index(worktree) if path in paths]
    return torn + [path for path in sorted(paths) if path not in staged and _is_file(root / path)]


def _restore(worktree: Git, root: Path, half: Collection[str]) -> None:
    staged = git.index_entries(worktree)
    for path in half:
        if path not in staged:
            (root / path).unlink()
            _remove_empty_folders(root, (root / path).parent)
    git.restore_from_index(worktree, [path for path in half if path in staged])


def _is_file(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def _is_ours(worktree: Git, file: Path, path: str, move: Step) -> bool:
    """True for what a killed checkout can leave: nothing, or the beginning of one of both versions."""
    if not _is_file(file):
        return not file.is_dir() or _is_of(file, path, move)
    content = os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes()
    versions = (git.file_content(worktree, commit, path) for commit in (move.old, move.new))
    return any(version is not None and version.startswith(content) for version in versions)


def _is_of(folder: Path, path: str, move: Step) -> bool:
    """Whether a folder, where the other version has a file, holds nothing but files of the move."""
    known = {change.path for change in move.changes}
    below = [found.relative_to(folder) for found in folder.rglob("*") if _is_file(found)]
    return all(f"{path}/{name.as_posix()}" in known for name in below)


def _remove_empty_folders(root: Path, folder: Path) -> None:
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
