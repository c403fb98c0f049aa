"""The daemon as commands need it: running, asked, and known by the names of its workstreams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from orchestrator.cli.here import Here
from orchestrator.cli.names import chosen
from orchestrator.cli.printing import note
from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from orchestrator.client import Client


def running_daemon(here: Here) -> Client:
    """The repository's daemon, started when none runs."""
    from orchestrator.client import start_daemon

    client = here.client
    if client.is_running():
        return client
    try:
        return start_daemon(here.plan_file, here.state_paths)
    except OrchestratorError:
        # Another command may have started one at the same moment: then ours had to end.
        if client.is_running():
            return client
        raise


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
