"""What is uncommitted in worktrees, as commits that leave no trace in the repository."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from orchestrator import git
from orchestrator.errors import CommandFailed
from orchestrator.wire import ReadUncommitted, Uncommitted, UncommittedList

PACKS_LIMIT_BYTES = 24 * 1024 * 1024
"""Of all packs in an answer; a frame holds 64 MiB."""

_THREADS = 4


def read_uncommitted(request: ReadUncommitted) -> UncommittedList:
    with git.quarantine(request.place.common_dir) as quarantine:
        found = take_uncommitted(quarantine, request.worktrees)
        packed: list[Uncommitted] = []
        room = PACKS_LIMIT_BYTES
        for worktree in found:
            packed.append(_packed(quarantine, worktree, room))
            room -= len(packed[-1].pack)
    return UncommittedList(worktrees=tuple(packed))


def take_uncommitted(quarantine: git.Git, worktrees: Mapping[str, str]) -> tuple[Uncommitted, ...]:
    """One for each path that is a worktree, without packs: the commits lie in `quarantine`.

    `worktrees` are as in `ReadUncommitted`.
    """
    present = [path for path in worktrees if Path(path, ".git").exists()]
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="uncommitted") as pool:
        return tuple(pool.map(lambda path: _uncommitted(path, worktrees[path], quarantine), present))


def _uncommitted(path: str, results: str, quarantine: git.Git) -> Uncommitted:
    try:
        operation = git.operation(git.git_dir(path))
        if operation is not None:
            return Uncommitted(path=path, reason=f"a {operation} is under way")
        snapshot = git.take_snapshot(path, quarantine, results)
    except (CommandFailed, OSError) as error:
        return Uncommitted(path=path, reason=str(error))
    if snapshot is None:
        return Uncommitted(path=path)
    return Uncommitted(
        path=path,
        commit=snapshot.commit,
        head=snapshot.head,
        branch=snapshot.branch,
        left_out=snapshot.left_out,
    )


def _packed(quarantine: git.Git, worktree: Uncommitted, room: int) -> Uncommitted:
    if worktree.commit is None or worktree.head is None:
        return worktree
    try:
        pack = git.pack_of(quarantine, worktree.commit, worktree.head)
    except CommandFailed as error:
        return replace(worktree, commit=None, reason=error.message)
    text = base64.b64encode(pack.encode("utf-8", "surrogateescape")).decode("ascii")
    if len(text) > room:
        return replace(worktree, commit=None, reason="too much of it to be sent")
    return replace(worktree, pack=text)
