"""Worktrees as a Start wants them: what is there is looked at once, then only what lacks is made."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator import git
from orchestrator.agent.files import locked
from orchestrator.agent.refusals import CannotStart, as_refusal
from orchestrator.errors import CommandFailed
from orchestrator.wire import Place, Worktree

_CONTRACT_FILES = ("heartbeat.json", "HEARTBEAT.txt", "progress.json", "PROGRESS.txt", "exit.json")
_ARGUMENT_SPECIAL = "\\*?[]!# "
_INITIALIZING = "initializing"  # git's own word in the lock of a worktree that is being added


@dataclass(frozen=True, slots=True)
class Looked:
    """The repository at one moment. Paths are resolved; `starts` are commits by the name asked for."""

    listed: Mapping[str, git.WorktreeListed]
    checked_out: Mapping[str, str]
    branches: Mapping[str, str]
    starts: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Step:
    """What one worktree lacks. `tip` is where its branch is or shall be."""

    worktree: Worktree
    tip: str
    add: bool
    new_branch: bool = False
    again: bool = False
    leftover: bool = False


def look(place: Place, worktrees: Sequence[Worktree]) -> Looked:
    """Three git commands, however many worktrees."""
    repository = git.Git(place.common_dir)
    listed = {resolved(entry.path): entry for entry in git.list_worktrees(repository)}
    return Looked(
        listed=listed,
        checked_out={entry.branch: path for path, entry in listed.items() if entry.branch},
        branches=git.branches(repository, [worktree.branch for worktree in worktrees]),
        starts=git.find_commits(repository, [worktree.start for worktree in worktrees]),
    )


def step_for(place: Place, worktree: Worktree, looked: Looked) -> Step:
    """Raises: CannotStart: the path, the branch or the start is not to be had; nothing was changed."""
    path = resolved(worktree.path)
    here = looked.listed.get(path)
    if here is not None and Path(path, ".git").exists() and not _is_leftover(place, path):
        return _kept(worktree, path, here)
    _require_free_path(place, worktree, path, here)
    elsewhere = looked.checked_out.get(worktree.branch)
    if elsewhere is not None and elsewhere != path:
        raise CannotStart("taken", f"the branch {worktree.branch} is checked out in {elsewhere}")
    tip = looked.branches.get(worktree.branch)
    new_branch = tip is None
    if tip is None:
        tip = _start(place, worktree, looked)
    else:
        _require_shared_history(place, worktree, tip, looked)
    leftover = os.path.lexists(Path(path, ".git"))
    return Step(worktree, tip, True, new_branch, again=here is not None, leftover=leftover)


def _kept(worktree: Worktree, path: str, here: git.WorktreeListed) -> Step:
    branch = here.branch or git.branch_being_rebased(git.git_dir(path))
    if branch != worktree.branch:
        found = f"the branch {branch}" if branch else f"the detached commit {here.head}"
        raise CannotStart("taken", f"the worktree {worktree.path} holds {found}, not {worktree.branch}")
    return Step(worktree, here.head or "", add=False)


def _require_free_path(place: Place, worktree: Worktree, path: str, here: git.WorktreeListed | None) -> None:
    # The path as given: a link that leads nowhere is somebody's.
    if os.path.lexists(worktree.path) and not os.path.isdir(path):  # noqa: PTH112 (one stat each)
        raise CannotStart("taken", f"{worktree.path} is a file")
    if os.path.isdir(path) and not _is_leftover(place, path) and any(os.scandir(path)):  # noqa: PTH112
        raise CannotStart("taken", f"{worktree.path} is not empty and is no worktree of this repository")
    if here is not None and here.locked is not None and here.locked != _INITIALIZING:
        raise CannotStart("taken", f"the worktree {worktree.path} is gone but locked: {here.locked}")


def _start(place: Place, worktree: Worktree, looked: Looked) -> str:
    start = looked.starts.get(worktree.start)
    if start is None:
        try:
            return git.resolve(git.Git(place.common_dir), worktree.start)
        except CommandFailed as error:
            raise CannotStart("git", error.message) from error
    return start


def _require_shared_history(place: Place, worktree: Worktree, tip: str, looked: Looked) -> None:
    start = _start(place, worktree, looked)
    if tip != start and git.merge_base(git.Git(place.common_dir), tip, start) is None:
        raise CannotStart("taken", f"the branch {worktree.branch} exists and shares no history with {start}")


def _admin_folder(place: Place, path: str) -> Path | None:
    """The entry under `<common dir>/worktrees` that the directory's `.git` file names."""
    try:
        folder = git.git_dir(path)
    except CommandFailed:
        return None
    return folder if folder.parent == Path(place.common_dir, "worktrees") else None


def _is_leftover(place: Place, path: str) -> bool:
    """An interrupted `worktree add` of this repository: locked by git itself, never checked out."""
    folder = _admin_folder(place, path)
    if folder is None or (folder / "index").exists():
        return False
    try:
        return (folder / "locked").read_text(encoding="utf-8").strip() == _INITIALIZING
    except OSError:
        return False


def make_branches(place: Place, steps: Sequence[Step], pass_fds: tuple[int, ...]) -> dict[str, str]:
    """Make the steps' new branches, at once if that can be; reasons for those that could not be made."""
    repository = git.Git(place.common_dir, pass_fds=pass_fds)
    creations = [git.Create(f"refs/heads/{step.worktree.branch}", step.tip) for step in steps]
    try:
        if creations:
            git.update_refs(repository, creations, "orchestrator: branch of a workstream")
    except git.RefsNotMoved:
        return _make_one_by_one(repository, steps)
    return {}


