"""What gates and landings need of whoever runs them: the daemon, or a command without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from orchestrator.core.facts import Fact
    from orchestrator.core.plan import HostName, Plan
    from orchestrator.core.state import State
    from orchestrator.site import Home, Site


class Desk(Protocol):
    """A plan, the state it is in, and the means to act on it."""

    @property
    def plan(self) -> Plan: ...

    @property
    def state(self) -> State: ...

    @property
    def home(self) -> Home: ...

    def site(self, host: HostName) -> Site:
        """The host's site; blocks while it connects. Raises `HostUnreachable`."""

    def record(self, *facts: Fact) -> None:
        """Write facts down; they are durable when this returns."""

    def say(self, text: str) -> None:
        """Tell whoever asked what is going on."""

    def require_asker(self) -> None:
        """Go on only while somebody wants it. Raises `Refused` once whoever asked has gone."""
