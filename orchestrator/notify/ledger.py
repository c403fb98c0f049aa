"""What has been told and what waits, in a small file: a daemon that crashed tells nothing twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.codec import WireError, build, plain_fields
from orchestrator.core.events import Event
from orchestrator.core.notices import Notice, Told
from orchestrator.core.posting import Box, Repeat
from orchestrator.core.wording import Message
from orchestrator.supervise.records import replace_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message on its way to one service. `begun` is set, and written down, while it is handed over:
    whether it arrived is not known when that stands there after a crash, and it is not sent again."""

    service: str
    title: str
    body: str
    level: str
    made: float
    tries: int = 0
    next_at: float = 0.0
    begun: bool = False

    @property
    def message(self) -> Message:
        return Message(title=self.title, body=self.body, level=self.level)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A service that does not take messages. `since` is seconds since the epoch."""

    label: str
    reason: str
    since: float
    tries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """`cursor` is the last journal entry that was looked at, of the journal with that `token`.

    `lost` are hosts whose loss was seen and whose return was not.
    """

    token: str = ""
    cursor: int = 0
    box: Box = field(default_factory=Box)
    told: Told = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    letters: tuple[Letter, ...] = ()
    failures: Mapping[str, Failure] = field(default_factory=dict)


def ledger_file(state: Path) -> Path:
    return state / "notify.json"


def read_ledger(path: Path) -> Ledger | None:
    """None where there is none, or none that can be read: then everything so far counts as told."""
    try:
        return _ledger(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_ledger(path: Path, ledger: Ledger) -> None:
    """Durable when it returns. Raises OSError."""
    replace_file(str(path), json.dumps(_document(ledger), ensure_ascii=False).encode(), durable=True)


def _document(ledger: Ledger) -> dict[str, Any]:
    box = ledger.box
    return {
        "v": 1,
        "token": ledger.token,
        "cursor": ledger.cursor,
        "waiting": [_notice_document(notice) for notice in box.waiting.values()],
        "sent_at": list(box.sent_at),
        "repeats": [[e.value, who, one.count, one.at] for (e, who), one in box.repeats.items()],
        "told": [[event.value, who, mark] for (event, who), mark in ledger.told.items()],
        "lost": sorted(ledger.lost),
        "letters": [plain_fields(letter) for letter in ledger.letters],
        "failures": {key: plain_fields(failure) for key, failure in ledger.failures.items()},
    }


def _notice_document(notice: Notice) -> list[Any]:
    return [notice.event.value, notice.subject, notice.text, notice.first, notice.count]


def _ledger(document: Any) -> Ledger:
    if document["v"] != 1:
        raise WireError("a ledger of another version")
    waiting = [_notice(*row) for row in document["waiting"]]
    return Ledger(
        token=document["token"],
        cursor=document["cursor"],
        box=Box(
            waiting={(notice.event, notice.subject): notice for notice in waiting},
            sent_at=tuple(document["sent_at"]),
            repeats={(Event(e), who): Repeat(count=n, at=at) for e, who, n, at in document["repeats"]},
        ),
        told={(Event(event), who): mark for event, who, mark in document["told"]},
        lost=frozenset(document["lost"]),
        letters=tuple(build(Letter, letter) for letter in document["letters"]),
        failures={key: build(Failure, failure) for key, failure in document["failures"].items()},
    )


def _notice(event: str, subject: str, text: str, first: float, count: int) -> Notice:
    return Notice(event=Event(event), subject=subject, text=text, first=first, count=count)
