"""Looks at launches that tell only what is new, for a daemon that asks every second."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from orchestrator.agent.host_look import HostLook
from orchestrator.errors import Refused
from orchestrator.wire import LaunchSeen, Look, News, Probe


@dataclass(slots=True)
class Looks:
    """What was told on one link, each launch with the number of the answer in which it was new.

    An answer that was lost costs nothing: the next question names an older one, and gets its news too.
    """

    host: HostLook
    _asked: Probe | None = None
    _number: int = 0
    _told: dict[str, tuple[int, LaunchSeen]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, request: Look) -> News:
        with self._lock:
            if request.place is not None:
                self._asked = Probe(
                    place=request.place,
                    launches=request.launches or (),
                    gpus=request.gpus,
                    folders=request.folders,
                )
            if self._asked is None or request.since > self._number:
                raise Refused("this agent was not asked before")
            seen = self.host.probe(self._asked)
            self._number += 1
            self._told = {one.launch: self._since(one) for one in seen.launches}
            news = tuple(one for number, one in self._told.values() if number > request.since)
            return News(
                boot_id=seen.boot_id,
                number=self._number,
                launches=news,
                census=seen.census,
                disk=seen.disk,
            )

    def _since(self, one: LaunchSeen) -> tuple[int, LaunchSeen]:
        before = self._told.get(one.launch)
        return before if before is not None and before[1] == one else (self._number, one)
