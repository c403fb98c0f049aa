"""The events that people can be told of."""

from __future__ import annotations

from enum import Enum


class Event(Enum):
    """The values are the words of the plan's `notify.on`."""

    HELD = "held"
    FAILED = "failed"
    STALLED = "stalled"
    WAITING_FOR_INPUT = "waiting-for-input"
    DONE = "done"
    GATES_RED = "gates-red"
    WAVE_READY = "wave-ready"
    LANDED = "landed"
    ROLLED_BACK = "rolled-back"
    HOST_LOST = "host-lost"
    HOST_BACK = "host-back"
    DISK_FULL = "disk-full"
    SYNC_FAILED = "sync-failed"
    SYNC_BACK = "sync-back"
    JOURNAL_HELD = "journal-held"
    JOURNAL_BACK = "journal-back"


USUAL_EVENTS = tuple(event for event in Event if event not in (Event.DONE, Event.HOST_BACK))
"""What is told where the plan lists no events."""
