"""`send`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.here import find_here
from orchestrator.cli.hosts import open_sites
from orchestrator.cli.options import Name, PlanFile
from orchestrator.names import chosen


def send(
    name: Name,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to type.")],
    no_enter: Annotated[bool, typer.Option("--no-enter", help="Do not press Enter after it.")] = False,
    plan: PlanFile = None,
) -> None:
    """Type a text and Enter into a workstream's session."""
    from orchestrator.wire import Type

    here = find_here(plan)
    loaded = here.load_plan()
    with open_sites(here, loaded) as site:
        for found in chosen([name], loaded.workstreams):
            workstream = loaded.workstream(found)
            session = loaded.session(workstream.name)
            site(workstream.host).call(
                Type(tmux_socket=loaded.tmux_socket, session=session, text=text, enter=not no_enter)
            )
