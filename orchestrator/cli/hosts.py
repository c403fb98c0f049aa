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

    owner = here.load_state().token
    sites = Sites(plan, here.find_home(), owner)

    closed = False

    def open_site(host: HostName) -> Site:
        if closed:
            raise Refused("interrupted.")
        # The first to come marks a clone there as its own: that must be the daemon, whose journal has a name.
        if not owner and plan.hosts[host].ssh is not None:
            raise Refused(f"nothing was ever started on {host}.", "orchestrator up")
        return sites.site(host)

    try:
        yield open_site
    finally:
        closed = True
        sites.close_all()
