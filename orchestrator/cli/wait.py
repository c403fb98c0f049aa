"""`wait`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orchestrator.cli.daemon import names_meant, say
from orchestrator.cli.here import Here, find_here
from orchestrator.cli.keepalive import seconds
from orchestrator.cli.options import AnyNames, AsJson, PlanFile
from orchestrator.cli.printing import tell, tell_json
from orchestrator.errors import ExitStatus, OrchestratorError
from orchestrator.names import require_one_of
from orchestrator.requests import Wait

STATES = (
    "waiting",
    "starting",
    "running",
    "stale",
    "backoff",
    "held",
    "done",
    "failed",
    "stopped",
    "merged",
)
ENDS = ("done", "failed", "held", "stopped", "merged")
GOOD_ENDS = ("done", "merged")


def wait(
    names: AnyNames = None,
    states: Annotated[
        list[str] | None, typer.Option("--for", metavar="STATE", help="The state; default: done.")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="T", help="The longest to wait, as 2h.")
    ] = None,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Wait until all have ended; exit 1 unless all are done.

    With --for: until all are in that state; exit 1 when one cannot be any more. Exit 1 when time is up.
    """
    here = find_here(plan)
    words = [word for text in states or () for word in text.split(",")]
    wanted = tuple(require_one_of("state", word, STATES) for word in words)
    timeout_s = None if timeout is None else seconds(timeout, "--timeout")
    answer = _reached(here, Wait(names=names_meant(here, names), states=wanted, timeout_s=timeout_s))
    if as_json:
        tell_json(answer)
    else:
        for name, state in answer["workstreams"].items():
            tell(f"{name}: {state}")
    if not words and any(state not in GOOD_ENDS for state in answer["workstreams"].values()):
        raise typer.Exit(ExitStatus.NO)


def _reached(here: Here, request: Wait) -> Any:
    from orchestrator.client import NoDaemon

    try:
        return here.client.ask(request, say)
    except NoDaemon:
        return _reached_already(here, request)


def _reached_already(here: Here, request: Wait) -> Any:
    """Without a daemon nothing changes any more: it is so now, or never."""
    from orchestrator.cli.offline import offline_status

    found = {w["name"]: w["state"] for w in offline_status(here)["workstreams"] if w["name"] in request.names}
    if all(state in (request.states or ENDS) for state in found.values()):
        return {"workstreams": found}
    words = ", ".join(f"{name} is {state}" for name, state in found.items())
    raise OrchestratorError(f"no daemon runs, so nothing will change: {words}.", "orchestrator up")
