"""The daemon as commands need it: running, asked, and known by the names of its workstreams."""

from __future__ import annotations

import fcntl
import os
import time
from codecs import BOM_UTF8
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.cli.here import Here
from orchestrator.cli.printing import note
from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.names import chosen

if TYPE_CHECKING:
    from orchestrator.client import Client


CHANGE_DEADLINE_S = 20.0
"""The longest a daemon may take between its lock and its socket, when it comes and when it goes."""


def running_daemon(here: Here) -> Client:
    """The repository's daemon, started when none runs."""
    from orchestrator.client import start_daemon

    deadline = time.monotonic() + CHANGE_DEADLINE_S
    while not here.client.is_running():
        # Who holds the lock without listening is about to listen, or to end: another command's daemon.
        if is_locked(here):
            if time.monotonic() > deadline:
                raise OrchestratorError("a daemon runs but does not listen.", f"see {here.state_paths.log}")
            time.sleep(0.05)
            continue
        try:
            return start_daemon(here.plan_file, here.state_paths)
        except OrchestratorError:
            if not is_locked(here):
                raise
    return here.client


def require_same_plan(here: Here) -> None:
    """Raises:
    UsageError: a daemon runs, for another plan of this repository.
    """
    from orchestrator.client import NoDaemon

    try:
        theirs = here.client.status().get("plan", here.plan_file)
    except NoDaemon:
        return
    if Path(theirs).resolve() != here.plan_file.resolve():
        raise UsageError(
            f"a daemon runs here for another plan, {theirs}.",
            f"orchestrator --plan {theirs} down",
        )


def note_changed_plan(here: Here, document: dict[str, Any]) -> None:
    """Say where a running daemon's status follows another text than the plan's file has now."""
    known = document.get("plan_digest")
    if known is None or not document["daemon"]["running"]:
        return
    from hashlib import sha256

    path = Path(document.get("plan", here.plan_file))
    try:
        text = path.read_bytes().removeprefix(BOM_UTF8)
    except OSError:
        return
    if sha256(text).hexdigest() != known:
        note(f"{path.name} changed since the daemon read it; orchestrator up reads it again")


def note_if_plan_changed(here: Here) -> None:
    """The same for a command that has no status yet."""
    from orchestrator.client import NoDaemon

    with suppress(NoDaemon):
        note_changed_plan(here, here.client.status())


def is_locked(here: Here) -> bool:
    """Whether a daemon's process exists, from before it listens to its very end."""
    try:
        with here.state_paths.lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def wait_until_gone(here: Here, pid: int) -> None:
    """Blocks until the daemon's process has ended: its lock goes first."""
    deadline = time.monotonic() + CHANGE_DEADLINE_S
    while is_locked(here) or _exists(pid):
        if time.monotonic() > deadline:
            raise OrchestratorError("the daemon does not end.", f"see {here.state_paths.log}")
        time.sleep(0.02)


def _exists(pid: int) -> bool:
    try:
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            return True  # our own child, still there
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def names_meant(here: Here, given: list[str] | None) -> tuple[str, ...]:
    """Raises:
    UsageError: a name that neither the daemon nor the plan has.
    """
    from orchestrator.client import NoDaemon

    try:
        known = [w["name"] for w in here.client.status()["workstreams"]]
    except NoDaemon:
        known = list(here.load_plan().workstreams)
    return chosen(given, known)


def active_names(here: Here, names: Iterable[str]) -> tuple[str, ...]:
    """Those that the journal knows to run, or to be about to."""
    from orchestrator.core.state import Ended, Running, Starting, Stopping, Wanted

    state = here.load_state()
    active = (Ended, Running, Starting, Stopping, Wanted)
    return tuple(name for name in names if isinstance(state.of(name).phase, active))


def say(text: str) -> None:
    """What the daemon tells while it works."""
    note(text)
