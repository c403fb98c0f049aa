"""`status`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from orchestrator.cli.daemon import note_changed_plan
from orchestrator.cli.here import Here, find_here
from orchestrator.cli.offline import current_status
from orchestrator.cli.options import AnyNames, AsJson, PlanFile
from orchestrator.cli.printing import tell, tell_json, tell_json_line
from orchestrator.cli.status_table import print_status, status_lines
from orchestrator.names import chosen

Document = dict[str, Any]

REFRESH_S = 1.0


def status(
    names: AnyNames = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh until Ctrl-C.")] = False,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Show a line per workstream: state, progress, last output."""
    here = find_here(plan)
    if watch:
        _watch(lambda: status_of(here, names), as_json)
    document = status_of(here, names)
    note_changed_plan(here, document)
    if as_json:
        tell_json(document)
    else:
        print_status(document)


def status_of(here: Here, names: list[str] | None) -> Document:
    """Raises:
    UsageError: a name that the plan does not have.
    """
    document = current_status(here)
    wanted = chosen(names, (w["name"] for w in document["workstreams"]))
    return {**document, "workstreams": [w for w in document["workstreams"] if w["name"] in wanted]}


def _watch(look: Callable[[], Document], as_json: bool) -> None:
    """Ends by an exception only: Ctrl-C, or output nobody reads."""
    if sys.stdout.isatty() and not as_json:
        from orchestrator.cli.live import watch_on_terminal

        watch_on_terminal(look, REFRESH_S)
    seen = None
    while True:
        document = look()
        steady = _without_ages(document)
        if steady != seen:
            seen = steady
            if as_json:
                tell_json_line(document)
            else:
                tell("\n".join([*status_lines(document), ""]))
        time.sleep(REFRESH_S)


def _without_ages(document: Document) -> Document:
    return {
        **document,
        "workstreams": [
            {**w, "heartbeat_age_s": None, "synced": {**(w.get("synced") or {}), "age_s": None}}
            for w in document["workstreams"]
        ],
    }
