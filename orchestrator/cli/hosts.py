"""Sites that commands open by themselves, whether a daemon runs or not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.cli.here import Here
from orchestrator.errors import Refused

if TYPE_CHECKING:
    from orchestrator.core.plan import HostName, Plan
    from orchestrator.site import Site, Sites

OpenSite = Callable[["HostName"], "Site"]


@contextmanager
def open_sites(here: Here, plan: Plan) -> Iterator[OpenSite]:
    """Yields what opens a host's site, or gives the open one; all are closed at the end."""
    opened: list[Sites] = []
    opening = threading.Lock()
    closed = False

    def sites() -> Sites:
        from orchestrator.site import Sites  # not for a command that finds kept all it asks for

        with opening:
            if not opened:
                opened.append(Sites(plan, here.find_home()))
            return opened[0]

    def open_site(host: HostName) -> Site:
        if closed:
            raise Refused("interrupted.")
        return sites().site(host)

    try:
        yield open_site
    finally:
        closed = True
        for found in opened:
            found.close_all()
