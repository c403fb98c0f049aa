"""Worktrees: listing, making, filling, and what is uncommitted in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import CommandFailed
from orchestrator.git.command import Git

_OPERATIONS = {
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}


@dataclass(frozen=True, slots=True)
class WorktreeListed:
    """`locked` and `prunable` hold git's reason, which may be empty; None means neither."""

    path: str
    head: str | None = None
    branch: str | None = None
    bare: bool = False
    locked: str | None = None
    prunable: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """Tracked files staged, modified or unmerged, and untracked ones; paths from the root."""

    tracked: tuple[str, ...]
    untracked: tuple[str, ...]


def repository_root(git: Git) -> str:
    """The main worktree's directory (a bare repository's own), from inside any of its worktrees."""
    return list_worktrees(git)[0].path


def common_dir(git: Git) -> str:
    """No process is started where `git` works in a repository's own folder."""
    dot_git = Path(git.directory, ".git").resolve()
    if (dot_git / "HEAD").is_file() and not (dot_git / "commondir").exists():
        return str(dot_git)
    return git.text("rev-parse", "--path-format=absolute", "--git-common-dir")


def git_dir(worktree: str | Path) -> Path:
    """A worktree's own git directory; reads one file.

    Raises:
        CommandFailed: `worktree` is none.
    """
    dot_git = Path(worktree, ".git")
    if dot_git.is_dir():
        return dot_git
    try:
        pointer = dot_git.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise CommandFailed(f"{worktree} is no git worktree: {error.strerror}") from error
    return Path(worktree, pointer.removeprefix("gitdir: ").rstrip("\n"))


def list_worktrees(git: Git) -> tuple[WorktreeListed, ...]:
    """All worktrees; the first is the main one, never to be removed or written to."""
    records = git.run("worktree", "list", "--porcelain", "-z").stdout.split("\0\0")
    return tuple(_listed(record.split("\0")) for record in records if record)


def _listed(lines: Sequence[str]) -> WorktreeListed:
    facts = dict(line.partition(" ")[::2] for line in lines if line)
    branch = facts.get("branch")
    return WorktreeListed(
        path=facts["worktree"],
        head=facts.get("HEAD"),
        branch=None if branch is None else branch.removeprefix("refs/heads/"),
        bare="bare" in facts,
        locked=facts.get("locked"),
        prunable=facts.get("prunable"),
    )


def add_worktree(
    git: Git, path: str | Path, *, branch: str | None = None, commit: str | None = None, again: bool = False
) -> None:
    """Register an empty worktree; `check_out` fills it.

    Never two at once in one repository: parallel adds read each other's half-made entries (measured:
    9 of 80 failed). `again` replaces an entry whose directory is gone.
    """
    options = ["--no-checkout", *(["--force"] if again else []), *([] if branch else ["--detach"])]
    target = branch or commit
    assert target is not None
    git.run("worktree", "add", *options, "--", str(path), target)


def check_out(git: Git, *, repair: bool = False) -> None:
    """Fill an empty worktree from HEAD. `repair` overwrites what an interrupted check-out left."""
    git.run("read-tree", "--reset" if repair else "-m", "-u", "HEAD")


def move_checkout(git: Git, commit: str) -> None:
    """Put a detached checkout exactly at `commit`: changes and untracked files go, ignored ones stay."""
    restore_checkout(git, commit)
    git.run("clean", "-ffd", "--quiet")


def restore_checkout(git: Git, commit: str) -> None:
    """Put the tracked files of a detached checkout exactly at `commit`; their changes go."""
    git.run("checkout", "--quiet", "--force", "--detach", commit)


def write_patch(git: Git, commit: str, path: str | Path) -> None:
    """Write what a checkout's tracked files have that `commit` has not, for `git apply`."""
    git.run(
        "diff", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames",
        "--src-prefix=a/", "--dst-prefix=b/", f"--output={path}", commit, "--",
    )  # fmt: skip


