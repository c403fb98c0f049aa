"""Gates and checks in this process: they need a plan, a state and hosts, but no daemon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.cli.here import Here
from orchestrator.cli.hosts import OpenSite, open_sites
from orchestrator.cli.printing import note

if TYPE_CHECKING:
    from orchestrator.core.facts import Fact
    from orchestrator.core.plan import HostName, Plan
    from orchestrator.core.state import State
    from orchestrator.home import Home
    from orchestrator.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDesk:
    """What gates come to is kept in their cache; the journal has one writer, and that is the daemon."""

    plan: Plan
    state: State
    home: Home
    open_site: OpenSite

    def site(self, host: HostName) -> Site:
        return self.open_site(host)

    def record(self, *facts: Fact) -> None:
        pass

    def require_asker(self) -> None:
        """Whoever asked is this very process."""

    def say(self, text: str) -> None:
        note(text)


@contextmanager
def own_desk(here: Here, plan: Plan) -> Iterator[OwnDesk]:
    with open_sites(here, plan) as open_site:
        yield OwnDesk(plan=plan, state=here.load_state(), home=here.find_home(), open_site=open_site)
