"""New entries of the journal, and what is so now, become notices in the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from orchestrator.core import facts as f
from orchestrator.core.facts import Fact
from orchestrator.core.notices import Condition, Notice, news, notice_of
from orchestrator.core.posting import put
from orchestrator.journal import Entry
from orchestrator.notify.ledger import Ledger


def with_entries(ledger: Ledger, entries: Iterable[Entry], wanted: tuple[str, ...]) -> Ledger:
    notices: list[Notice] = []
    lost, cursor = ledger.lost, ledger.cursor
    for entry in entries:
        cursor = entry.id
        notice = notice_of(entry.fact, datetime.fromisoformat(entry.at).timestamp())
        if notice is not None and not _is_first_answer(entry.fact, lost):
            notices.append(notice)
        lost = _lost_after(lost, entry.fact)
    return replace(ledger, box=put(ledger.box, notices, wanted), lost=lost, cursor=cursor)


def with_conditions(ledger: Ledger, found: list[Condition], at: float, wanted: tuple[str, ...]) -> Ledger:
    notices, told = news(found, ledger.told, at)
    return replace(ledger, box=put(ledger.box, notices, wanted), told=told)


def _is_first_answer(fact: Fact, lost: frozenset[str]) -> bool:
    """Each daemon writes down that a host answers; only after a loss is that a return."""
    return isinstance(fact, f.HostBack) and fact.host not in lost


def _lost_after(lost: frozenset[str], fact: Fact) -> frozenset[str]:
    match fact:
        case f.HostLost():
            return lost | {fact.host}
        case f.HostBack():
            return lost - {fact.host}
    return lost
