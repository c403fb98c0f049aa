"""The project's place on this host, and what its branches and worktrees hold."""

from __future__ import annotations

from pathlib import Path

from orchestrator import git
from orchestrator.agent.files import locked
from orchestrator.agent.refusals import require_safe_name
from orchestrator.errors import CommandFailed, Refused
from orchestrator.wire import (
    Changes,
    ChangesList,
    OpenRepository,
    Place,
    PushBranch,
    Pushed,
    ReadChanges,
    ReadTips,
    Tips,
)

# HEAD of a clone we make: never born, never pushed, so that no branch counts as checked out there
# and every push into the clone is accepted.
UNBORN = "orchestrator-unborn"


def open_repository(request: OpenRepository) -> Place:
    """Whoever asks may read what is there; see `ownership` for who may change it.

    Raises:
        Refused: the directory is none of ours.
    """
    try:
        if request.repository is not None:
            return _place(git.Git(Path(request.repository).expanduser()))
        if request.root is None:
            raise Refused(f"the project {request.project} has neither a repository nor a root here")
        require_safe_name(request.project, "project name")
        root = Path(request.root).expanduser().absolute()
        root.mkdir(parents=True, exist_ok=True)
        with locked(root / f".{request.project}.lock"):
            return _own_clone(root / request.project, request.owner)
    except OSError as error:
        raise CommandFailed(f"{error.filename} cannot be used: {error.strerror}") from error


def _own_clone(folder: Path, owner: str) -> Place:
    state = folder / ".git" / "orchestrator"
    if former_owner(state) is not None:
        return _place(git.Git(folder))
    if folder.exists() and not _is_unfinished(folder):
        raise Refused(f"{folder} is not empty and not ours", "move it away, or choose another `root`")
    place = _place(git.init(folder, UNBORN))
    write_owner(state, owner)
    return place


def former_owner(state: Path) -> str | None:
    """Who made the clone, or claimed it last; None for a repository that is no clone of ours."""
    try:
        return (state / "owner").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def write_owner(state: Path, owner: str) -> None:
    """Agents of versions without fences read this file, and refuse everybody else."""
    (state / "owner").write_text(owner + "\n", encoding="utf-8")


def _is_unfinished(folder: Path) -> bool:
    """Empty, or our `git init` cut short: no file beside `.git`, no object in it."""
    if [path.name for path in folder.iterdir()] not in ([], [".git"]):
        return False
    head = folder / ".git" / "HEAD"
    return not head.exists() or head.read_text(encoding="utf-8").endswith(f"/{UNBORN}\n")


def _place(repository: git.Git) -> Place:
    if not Path(repository.directory).is_dir():
        raise CommandFailed(f"{repository.directory} is no directory")
    common = Path(git.common_dir(repository)).resolve()
    root = common.parent if common.name == ".git" else Path(git.repository_root(repository))
    state = common / "orchestrator"
    state.mkdir(mode=0o700, exist_ok=True)
    state.chmod(0o700)
    return Place(
        repository=str(root),
        common_dir=str(common),
        state=str(state),
        worktrees=str(root.with_name(f"{root.name}.worktrees")),
    )


def read_tips(request: ReadTips) -> Tips:
    return Tips(commits=git.branches(git.Git(request.place.common_dir), request.branches))


def read_changes(request: ReadChanges) -> ChangesList:
    return ChangesList(
        worktrees=tuple(_changes(path) for path in request.paths if Path(path, ".git").exists())
    )


def _changes(path: str) -> Changes:
    changed = git.status(git.Git(path))
    return Changes(
        path=path,
        tracked=changed.tracked,
        untracked=changed.untracked,
        operation=git.operation(git.git_dir(path)),
    )


def push_branches(request: PushBranch) -> Pushed:
    """Each branch stands alone: one the remote rejects does not hold back the others."""
    repository = git.Git(request.place.common_dir)
    present = git.branches(repository, request.branches)
    refused = {name: "no such branch here" for name in request.branches if name not in present}
    if present:
        refspecs = [f"refs/heads/{name}:refs/heads/{name}" for name in present]
        rejected = git.push(repository, request.remote, refspecs)
        refused |= {ref.removeprefix("refs/heads/"): reason for ref, reason in rejected.items()}
    return Pushed(refused=refused)
