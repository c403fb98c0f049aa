"""When people are told: notices gather, equal ones collapse, and a storm becomes a handful of messages.

Pure: `now` is seconds since the epoch, `minute` the local minute of the day. A clock that was set back
forgets sendings of the future, so that nothing waits for a time that was wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from orchestrator.core.events import Event
from orchestrator.core.notices import Notice
from orchestrator.core.plan import NotifyPolicy

GATHER_S = 2.0
"""What happens within so short a time is told together, also without a digest."""

FIRST_PAUSE_S = 60.0
LONGEST_PAUSE_S = 3600.0
"""Of one subject's same event: the pause doubles with each message, and is forgotten after this long."""

GAPS_S = ((20, 900.0), (10, 300.0), (5, 60.0))
"""So many messages within the last hour make the next one wait so long after the last."""

Key = tuple[Event, str]

_RETURNS = {
    Event.HOST_BACK: (Event.HOST_LOST, "it answers again"),
    Event.SYNC_BACK: (Event.SYNC_FAILED, "they are pulled again"),
    Event.JOURNAL_BACK: (Event.JOURNAL_HELD, "it goes on"),
}
"""What ends before anybody was told of it is told in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """How often something was told lately, and when last."""

    count: int
    at: float

    def pause_s(self) -> float:
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self.count - 1, 10))

    def is_fresh(self, now: float) -> bool:
        return 0 <= now - self.at < LONGEST_PAUSE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Notices that wait to be told, and what was told within the last hour."""

    waiting: Mapping[Key, Notice] = field(default_factory=dict)
    sent_at: tuple[float, ...] = ()
    repeats: Mapping[Key, Repeat] = field(default_factory=dict)


def put(box: Box, notices: Iterable[Notice], wanted: Collection[str]) -> Box:
    """The box with what is `wanted` in it; its size is bounded by the plan's, not by how much happens."""
    waiting = dict(box.waiting)
    for notice in notices:
        key = (notice.event, notice.subject)
        lost, returned = _RETURNS.get(notice.event, (notice.event, ""))
        if returned and (lost, notice.subject) in waiting:
            waiting[lost, notice.subject] = replace(waiting[lost, notice.subject], text=returned)
        elif notice.event.value in wanted:
            waiting[key] = waiting[key].and_then(notice) if key in waiting else notice
    return replace(box, waiting=waiting)


def take(box: Box, policy: NotifyPolicy, now: float, minute: int) -> tuple[tuple[Notice, ...], Box]:
    """What is to be told in one message now, perhaps nothing, and the box after that."""
    box = _forget(box, now)
    if policy.quiet is not None and policy.quiet.cover(minute):
        return (), box
    if not _is_due(box, policy, now):
        return (), box
    told = tuple(sorted(box.waiting.values(), key=lambda notice: notice.first))
    repeats = {key: _once_more(box.repeats.get(key), now) for key in box.waiting}
    sent_at = (*box.sent_at, now)
    return told, Box(waiting={}, sent_at=sent_at, repeats={**box.repeats, **repeats})


def _is_due(box: Box, policy: NotifyPolicy, now: float) -> bool:
    """One notice that need not pause takes all others with it."""
    gather_s = max(GATHER_S, policy.digest_s)
    waited = any(
        _pause_is_over(box.repeats.get(key), now) and not 0 <= now - notice.first < gather_s
        for key, notice in box.waiting.items()
    )
    return waited and (not box.sent_at or now - box.sent_at[-1] >= _gap_s(box))


def _pause_is_over(repeat: Repeat | None, now: float) -> bool:
    return repeat is None or now - repeat.at >= repeat.pause_s()


def _gap_s(box: Box) -> float:
    return next((gap for many, gap in GAPS_S if len(box.sent_at) >= many), 0.0)


def _once_more(repeat: Repeat | None, now: float) -> Repeat:
    return Repeat(count=repeat.count + 1 if repeat else 1, at=now)


def _forget(box: Box, now: float) -> Box:
    return Box(
        waiting=box.waiting,
        sent_at=tuple(at for at in box.sent_at if 0 <= now - at < LONGEST_PAUSE_S),
        repeats={key: one for key, one in box.repeats.items() if one.is_fresh(now)},
    )
