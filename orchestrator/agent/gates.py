"""Gates in checkouts of their own: detached, kept between runs, exactly at the commit asked for.

Of what git does not track only what the set-up made outlives a run, and only where git ignores it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator import git
from orchestrator.agent import ignored, supervised, worktrees
from orchestrator.agent.files import (
    copy_files,
    load_json,
    locked,
    open_lock,
    text_hash,
    try_lock,
    write_json,
)
from orchestrator.agent.outside import fault_outside
from orchestrator.agent.refusals import CannotStart, require_safe_name
from orchestrator.errors import CommandFailed, Refused
from orchestrator.supervise.records import ExitRecord
from orchestrator.wire import Checkout, Finished, GateCommand, GateRan, Place, RunGates

SETUP_TIMEOUT_S = 3600.0
LOGS_KEPT = 10
"""Of each gate in each checkout; the patches beside them too."""

PATCH_LIMIT_BYTES = 16 * 1024 * 1024
LEFT_LIMIT_BYTES = 32 * 1024 * 1024
"""Of one file that a command leaves for its reader; a larger one is as good as none."""

OUT_VARIABLE = "ORCHESTRATOR_OUT"
_MARKER = "orchestrator-gates.json"
_RUN = re.compile(r"[0-9a-f]+\.[0-9]+")


@dataclass(frozen=True, slots=True)
class _Room:
    """One gate checkout. Everything in it is ours to discard."""

    place: Place
    checkout: Checkout
    path: Path
    logs: Path

    @property
    def git(self) -> git.Git:
        # A new worktree takes over the sparse checkout of the one it is made from; gates prove all files.
        return git.Git(self.path, settings=("core.sparseCheckout=false",))

    @property
    def marker(self) -> Path:
        return git.git_dir(self.path) / _MARKER

    @property
    def run_state(self) -> Path:
        return self.logs / "run"

    @property
    def out(self) -> Path:
        return self.logs / "out"


def run_gates(request: RunGates, emit: Callable[[object], None]) -> Finished:
    """One request at a time in a checkout; another waits.

    Raises:
        Refused: the checkout's directory is something else.
        CommandFailed: the commit is not here, or git or the disk failed.
    """
    name = require_safe_name(request.checkout.name, "checkout name")
    logs = Path(request.place.state, "gates", name)
    room = _Room(request.place, request.checkout, checkout_path(request.place, name), logs)
    try:
        with locked(logs / "lock"):
            _run_in(_overlaid(room), request.gates, emit)
    except CannotStart as why:
        raise CommandFailed(why.message) from why
    except OSError as error:
        raise CommandFailed(
            f"the gates in {room.path} failed: {error.strerror} ({error.filename})"
        ) from error
    return Finished()


def _overlaid(room: _Room) -> _Room:
    """Its commit with the files of another one laid over it, where that is asked for."""
    checkout, overlay = room.checkout, room.checkout.overlay
    if overlay is None:
        return room
    repository = git.Git(room.place.common_dir)
    commit = git.overlaid(repository, checkout.commit, overlay.source, overlay.paths, overlay.texts)
    return replace(room, checkout=replace(checkout, commit=commit, tree=None, overlay=None))


def _run_in(room: _Room, gates: tuple[GateCommand, ...], emit: Callable[[object], None]) -> None:
    supervised.end_leftover(room.run_state)
    _open(room)
    _move(room)
    failed = _set_up(room)
    if failed is not None:
        emit(failed)
        return
    for gate in gates:
        _require_tree(room)
        emit(_run_gate(room, gate))


def _open(room: _Room) -> None:
    """Make the checkout, or make sure that it is ours."""
    repository = git.Git(room.place.common_dir)
    git.resolve(repository, room.checkout.commit)
    with locked(worktrees.add_lock(room.place)) as lock:
        path = worktrees.resolved(str(room.path))
        listed = {worktrees.resolved(entry.path): entry for entry in git.list_worktrees(repository)}
        if path in listed and (room.path / ".git").exists():
            _require_ours(room)
            return
        if room.path.exists() and any(room.path.iterdir()):
            raise Refused(f"{room.path} is not empty and is no checkout of ours", "move it away")
        room.path.parent.mkdir(parents=True, exist_ok=True)
        adding = git.Git(room.place.common_dir, pass_fds=(lock,))
        git.add_worktree(adding, path, commit=room.checkout.commit, again=path in listed)
        _mark(room)


def _mark(room: _Room, *, kept: Iterable[str] = (), **setup: object) -> None:
    """Note that the checkout is ours, which ignored paths its set-up made, and that set-up."""
    write_json(room.marker, {"v": 1, "checkout": room.checkout.name, "kept": sorted(kept), **setup})


def _require_ours(room: _Room) -> None:
    try:
        ours = load_json(room.marker).get("checkout") == room.checkout.name
    except CommandFailed:
        ours = False
    if not ours:
        raise Refused(f"{room.path} is a worktree, but not one made for gates", "remove it, or rename it")


def _move(room: _Room) -> None:
    marker = load_json(room.marker)
    # A run that was killed may have left git's lock; we hold the checkout's own.
    (git.git_dir(room.path) / "index.lock").unlink(missing_ok=True)
    made = set(marker.get("made") or ())
    kept = set(marker.get("kept") or ())
    if "kept" not in marker or made.intersection(git.status(room.git).untracked):
        # What the set-up made is not known, or not ignored and goes now: it must be made again.
        _mark(room, kept=kept)
    git.move_checkout(room.git, room.checkout.commit)
    ignored.discard(room.path, kept)
    tracked = set(git.tracked_files(room.git, [file.path for file in room.checkout.copy]))
    fresh = [file for file in room.checkout.copy if file.path not in tracked]
    copy_files(room.path, fresh, overwrite=True)


def _set_up(room: _Room) -> GateRan | None:
    """Run the set-up unless this very text has been run here with these locks; the answer is its failure."""
    setup = room.checkout.setup
    if setup is None:
        return None
    asked = text_hash("\0".join(filter(None, (setup, room.checkout.locks))))
    if load_json(room.marker).get("setup") == asked:
        return None
    before = set(git.status(room.git).untracked)
    ran, record = _run(room, GateCommand(gate="setup", command=setup, timeout_s=SETUP_TIMEOUT_S))
    if record is None or record.exit_code != 0:
        return ran
    made = sorted(set(git.status(room.git).untracked) - before)
    _restore(room)
    kept = ignored.present(room.path) - {file.path for file in room.checkout.copy}
    _mark(room, kept=kept, setup=asked, made=made)
    return None


def _require_tree(room: _Room) -> None:
    """Raises:
    CommandFailed: the checkout is not what is to be judged; somebody else moved it.
    """
    wanted = room.checkout.tree
    at = git.tree_of(room.git, "HEAD")
    if (wanted is not None and at != wanted) or _changed(room):
        raise CommandFailed(f"{room.path} is not at the tree {wanted or room.checkout.commit}: it is at {at}")


def _run_gate(room: _Room, gate: GateCommand) -> GateRan:
    require_safe_name(gate.gate, "gate name")
    ran, _ = _run(room, gate)
    if ran.changed:
        ran = replace(ran, proposal=_proposal(room, Path(ran.log).with_suffix(".patch")))
    _restore(room)
    _forget_old_logs(room, gate.gate)
    return ran


def _run(room: _Room, gate: GateCommand) -> tuple[GateRan, ExitRecord | None]:
    log = room.logs / f"{'-'.join(filter(None, (gate.gate, gate.run)))}.log"
    shutil.rmtree(room.out, ignore_errors=True)
    room.out.mkdir(parents=True)
    command = supervised.Command(
        name=gate.gate,
        text=gate.command,
        folder=room.path,
        state=room.run_state,
        log=log,
        timeout_s=gate.timeout_s,
        env={**room.checkout.env, **gate.env, OUT_VARIABLE: str(room.out)},
    )
    record = supervised.run(command)
    changed = _changed(room) if gate.gate != "setup" else ()
    infrastructure = fault_outside(record, (room.path, room.logs))
    ran = GateRan(
        gate=gate.gate,
        ok=record is not None and record.exit_code == 0 and not changed,
        exit_code=record.exit_code if record else None,
        timed_out=record is not None and record.cause == "timeout",
        seconds=record.elapsed_s if record else 0.0,
        log=str(log),
        tail=supervised.last_lines(log),
        changed=changed if infrastructure is None else (),
        infrastructure=infrastructure,
        files=dict(_left(room, gate.wanted)),
    )
    return ran, record


def _left(room: _Room, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        path = room.out / require_safe_name(name, "file name")
        if path.is_file() and path.stat().st_size <= LEFT_LIMIT_BYTES:
            yield name, path.read_text(encoding="utf-8", errors="replace")


def _changed(room: _Room) -> tuple[str, ...]:
    """Tracked files that are no longer as committed; `HEAD` when the command committed or moved it."""
    moved = () if git.resolve(room.git, "HEAD") == room.checkout.commit else ("HEAD",)
    return (*moved, *git.status(room.git).tracked)


def _proposal(room: _Room, patch: Path) -> str | None:
    """What the gate made of the tracked files, as a patch; None when nothing is left, or too much."""
    git.write_patch(room.git, room.checkout.commit, patch)
    if 0 < patch.stat().st_size <= PATCH_LIMIT_BYTES:
        return str(patch)
    patch.unlink()
    return None


def _restore(room: _Room) -> None:
    """Tracked files as committed, for the next gate; untracked ones stay."""
    if _changed(room):
        git.restore_checkout(room.git, room.checkout.commit)


def _forget_old_logs(room: _Room, gate: str) -> None:
    runs = [path for path in room.logs.glob("*.log") if _is_of(path, gate)]
    for log in sorted(runs, key=lambda path: path.stat().st_mtime, reverse=True)[LOGS_KEPT:]:
        for path in (log, log.with_name(f"{log.name}.1"), log.with_suffix(".patch")):
            path.unlink(missing_ok=True)


def _is_of(log: Path, gate: str) -> bool:
    name, _, run = log.stem.rpartition("-")
    return name == gate and _RUN.fullmatch(run) is not None


def checkout_path(place: Place, name: str) -> Path:
    return Path(place.worktrees, "_gates", name)


def remove_checkout(place: Place, name: str) -> bool:
    """Take a gate checkout away with all that is in it; False when there is none, or it is not ours.

    Raises:
        Refused: gates run in it.
    """
    path = checkout_path(place, name)
    if not is_checkout(place, name):
        return False
    descriptor = open_lock(Path(place.state, "gates", name, "lock"))
    try:
        if not try_lock(descriptor):
            raise Refused(f"gates run in {path}", "try again when they have ended")
        git.remove_leftover(git.Git(place.common_dir, pass_fds=(descriptor,)), path)
    finally:
        os.close(descriptor)
    return True


def is_busy(place: Place, name: str) -> bool:
    """Whether gates run in the checkout of this name, or wait to."""
    path = Path(place.state, "gates", name, "lock")
    if not path.exists():
        return False
    descriptor = open_lock(path)
    try:
        return not try_lock(descriptor)
    finally:
        os.close(descriptor)


def is_checkout(place: Place, name: str) -> bool:
    """Whether gates have a checkout of this name that we made."""
    try:
        marker = git.git_dir(checkout_path(place, name)) / _MARKER
    except CommandFailed:
        return False
    return load_json(marker).get("checkout") == name
