"""`logs`."""

from __future__ import annotations

import base64
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.failures import warn
from orchestrator.cli.here import find_here
from orchestrator.cli.hosts import open_sites
from orchestrator.cli.options import Name, PlanFile
from orchestrator.cli.printing import write_bytes
from orchestrator.errors import HostUnreachable
from orchestrator.names import chosen

if TYPE_CHECKING:
    from orchestrator.cli.hosts import OpenSite
    from orchestrator.cli.plain import Passing, PlainText
    from orchestrator.core.plan import Workstream

FOLLOW_PAUSE_S = 0.3
RETRY_PAUSE_S = 3.0


@dataclass(slots=True)
class _Log:
    """A worker's log, printed up to `offset`."""

    open_site: OpenSite
    workstream: Workstream
    told: PlainText | Passing | None
    offset: int = 0

    def print_part(self, *, lines: int | None = None) -> int:
        """Print what follows, or the last `lines`; the answer is how much there was."""
        from orchestrator.wire import ReadLog

        site = self.open_site(self.workstream.host)
        name, offset = self.workstream.name, None if lines is not None else self.offset
        part = site.call(ReadLog(place=site.place, workstream=name, lines=lines, offset=offset))
        data = base64.b64decode(part.text)
        self.offset = part.offset
        write_bytes(data if self.told is None else self.told.feed(data))
        return len(data)

    def print_rest(self) -> None:
        while self.print_part():
            pass

    def end(self) -> None:
        if self.told is not None:
            write_bytes(self.told.rest())


def logs(
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int | None, typer.Option("--lines", "-n", min=0, help="Only the last so many.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Every byte as it was printed, also in a pipe.")] = False,
    plan: PlanFile = None,
) -> None:
    """Print everything a worker ever printed, over all attempts.

    In a pipe as plain text: without colours, titles and carriage returns.
    """
    here = find_here(plan)
    loaded = here.load_plan()
    (found,) = chosen([name], loaded.workstreams)[:1]
    with open_sites(here, loaded) as open_site:
        log = _Log(open_site, loaded.workstream(found), None if raw else _teller())
        if lines is not None:
            log.print_part(lines=lines)
        if lines != 0:
            log.print_rest()
        while follow:
            time.sleep(FOLLOW_PAUSE_S)
            _print_new(log)
        log.end()


def _teller() -> PlainText | Passing:
    from orchestrator.cli.plain import Passing, PlainText

    return Passing() if sys.stdout.isatty() else PlainText()


def _print_new(log: _Log) -> None:
    """A host that does not answer is asked again: whoever follows wants to see it come back."""
    try:
        log.print_rest()
    except HostUnreachable as error:
        warn(f"{error.message}; trying again")
        time.sleep(RETRY_PAUSE_S)