def _make_one_by_one(repository: git.Git, steps: Sequence[Step]) -> dict[str, str]:
    refused = {}
    for step in steps:
        try:
            git.create_branch(repository, step.worktree.branch, step.tip)
        except git.RefsNotMoved as error:
            refused[step.worktree.workstream] = error.message
    return refused


def add(place: Place, step: Step, pass_fds: tuple[int, ...]) -> None:
    """Register the worktree. The caller holds `add_lock`; git inherits it and outlives us with it.

    Raises:
        CannotStart: git refused; a branch made for this worktree is gone again.
    """
    repository = git.Git(place.common_dir, pass_fds=pass_fds)
    path = Path(resolved(step.worktree.path))
    try:
        if step.leftover:
            _clear_leftover(place, repository, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        git.add_worktree(
            repository, path, branch=step.worktree.branch, again=step.again and not step.leftover
        )
    except (CommandFailed, OSError) as error:
        if step.new_branch:
            with contextlib.suppress(CommandFailed):
                deletion = git.Delete(f"refs/heads/{step.worktree.branch}", step.tip)
                git.update_refs(repository, [deletion], "orchestrator: worktree not made")
        raise as_refusal(error, "git") from error


def _clear_leftover(place: Place, repository: git.Git, path: Path) -> None:
    """Remove a half-made worktree; what lies in it is moved aside, never deleted."""
    strangers = [entry for entry in path.iterdir() if entry.name != ".git"]
    if strangers:
        aside = path.with_name(f"{path.name}.interrupted")
        if aside.exists():
            raise CannotStart("taken", f"{path} was left half made, and {aside} exists already")
        aside.mkdir()
        for entry in strangers:
            entry.rename(aside / entry.name)
    folder = _admin_folder(place, str(path))
    with contextlib.suppress(CommandFailed):  # an entry cut short even earlier is not listed yet
        git.remove_leftover(repository, path)
    if folder is not None and folder.is_dir():
        shutil.rmtree(folder)
    (path / ".git").unlink(missing_ok=True)


def add_lock(place: Place) -> Path:
    return Path(place.state, "worktree-add.lock")


def workstream_lock(place: Place, workstream: str) -> Path:
    return Path(place.state, "worktrees", f"{workstream}.lock")


def setup_marker(path: Path) -> Path:
    """Which set-up has run here. In the worktree's own git directory: it goes when the worktree goes."""
    return git.git_dir(path) / "orchestrator.json"


def fill(path: Path, pass_fds: tuple[int, ...]) -> None:
    """Check the branch out where that has not been done; finish it where it was interrupted.

    Raises:
        CommandFailed: git could not write the files.
    """
    folder = git.git_dir(path)
    if (folder / "index").exists():
        return
    filling = folder / "orchestrator-filling"
    interrupted = filling.exists()
    if interrupted:
        # Whoever held it is gone: it would hold the workstream's lock too, which is ours now.
        (folder / "index.lock").unlink(missing_ok=True)
    filling.touch()
    git.check_out(git.Git(path, pass_fds=pass_fds), repair=interrupted)
    filling.unlink()


def exclude(place: Place, results: Iterable[str]) -> int:
    """Keep the contract's files out of git, in this repository only; the number of lines that lacked."""
    lines = [line for folder in dict.fromkeys(results) for line in _patterns(folder)]
    return _exclude(Path(place.common_dir), lines)


def exclude_keepalive(folder: Path) -> None:
    """Keep out of git what a keepalive writes to `folder`; nothing to do outside a repository.

    Raises:
        CommandFailed: git cannot say whether it lies in one.
        OSError: the file cannot be written.
    """
    existing = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    asked = git.Git(existing).run(
        "rev-parse", "--path-format=absolute", "--git-common-dir", "--show-toplevel", ok=(0, 128)
    )
    if asked.code == 0:
        common_dir, top = asked.stdout.splitlines()
        below = os.path.relpath(folder, os.path.realpath(top))
        _exclude(Path(common_dir), [*_patterns(below), *_patterns(below, ".keepalive/", "keepalive.log*")])


def exclude_folder(common_dir: Path, top: Path, folder: Path) -> None:
    """Keep a folder in the checkout `top` out of git, in this repository only; nothing to do outside it."""
    below = os.path.relpath(folder, top)
    if not below.startswith(".."):
        _exclude(common_dir, [f"/{_escaped(below)}/"])


def _exclude(common_dir: Path, lines: Sequence[str]) -> int:
    path = common_dir / "info" / "exclude"
    with locked(common_dir / "orchestrator" / "exclude.lock"):
        path.parent.mkdir(exist_ok=True)
        present = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
        missing = [line for line in lines if line not in set(present.split("\n"))]
        if missing:
            start = "" if not present or present.endswith("\n") else "\n"
            with path.open("a", encoding="utf-8", errors="surrogateescape") as file:
                file.write(start + "\n".join(missing) + "\n")
    return len(missing)


def _patterns(results: str, *names: str) -> list[str]:
    escaped = _escaped(os.path.normpath(results))
    prefix = "/" if escaped == "." else f"/{escaped}/"
    if names:
        return [f"{prefix}{name}" for name in names]
    return [pattern for name in _CONTRACT_FILES for pattern in (f"{prefix}{name}", f"{prefix}.{name}.*.tmp")]


def _escaped(path: str) -> str:
    return "".join(f"\\{letter}" if letter in _ARGUMENT_SPECIAL else letter for letter in path)


def resolved(path: str) -> str:
    """A worktree's path as git lists it: without links."""
    return os.path.realpath(path)
