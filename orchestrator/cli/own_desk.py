"""Gates and checks in this process: they need a plan, a state and hosts, but no daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
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
    home: Home
    open_site: OpenSite
    read_state: Callable[[], State]

    @property
    def state(self) -> State:
        """As the journal has it now: a daemon may be writing it."""
        return self.read_state()

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
        yield OwnDesk(plan=plan, home=here.find_home(), open_site=open_site, read_state=_reading(here))


def _reading(here: Here) -> Callable[[], State]:
    """Reads the journal again only where its files have changed."""
    journal = here.state_paths.journal
    files = [journal, journal.with_name(f"{journal.name}-wal")]

    @lru_cache(maxsize=1)
    def read(_stamps: tuple[tuple[int, int] | None, ...]) -> State:
        return here.load_state()

    return lambda: read(tuple(_stamp(file) for file in files))


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
