"""Sites that commands open by themselves, whether a daemon runs or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.cli.here import Here
from orchestrator.errors import Refused

if TYPE_CHECKING:
    from orchestrator.core.plan import HostName, Plan
    from orchestrator.site import Site

OpenSite = Callable[["HostName"], "Site"]


@contextmanager
def open_sites(here: Here, plan: Plan) -> Iterator[OpenSite]:
    """Yields what opens a host's site, or gives the open one; all are closed at the end."""
    from orchestrator.site import Sites

    sites = Sites(plan, here.find_home())
    closed = False

    def open_site(host: HostName) -> Site:
        if closed:
            raise Refused("interrupted.")
        return sites.site(host)

    try:
        yield open_site
    finally:
        closed = True
        sites.close_all()