def unlock_worktree(git: Git, path: str | Path) -> None:
    git.run("worktree", "unlock", "--", str(path))


def remove_worktree(git: Git, path: str | Path) -> None:
    """Remove a worktree and its directory, or the entry of one that is gone. Ignored files go with it.

    Raises:
        CommandFailed: it is locked, or holds changed or untracked files; nothing was removed.
    """
    git.run("worktree", "remove", "--", str(path))


def has_submodules(git: Git) -> bool:
    return "\x00160000 " in "\0" + git.run("ls-files", "-z", "--stage").stdout


def remove_leftover(git: Git, path: str | Path) -> None:
    """Remove what an interrupted `worktree add` left, its lock included. Deletes the directory."""
    git.run("worktree", "remove", "--force", "--force", "--", str(path))


def status(git: Git, *, every_untracked: bool = False, submodules: bool = True) -> Changed:
    """Without `submodules`, one whose own checkout is somewhere else counts as unchanged."""
    options = [f"--untracked-files={'all' if every_untracked else 'normal'}"]
    options += [] if submodules else ["--ignore-submodules=all"]
    fields = iter(git.run("status", "--porcelain=v1", "-z", *options).fields())
    tracked: list[str] = []
    untracked: list[str] = []
    for field in fields:
        kind, path = field[:2], field[3:]
        (untracked if kind == "??" else tracked).append(path)
        if "R" in kind or "C" in kind:
            tracked.append(next(fields))  # where it was renamed or copied from
    return Changed(tuple(tracked), tuple(untracked))


def branch_checked_out(git: Git) -> str | None:
    """The short name of HEAD's branch; None when HEAD is detached."""
    return git.text("symbolic-ref", "--quiet", "--short", "HEAD", ok=(0, 1)) or None


def operation(git_directory: Path) -> str | None:
    """A merge, rebase, … under way in the worktree with this git directory."""
    for name, label in _OPERATIONS.items():
        if (git_directory / name).exists():
            return label
    return None


def tracked_files(git: Git, paths: Sequence[str]) -> tuple[str, ...]:
    """Those of `paths` (or below them) that are in the index; none for no paths."""
    return tuple(git.run("ls-files", "-z", "--", *paths).fields()) if paths else ()


def ignored_files(git: Git, paths: Sequence[str] = (), *, as_folders: bool = False) -> tuple[str, ...]:
    """Ignored untracked files, all or those under `paths`; whole ignored folders as one with `as_folders`."""
    options = ["--directory"] if as_folders else []
    return tuple(
        git.run(
            "ls-files", "-z", "--others", "--ignored", "--exclude-standard", *options, "--", *paths
        ).fields()
    )


def index_entries(git: Git) -> dict[str, tuple[str, str]]:
    """Each path in the index with its mode and object; an unmerged one with its last stage's."""
    entries = [entry.partition("\t") for entry in git.run("ls-files", "--stage", "-z").fields()]
    return {path: (meta.split(" ")[0], meta.split(" ")[1]) for meta, _, path in entries}


def unlike_index(git: Git) -> tuple[str, ...]:
    """Tracked files whose content is not what the index says; absent ones are among them."""
    git.run("update-index", "-q", "--refresh", ok=(0, 1))
    return tuple(dict.fromkeys(git.run("diff-files", "-z", "--name-only").fields()))


def restore_from_index(git: Git, paths: Sequence[str]) -> None:
    """Write these files as the index says they are, over whatever is there."""
    if paths:
        names = "".join(f"{path}\0" for path in paths)
        git.run("checkout-index", "--force", "--index", "-z", "--stdin", stdin=names)


def file_content(git: Git, commit: str, path: str) -> bytes | None:
    """What a checkout of `commit` writes to `path`, filters applied; None where it has no such file."""
    output = git.run("cat-file", "--filters", f"{commit}:{path}", ok=(0, 128))
    return output.stdout.encode("utf-8", "surrogateescape") if output.code == 0 else None
