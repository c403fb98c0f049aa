"""Notices as one message: `5 workers failed: a, b, c, d, e`, and the reasons below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.core.events import Event
from orchestrator.core.notices import Notice

Level = Literal["info", "success", "warning", "failure"]

NAMES_SHOWN = 8
REASONS_SHOWN = 5
OLD_S = 120.0
"""What happened so long before it is told is told with its time of day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    title: str
    body: str
    level: Level


_WORDS: dict[Event, tuple[str, str, Level]] = {
    Event.FAILED: ("{names} failed", "{n} workers failed: {names}", "failure"),
    Event.HELD: ("{names} is held", "{n} workers are held: {names}", "warning"),
    Event.STALLED: ("{names} is stalled", "{n} workers are stalled: {names}", "warning"),
    Event.WAITING_FOR_INPUT: ("{names} waits for input", "{n} workers wait for input: {names}", "warning"),
    Event.HOST_LOST: ("host {names} was lost", "{n} hosts were lost: {names}", "failure"),
    Event.DISK_FULL: ("the disk of {names} is full", "{n} disks are full: {names}", "failure"),
    Event.JOURNAL_HELD: ("the daemon on {names} holds everything", "{n} daemons hold everything", "failure"),
    Event.SYNC_FAILED: (
        "results of {names} are not pulled",
        "results of {n} workers are not pulled: {names}",
        "failure",
    ),
    Event.GATES_RED: ("{names}: gates are red", "gates of {n} are red: {names}", "failure"),
    Event.DONE: ("{names} is done", "{n} workers are done: {names}", "success"),
    Event.WAVE_READY: ("{names} is ready to land", "{n} waves are ready to land: {names}", "success"),
    Event.LANDED: ("{names} landed", "{n} waves landed: {names}", "success"),
    Event.ROLLED_BACK: ("{names} was rolled back", "{n} waves were rolled back: {names}", "warning"),
    Event.JOURNAL_BACK: ("the daemon on {names} goes on", "{n} daemons go on", "success"),
    Event.SYNC_BACK: (
        "results of {names} are pulled again",
        "results of {n} workers are pulled again: {names}",
        "success",
    ),
    Event.HOST_BACK: ("host {names} answers again", "{n} hosts answer again: {names}", "success"),
}
"""For one subject, for several, and how bad it is; what is first here is told first."""

_WORST: tuple[Level, ...] = ("failure", "warning", "info", "success")


def message(project: str, notices: Sequence[Notice], now: float, clock: Callable[[float], str]) -> Message:
    """`clock` says a time of day; `notices` are not empty."""
    groups = [[n for n in notices if n.event is event] for event in _WORDS]
    groups = [group for group in groups if group]
    heads = [_head(group) for group in groups]
    levels = {_WORDS[group[0].event][2] for group in groups}
    more = f" and {len(heads) - 1} more" if len(heads) > 1 else ""
    lines = [
        line
        for group, head in zip(groups, heads, strict=True)
        for line in _paragraph(group, head, now, clock)
    ]
    return Message(
        title=f"[{project}] {heads[0]}{more}",
        body="\n".join(lines),
        level=next(level for level in _WORST if level in levels),
    )


def _head(group: Sequence[Notice]) -> str:
    one, several, _ = _WORDS[group[0].event]
    template = one if len(group) == 1 else several
    return template.format(n=len(group), names=_names(n.subject for n in group))


def _names(subjects: Iterable[str]) -> str:
    listed = list(subjects)
    rest = len(listed) - NAMES_SHOWN
    return ", ".join(listed[:NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _paragraph(group: Sequence[Notice], head: str, now: float, clock: Callable[[float], str]) -> list[str]:
    if len(group) == 1:
        return [_joined(head, _when(group[0], now, clock), group[0].text)]
    reasons = dict.fromkeys(notice.text for notice in group)
    if len(reasons) == 1:
        return [_joined(head, "", group[0].text)]
    shown = [f"- {_joined(n.subject, _when(n, now, clock), n.text)}" for n in group[:REASONS_SHOWN]]
    rest = len(group) - REASONS_SHOWN
    return [head, *shown, *([f"- and {rest} more"] if rest > 0 else [])]


def _joined(head: str, when: str, text: str) -> str:
    return head + (f" ({when})" if when else "") + (f": {text}" if text else "")


def _when(notice: Notice, now: float, clock: Callable[[float], str]) -> str:
    times = f"{notice.count} times" if notice.count > 1 else ""
    old = now - notice.first > OLD_S
    since = (f"since {clock(notice.first)}" if times else f"at {clock(notice.first)}") if old else ""
    return ", ".join(part for part in (times, since) if part)
