"""What is wrong with the messages of a plan, for `doctor`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.core.plan import LOCAL, Plan
from orchestrator.doctor import Finding
from orchestrator.errors import UsageError
from orchestrator.notify.ledger import Failure, Ledger, ledger_file, read_ledger
from orchestrator.notify.notifier import failure_in_words
from orchestrator.notify.services import Service, services, urls_of
from orchestrator.settings import StatePaths

_TRY = "mend it, then: orchestrator notify test"


def notify_findings(
    plan: Plan, state: StatePaths, env: Mapping[str, str] = os.environ
) -> tuple[Finding, ...]:
    """Nothing is sent; what the daemon met when it last sent is in its ledger."""
    ledger = read_ledger(ledger_file(state.root)) or Ledger()
    entries = [*services(plan.notify.urls), *_ping(plan)]
    return tuple(
        finding
        for service in entries
        for finding in _of(service, ledger.failures.get(service.id), env, Path(plan.source).parent)
    )


def _ping(plan: Plan) -> tuple[Service, ...]:
    return (Service(id="ping", label="ping", spec=plan.notify.ping),) if plan.notify.ping else ()


def _of(service: Service, failure: Failure | None, env: Mapping[str, str], folder: Path) -> Iterator[Finding]:
    if failure is not None:
        yield _doubt(failure_in_words(failure), _TRY)
        return
    try:
        urls_of(service.spec, env, folder)
    except UsageError as error:
        yield _doubt(f"{service.label}: {error.message}", error.hint or _TRY)
        return
    yield Finding(host=LOCAL, subject="notify", severity="ok", message=f"{service.label}: has its address")


def _doubt(message: str, mend: str) -> Finding:
    return Finding(host=LOCAL, subject="notify", severity="warning", message=message, mend=mend)
