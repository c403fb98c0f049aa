"""Sites that commands open by themselves, whether a daemon runs or not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from orchestrator.cli.here import Here
from orchestrator.errors import HostUnreachable, Refused

if TYPE_CHECKING:
    from orchestrator.core.plan import HostName, Plan
    from orchestrator.site import Site, Sites

T = TypeVar("T")
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


def within(seconds: float, asked: Mapping[HostName, Callable[[], T]]) -> dict[HostName, T | Exception]:
    """What each returns or raises, all asked at once; one that takes longer is a host without answer.

    A thread that still waits for its host does not keep the process from ending.
    """
    answers: dict[HostName, T | Exception] = {}

    def ask(host: HostName, act: Callable[[], T]) -> None:
        try:
            answers[host] = act()
        except Exception as error:  # noqa: BLE001 - it is told where the answers are read
            answers[host] = error

    threads = [threading.Thread(target=ask, args=one, daemon=True) for one in asked.items()]
    for thread in threads:
        thread.start()
    give_up_at = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, give_up_at - time.monotonic()))
    late = HostUnreachable(f"no answer within {seconds:g} s")
    return {host: answers.get(host, late) for host in asked}
