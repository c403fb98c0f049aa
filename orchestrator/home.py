"""Where a plan, its repository and its state lie. No git is started for an ordinary repository."""

from __future__ import annotations

import os.path
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import CommandFailed, UsageError
from orchestrator.settings import StatePaths

if TYPE_CHECKING:
    from orchestrator.git import Git

PLAN_NAME = "waves.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """This machine's repository: where the plan lives, waves are built and `base` is."""

    root: Path
    common_dir: Path

    @property
    def git(self) -> Git:
        from orchestrator.git import Git

        return Git(self.root)

    @property
    def state(self) -> StatePaths:
        return StatePaths(root=self.common_dir / "orchestrator")

    @property
    def owner(self) -> str:
        """Marks this repository's clones on other hosts as its own; outlives the state directory."""
        import getpass
        import platform

        return f"{getpass.getuser()}@{platform.node()}:{self.root}"


def find_home(start: Path) -> Home:
    """The repository around `start`, its main worktree when `start` is in a linked one.

    Raises:
        UsageError: there is none.
        CommandFailed: git cannot read it.
    """
    common_dir = find_checkout(start).common_dir
    if _is_ordinary(common_dir):
        return Home(root=common_dir.parent, common_dir=common_dir)

    from orchestrator import git  # costs a third of the time of `status`

    here = git.Git(start)
    common_dir = Path(git.common_dir(here))
    main = git.list_worktrees(here)[0]
    return Home(root=Path(main.path), common_dir=common_dir)


def _is_ordinary(common_dir: Path) -> bool:
    """A `.git` folder inside its only main worktree: no bare repository, no work tree elsewhere."""
    try:
        settings = (common_dir / "config").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return False
    unusual = ("worktree", "bare = true", "include", "worktreeconfig")
    return common_dir.name == ".git" and not any(word in settings.lower() for word in unusual)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A worktree: its folder, its own git directory and the one all worktrees share, links resolved."""

    folder: Path
    git_dir: Path
    common_dir: Path

    @property
    def is_linked(self) -> bool:
        return self.git_dir != self.common_dir

    @property
    def state(self) -> StatePaths:
        return StatePaths(root=self.common_dir / "orchestrator")


def find_checkout(start: Path) -> Checkout:
    """The worktree around `start`, or the bare repository.

    Raises:
        UsageError: there is none.
        CommandFailed: git cannot read it.
    """
    here = start.resolve()
    for folder in (here, *here.parents):
        git_dir = _git_dir(folder)
        if git_dir is not None:
            return Checkout(folder=folder, git_dir=git_dir, common_dir=_common_dir(git_dir))
    return _bare_repository(here)


def _bare_repository(here: Path) -> Checkout:
    from orchestrator import git

    asked = git.Git(here)
    try:
        git_dir = Path(asked.text("rev-parse", "--absolute-git-dir")).resolve()
        return Checkout(folder=git_dir, git_dir=git_dir, common_dir=Path(git.common_dir(asked)).resolve())
    except CommandFailed as error:
        # At the edge of a file system git says more behind that.
        if "not a git repository" not in f"{error.message}\n{error.hint}":
            raise
    raise UsageError(f"{here} is in no git repository.", "go to one, or make one: git init")


def find_plan_file(start: Path) -> Path | None:
    """The nearest `waves.yaml` in a folder or above it."""
    here = Path(os.path.abspath(start))  # noqa: PTH100 - the shell's folder may be a link
    for folder in (here, *here.parents):
        if os.path.isfile(folder / PLAN_NAME):  # noqa: PTH113 - Path.is_file raises where one may not read
            return folder / PLAN_NAME
    return None


def require_plan_file(start: Path) -> Path:
    """Raises:
    UsageError: there is none.
    """
    found = find_plan_file(start)
    if found is None:
        raise UsageError(f"no {PLAN_NAME} in {start} or above it.", "orchestrator init writes one")
    return found


def _git_dir(folder: Path) -> Path | None:
    dot_git = folder / ".git"
    try:
        if (dot_git / "HEAD").exists():
            return dot_git.resolve()
        pointer = dot_git.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    if not pointer.startswith("gitdir: "):
        return None
    return (folder / pointer.removeprefix("gitdir: ").rstrip("\n")).resolve()


def _common_dir(git_dir: Path) -> Path:
    try:
        pointer = (git_dir / "commondir").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return git_dir
    return (git_dir / pointer.rstrip("\n")).resolve()
