"""The text that Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator import __version__
from orchestrator.loop import View
from orchestrator.metrics.counting import Counting
from orchestrator.turning import Turning

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Exposition:
    """`text` may be asked for from any thread; prometheus-client is loaded by the first who asks."""

    def __init__(
        self,
        journal: Path,
        view: Callable[[], View],
        turning: Turning,
        troubles: Callable[[], tuple[str, ...]],
    ) -> None:
        self._journal = journal
        self._view = view
        self._turning = turning
        self._troubles = troubles
        self._counting = Counting(journal)

    def text(self) -> bytes:
        """Raises: JournalError."""
        from prometheus_client import CollectorRegistry, ProcessCollector
        from prometheus_client.exposition import generate_latest

        registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """As a collector of Prometheus."""
        from orchestrator.metrics.figures import Doings, families

        view, turning = self._view(), self._turning
        doings = Doings(
            version=__version__,
            turns=turning.count,
            turns_s=turning.seconds,
            longest_turn_s=turning.longest_s,
            last_turn_s_ago=turning.s_ago(),
            journal_bytes=_size(self._journal),
            journal_entries=view.last_entry,
            troubles=len(self._troubles()),
        )
        return families(view.plan, view.status(), self._counting.tally(), doings)


def _size(journal: Path) -> int:
    """With what is not yet folded into the main file."""
    size = 0
    for path in (journal, journal.with_name(f"{journal.name}-wal")):
        with suppress(OSError):
            size += path.stat().st_size
    return size
