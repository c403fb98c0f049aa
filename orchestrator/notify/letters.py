"""Messages on their way: one letter for each service, so that one that is down holds up no other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from orchestrator.core.wording import Message
from orchestrator.notify.ledger import Failure, Ledger, Letter
from orchestrator.notify.services import Service

FIRST_RETRY_S = 10.0
LONGEST_RETRY_S = 900.0
KEPT_FOR_S = 86400.0
MOST_LETTERS = 20
"""Of one service; the oldest are given up first."""

_CRASHED = "the daemon ended while a message was on its way; it is not sent again"


def posted(ledger: Ledger, message: Message, to: Iterable[Service], now: float) -> Ledger:
    new = tuple(
        Letter(
            service=service.id,
            title=message.title,
            body=message.body,
            level=message.level,
            made=now,
            next_at=now,
        )
        for service in to
    )
    return replace(ledger, letters=(*ledger.letters, *new))


def after_a_crash(ledger: Ledger, known: Iterable[Service], now: float) -> Ledger:
    """Letters that were being handed over may have arrived: they are given up, and that is said."""
    labels = {service.id: service.label for service in known}
    uncertain = {letter.service for letter in ledger.letters if letter.begun}
    failures = {
        service: Failure(label=labels[service], reason=_CRASHED, since=now)
        for service in uncertain
        if service in labels
    }
    kept = tuple(letter for letter in ledger.letters if not letter.begun)
    return replace(ledger, letters=kept, failures={**ledger.failures, **failures})


def tidied(ledger: Ledger, known: Iterable[Service], now: float) -> Ledger:
    """Without what is too old, too much, or for a service that the plan no longer has."""
    ids = {service.id for service in known}
    kept: list[Letter] = []
    for letter in reversed(ledger.letters):
        of_it = sum(other.service == letter.service for other in kept)
        if letter.service in ids and now - letter.made < KEPT_FOR_S and of_it < MOST_LETTERS:
            kept.append(letter)
    failures = {key: failure for key, failure in ledger.failures.items() if key in ids}
    return replace(ledger, letters=tuple(reversed(kept)), failures=failures)


def due(ledger: Ledger, now: float) -> tuple[Letter, ...]:
    """The oldest letter of each service, where its time has come: they arrive in order."""
    first: dict[str, Letter] = {}
    for letter in ledger.letters:
        first.setdefault(letter.service, letter)
    return tuple(letter for letter in first.values() if letter.next_at <= now)


def begun(ledger: Ledger, letters: Iterable[Letter]) -> Ledger:
    for letter in letters:
        ledger = _with(ledger, letter, replace(letter, begun=True))
    return ledger


def answered(ledger: Ledger, letter: Letter, label: str, reason: str, now: float) -> Ledger:
    """`letter` as it was before it was begun; an empty `reason` says that it was sent."""
    started = replace(letter, begun=True)
    others = {key: failure for key, failure in ledger.failures.items() if key != letter.service}
    if not reason:
        return replace(_with(ledger, started, None), failures=others)
    tries = letter.tries + 1
    retry_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(letter.tries, 10))
    before = ledger.failures.get(letter.service)
    failure = Failure(label=label, reason=reason, since=before.since if before else now, tries=tries)
    again = replace(letter, tries=tries, next_at=now + retry_s)
    return replace(_with(ledger, started, again), failures={**others, letter.service: failure})


def _with(ledger: Ledger, letter: Letter, instead: Letter | None) -> Ledger:
    """The ledger with `instead` in the place of `letter`; nothing changes where that is gone."""
    letters = list(ledger.letters)
    if letter in letters:
        place = letters.index(letter)
        letters[place : place + 1] = [instead] if instead else []
    return replace(ledger, letters=tuple(letters))
