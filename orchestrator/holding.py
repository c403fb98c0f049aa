"""What a daemon keeps while it cannot write anything down, and when it may try again.

Nothing may be done that was not written down before: so it holds every action, and goes on to look and
to answer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.core import facts as f
from orchestrator.core.facts import Fact
from orchestrator.core.state import State
from orchestrator.errors import JournalBlocked

TRY_EVERY_S = 2.0

ROOM_BYTES = 4 * 1024 * 1024
"""SQLite's log grows so far before it is folded back; with less the next fact would fail again."""

_HINT = (
    "mend that, or make room on that disk: the daemon goes on by itself. Workers run on meanwhile; "
    "orchestrator stop ends them, orchestrator down --keep-workers ends the daemon alone"
)


@dataclass(slots=True)
class Hold:
    """`late` are facts that nobody would tell again; `since` is monotonic. `written` is what the journal
    folds to, without `stops`, which were asked for since and are carried out all the same.
    """

    error: JournalBlocked
    written: State
    stops: list[f.StopAsked] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)
    late: list[Fact] = field(default_factory=list)
    _tried_at: float = field(default_factory=time.monotonic)

    @property
    def reason(self) -> str:
        return self.error.message

    def refusal(self) -> JournalBlocked:
        return JournalBlocked(f"nothing is begun or ended now: {self.reason}", _HINT)

    def keep(self, facts: Iterable[Fact]) -> None:
        """For later. Of a host that comes and goes only the last is worth it: hours may pass."""
        for fact in facts:
            if isinstance(fact, f.HostLost | f.HostBack):
                self.late = [one for one in self.late if not _is_of_host(one, fact.host)]
            self.late.append(fact)

    def is_due(self, journal: Path) -> bool:
        """Whether to try again now."""
        if time.monotonic() - self._tried_at < TRY_EVERY_S:
            return False
        return has_room(journal)

    def failed_again(self, error: JournalBlocked) -> None:
        self.error = error
        self._tried_at = time.monotonic()

    def over(self) -> tuple[Fact, ...]:
        """What is to be written first once that is possible."""
        held = f.JournalHeld(reason=self.reason, seconds=round(time.monotonic() - self.since, 1))
        return (*self.late, *self.stops, held)


def has_room(journal: Path) -> bool:
    """Enough for a while; a quota may say otherwise. A disk that cannot be measured is tried."""
    try:
        disk = os.statvfs(journal.parent)
    except OSError:
        return True
    blocks = disk.f_bfree if os.geteuid() == 0 else disk.f_bavail
    return blocks * disk.f_frsize >= ROOM_BYTES


def _is_of_host(fact: Fact, host: str) -> bool:
    return isinstance(fact, f.HostLost | f.HostBack) and fact.host == host
