"""Ignored files of a checkout that is ours alone: the recorded ones stay, all others go.

A path is as git lists it, relative to the checkout, a folder's with a slash at its end: it stands for
all that is in it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Set
from pathlib import Path

from orchestrator import git


def present(checkout: Path) -> set[str]:
    return set(git.ignored_files(git.Git(checkout), as_folders=True))


def discard(checkout: Path, kept: Set[str]) -> None:
    """Remove what is ignored and not `kept`; what a link leads to is never touched."""
    for path in sorted(present(checkout)):
        _discard(checkout, path, kept)


def _discard(checkout: Path, path: str, kept: Set[str]) -> None:
    target = checkout / path
    # It may have gone with a folder that git lists as well.
    if is_kept(path, kept) or not os.path.lexists(target):
        return
    if not target.parent.resolve().is_relative_to(checkout.resolve()):
        return
    if not path.endswith("/") or target.is_symlink():
        target.unlink(missing_ok=True)
    elif any(each.startswith(path) for each in kept):
        for entry in os.scandir(target):
            slash = "/" if entry.is_dir(follow_symlinks=False) else ""
            _discard(checkout, f"{path}{entry.name}{slash}", kept)
    else:
        remove_folder(target)


def is_kept(path: str, kept: Set[str]) -> bool:
    """Whether it is one of `kept`, or lies in one."""
    parts = path.split("/")
    return path in kept or any("/".join(parts[:n]) + "/" in kept for n in range(1, len(parts)))


def remove_folder(folder: Path) -> None:
    """With folders in it that nobody may write to."""
    try:
        shutil.rmtree(folder)
    except PermissionError:  # folders that nobody may write to, as Go's module cache has them
        for root, _, _ in os.walk(folder):
            os.chmod(root, 0o700)  # noqa: PTH101 (`os.walk` follows no links)
        shutil.rmtree(folder)
