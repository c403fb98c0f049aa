"""Taking away what a landed workstream left here: everything is looked at before anything is touched.

Killed anywhere, it is done again: what git does not hold lies in `kept/`, in a ref, or still in place.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator import git, supervise
from orchestrator.agent import gates, keeping, ports, worktrees
from orchestrator.agent.files import locked, open_lock, try_lock
from orchestrator.agent.keeping import Belongings, Removal
from orchestrator.agent.launches import launch_folder
from orchestrator.agent.panes import once_ended
from orchestrator.agent.refusals import require_safe_name
from orchestrator.agent.sessions import Tmux
from orchestrator.errors import CommandFailed, OrchestratorError
from orchestrator.git import Identity, WorktreeListed
from orchestrator.wire import Cleaned, CleanWorkstream

_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """`worktree` is None where none is registered, `there` False where its directory is gone."""

    reasons: tuple[str, ...]
    worktree: str | None
    there: bool
    branch: bool
    sessions: tuple[str, ...]
    belongings: Belongings
    notes: tuple[str, ...] = ()


class _Undone(Exception):
    """It could not be finished and everything is back in place; the text says why."""


def clean(request: CleanWorkstream) -> Cleaned:
    """One workstream at a time; `reasons` in the answer say why nothing was changed.

    Raises:
        CommandFailed: git or tmux failed.
    """
    require_safe_name(request.workstream, "workstream name")
    lock = open_lock(worktrees.workstream_lock(request.place, request.workstream))
    try:
        if not try_lock(lock):
            return Cleaned(reasons=("it is being started",))
        look = _look(request)
        report = _report(request, look)
        if request.dry_run or look.reasons:
            return report
        return _carry_out(request, look, report, lock)
    finally:
        os.close(lock)


# --- looking --------------------------------------------------------------------------------------


def _look(request: CleanWorkstream) -> _Look:
    listed = git.list_worktrees(git.Git(request.place.common_dir))
    path = worktrees.resolved(request.path)
    here = next((entry for entry in listed if worktrees.resolved(entry.path) == path), None)
    there = here is not None and Path(path, ".git").exists()
    standing = _standing(request)
    sessions, sitting = _sessions(request)
    reasons = [*sitting, *_about_branch(request, listed, path, standing), *_about_place(listed, here, path)]
    found = Belongings()
    if there and not reasons:
        found = keeping.belongings(
            Path(path), (request.results, *request.copied), worktrees.setup_marker(Path(path))
        )
        reasons += _about_files(request, path, found)
    strange = () if here or not _is_occupied(path) else (f"{path} is no worktree of ours: left as it is",)
    return _Look(
        reasons=tuple(reasons),
        worktree=path if here else None,
        there=there,
        branch=standing is not None,
        sessions=sessions,
        belongings=found,
        notes=strange,
    )


def _standing(request: CleanWorkstream) -> str | None:
    return git.branches(git.Git(request.place.common_dir), [request.branch]).get(request.branch)


def _sessions(request: CleanWorkstream) -> tuple[tuple[str, ...], list[str]]:
    """Its session if that is ours and ended, and what speaks against closing it."""
    if request.launch and supervise.is_running(str(launch_folder(request.place, request.launch))):
        return (), ["its worker still runs"]
    tmux = Tmux(request.tmux_socket)
    panes, running = once_ended(tmux, [request.session])
    pane = panes.get(request.session)
    if pane is None or not pane.launch:
        return (), []
    if running:
        return (), [f"its worker still runs in the session {request.session}"]
    others = [p for p in tmux.panes_listed() if p.session == request.session and not p.own and not p.dead]
    if others:
        return (), [
            f"somebody works in the session {request.session}: it has a pane that is not the worker's"
        ]
    return (request.session,), []


def _about_branch(
    request: CleanWorkstream, listed: tuple[WorktreeListed, ...], path: str, standing: str | None
) -> Iterator[str]:
    if standing != request.tip:
        yield f"its branch {request.branch} moved meanwhile; run it again"
    for entry in listed:
        if entry.branch == request.branch and worktrees.resolved(entry.path) != path:
            yield f"the branch {request.branch} is checked out in {entry.path}"
    if gates.is_busy(request.place, request.workstream):
        yield "its gates are running"


def _about_place(listed: tuple[WorktreeListed, ...], here: WorktreeListed | None, path: str) -> Iterator[str]:
    if here is None:
        return
    if here is listed[0]:
        yield f"{path} is the repository's main worktree"
    # Before anything else about it: a lock also holds for a directory that is not there at the moment.
    if here.locked is not None:
        yield f"the worktree {path} is locked" + (f": {here.locked}" if here.locked else "")
    if not Path(path, ".git").exists() and _is_occupied(path):
        yield f"{path} is not empty and has lost its .git file"


def _about_files(request: CleanWorkstream, path: str, found: Belongings) -> Iterator[str]:
    tree = git.Git(path)
    operation = git.operation(git.git_dir(path))
    if operation is not None:
        yield f"a {operation} is under way in {path}"
    branch = git.branch_checked_out(tree)
    if branch != request.branch:
        yield f"the worktree {path} holds {branch or 'a detached commit'}, not {request.branch}"
    changed = git.status(tree).tracked
    if changed:
        yield f"uncommitted changes in {path}: {named(changed)}"
    if found.repositories:
        yield f"repositories of their own in {path}: {named(found.repositories)}"
    if git.has_submodules(tree):
        yield f"{path} holds submodules, which git does not remove"
    if keeping.MANIFEST in found.kept:
        yield f"{path}/{keeping.MANIFEST} has the name of the list of kept files; rename it"
    yield from keeping.lacking_room(Path(request.place.state), Path(path), found)


def _is_occupied(path: str) -> bool:
    return os.path.lexists(path) and (not Path(path).is_dir() or any(Path(path).iterdir()))


def named(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(paths[:_NAMED]) + more


def trash_ref(workstream: str) -> str:
    return f"refs/orchestrator/trash/{workstream}"


def _report(request: CleanWorkstream, look: _Look) -> Cleaned:
    state, path, found = Path(request.place.state), Path(look.worktree or "/"), look.belongings
    files, size = keeping.files_and_bytes(path, found.kept)
    has_checkout = gates.is_checkout(request.place, request.workstream)
    checkout = gates.checkout_path(request.place, request.workstream)
    kept = keeping.kept_folder(state, request.workstream)
    return Cleaned(
        reasons=look.reasons,
        worktree=look.worktree,
        branch=look.branch,
        session=bool(look.sessions),
        gate_checkout=str(checkout) if has_checkout else None,
        ports=ports.is_leased(state, request.workstream),
        kept=str(kept) if found.kept or kept.exists() else None,
        kept_files=files,
        kept_bytes=size,
        recreated=found.made,
        recreated_bytes=keeping.files_and_bytes(path, found.recreated)[1],
        trash=trash_ref(request.workstream) if found.untracked else None,
        untracked=found.untracked,
        notes=look.notes,
    )


# --- doing ----------------------------------------------------------------------------------------


def _carry_out(request: CleanWorkstream, look: _Look, report: Cleaned, lock: int) -> Cleaned:
    if look.worktree is not None:
        try:
            _remove_worktree(request, look, report, lock)
        except _Undone as why:
            return replace(report, reasons=(str(why),))
    if report.kept is not None:
        keeping.complete_manifest(Path(report.kept))
    keeping.discard(_aside(request))
    for session in look.sessions:
        Tmux(request.tmux_socket).close(session)
    if report.gate_checkout is not None:
        gates.remove_checkout(request.place, request.workstream)
    ports.free_ports(Path(request.place.state), request.workstream)
    if look.branch and not _delete_branch(request, lock):
        moved = f"its branch {request.branch} moved while the rest was removed: it is left as it is"
        return replace(report, branch=False, notes=(*report.notes, moved))
    return report


def _remove_worktree(request: CleanWorkstream, look: _Look, report: Cleaned, lock: int) -> None:
    """Raises: _Undone: something could not be moved, or git does not remove it; all is as it was."""
    path, found = Path(look.worktree or ""), look.belongings
    removal = Removal(path)
    try:
        if found.untracked:
            _snapshot(request, path, found.untracked)
            removal.move(found.untracked, keeping.fresh_folder(_aside(request)))
        if report.kept is not None:
            keeping.write_manifest(Path(report.kept), path, found.kept, request.workstream)
            removal.move(found.kept, Path(report.kept))
        if look.there:
            _require_nothing_new(path, found)
        with locked(worktrees.add_lock(request.place)) as adding:
            git.remove_worktree(git.Git(request.place.common_dir, pass_fds=(lock, adding)), path)
    except (OSError, OrchestratorError, keeping.CopyFailed) as error:
        removal.undo()
        keeping.abandon(report.kept)
        raise _Undone(f"{_words(error)}; everything is as it was") from error


def _aside(request: CleanWorkstream) -> Path:
    """Where untracked files lie until git has removed the worktree they come from."""
    return Path(request.place.state, "cleaning", request.workstream)


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else "")
    return str(error)


def _require_nothing_new(path: Path, found: Belongings) -> None:
    """Removing a worktree takes ignored files along without a word: none may have come meanwhile."""
    new = set(git.ignored_files(git.Git(path))) - set(found.recreated)
    if new:
        raise CommandFailed(f"something still writes to {path}: {named(tuple(sorted(new)))}")


def _snapshot(request: CleanWorkstream, path: Path, untracked: tuple[str, ...]) -> None:
    """A commit of the untracked files on the tip; an earlier one becomes its second parent."""
    tree = git.Git(path, settings=("core.fsync=committed,reference",))
    index = git.git_dir(path) / "orchestrator-snapshot-index"
    try:
        held = git.tree_with_files(tree, "HEAD", untracked, str(index))
    finally:
        with suppress(FileNotFoundError):
            index.unlink()
    ref = trash_ref(request.workstream)
    earlier = git.refs(tree, ref).get(ref)
    if earlier is not None and git.tree_of(tree, earlier) == held:
        return
    parents = [git.resolve(tree, "HEAD"), *([earlier] if earlier else [])]
    author = Identity("orchestrator", "orchestrator@localhost", int(time.time()))
    text = f"untracked files of {request.workstream}, whose worktree was removed\n"
    commit = git.commit_tree(tree, held, parents, text, author=author)
    change = git.Create(ref, commit) if earlier is None else git.Update(ref, commit, earlier)
    git.update_refs(tree, [change], "orchestrator: clean")


def _delete_branch(request: CleanWorkstream, lock: int) -> bool:
    with locked(worktrees.add_lock(request.place)) as adding:
        repository = git.Git(request.place.common_dir, pass_fds=(lock, adding))
        deletion = git.Delete(f"refs/heads/{request.branch}", request.tip or "")
        try:
            git.update_refs(repository, [deletion], "orchestrator: clean")
        except git.RefsNotMoved:
            return False
    return True
