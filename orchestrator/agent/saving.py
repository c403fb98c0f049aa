"""Work in progress, committed on its branch where the plan asks for it; nobody's merge is disturbed."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

from orchestrator import git
from orchestrator.errors import CommandFailed
from orchestrator.wire import CommitWork, WorkKept

FILE_LIMIT_BYTES = 8 * 1024 * 1024
"""New files above this, such as checkpoints, never go into git by themselves."""

_NOBODY = ("user.name=orchestrator", "user.email=orchestrator@localhost")


def commit_work(request: CommitWork) -> WorkKept:
    """Raises:
    CommandFailed: git cannot read the worktree.
    """
    here = git.Git(request.worktree, settings=("commit.gpgSign=false", "gc.auto=0"))
    reason = _in_the_way(here, request)
    if reason is not None:
        return WorkKept(reason=reason)
    if _age_s(here) < request.younger_s:
        return WorkKept()
    changed = git.status(here, every_untracked=True)
    new = [
        path for path in changed.untracked if f"{path}/".startswith(f"{os.path.normpath(request.results)}/")
    ]
    small = [path for path in new if _is_small(Path(request.worktree, path))]
    if not changed.tracked and not small:
        return WorkKept(left_out=tuple(sorted(set(new) - set(small))))
    try:
        return _committed(here, request, changed.tracked, small, tuple(sorted(set(new) - set(small))))
    except CommandFailed as error:
        # A lock that came up just now, a file that went: the next time will do.
        return WorkKept(reason=error.message)


def _in_the_way(here: git.Git, request: CommitWork) -> str | None:
    folder = git.git_dir(request.worktree)
    under_way = git.operation(folder)
    if under_way is not None:
        return f"a {under_way} is under way"
    if (folder / "index.lock").exists():
        return "git's index is locked"
    if git.branch_checked_out(here) != request.branch:
        return f"{request.branch} is not checked out"
    return None


def _age_s(here: git.Git) -> float:
    """Since the last commit; one from the future, of a clock since set back, is old."""
    head = git.resolve(here, "HEAD")
    age_s = time.time() - git.commit_times(here, [head])[head]
    return age_s if age_s >= -1 else float("inf")


def _is_small(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_size <= FILE_LIMIT_BYTES


def _committed(
    here: git.Git, request: CommitWork, tracked: tuple[str, ...], new: list[str], left_out: tuple[str, ...]
) -> WorkKept:
    if new:
        here.run(
            "add",
            "--pathspec-from-file=-",
            "--pathspec-file-nul",
            stdin="".join(f":(literal){p}\0" for p in new),
        )
    author = () if git.config(here, "user.email") else _NOBODY
    signed = git.Git(here.directory, settings=(*here.settings, *author))
    signed.run("commit", "--quiet", "--no-verify", "--all", "-F", "-", stdin=request.message)
    return WorkKept(commit=git.resolve(here, "HEAD"), files=len({*tracked, *new}), left_out=left_out)
