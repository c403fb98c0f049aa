"""`logs`."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.failures import warn
from orchestrator.cli.here import find_here
from orchestrator.cli.hosts import open_sites
from orchestrator.cli.names import chosen
from orchestrator.cli.options import Name, PlanFile
from orchestrator.cli.printing import write_bytes
from orchestrator.errors import HostUnreachable

if TYPE_CHECKING:
    from orchestrator.cli.hosts import OpenSite
    from orchestrator.core.plan import Workstream

FOLLOW_PAUSE_S = 0.3
RETRY_PAUSE_S = 3.0


def logs(
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int | None, typer.Option("--lines", "-n", min=0, help="Only the last so many.")] = None,
    plan: PlanFile = None,
) -> None:
    """Print everything a worker ever printed, over all attempts."""
    here = find_here(plan)
    loaded = here.load_plan()
    (found,) = chosen([name], loaded.workstreams)[:1]
    workstream = loaded.workstream(found)
    with open_sites(here, loaded) as open_site:
        offset = _print_from(open_site, workstream, lines)
        while follow:
            time.sleep(FOLLOW_PAUSE_S)
            offset = _print_new(open_site, workstream, offset)


def _print_from(open_site: OpenSite, workstream: Workstream, lines: int | None) -> int:
    if lines is None:
        return _print_rest(open_site, workstream, 0)
    _, offset = _print_part(open_site, workstream, lines=lines)
    return offset if lines == 0 else _print_rest(open_site, workstream, offset)


def _print_new(open_site: OpenSite, workstream: Workstream, offset: int) -> int:
    """A host that does not answer is asked again: whoever follows wants to see it come back."""
    try:
        return _print_rest(open_site, workstream, offset)
    except HostUnreachable as error:
        warn(f"{error.message}; trying again")
        time.sleep(RETRY_PAUSE_S)
        return offset


def _print_rest(open_site: OpenSite, workstream: Workstream, offset: int) -> int:
    while True:
        size, offset = _print_part(open_site, workstream, offset=offset)
        if not size:
            return offset


def _print_part(
    open_site: OpenSite, workstream: Workstream, lines: int | None = None, offset: int | None = None
) -> tuple[int, int]:
    from orchestrator.wire import ReadLog

    site = open_site(workstream.host)
    part = site.call(ReadLog(place=site.place, workstream=workstream.name, lines=lines, offset=offset))
    data = base64.b64decode(part.text)
    write_bytes(data)
    return len(data), part.offset
