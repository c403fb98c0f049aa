"""`events`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from orchestrator.cli.here import Here, find_here
from orchestrator.cli.options import AsJson, PlanFile
from orchestrator.cli.printing import one_line, styled, tell, tell_json_line

FOLLOW_PAUSE_S = 0.3
_SUBJECTS = ("workstream", "wave", "host")


def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Print the audit log: what was asked, done and decided."""
    here = find_here(plan)
    for document in _entries(here, follow):
        if as_json:
            tell_json_line(document)
        else:
            tell(_line(document))


def _entries(here: Here, follow: bool) -> Iterator[dict[str, Any]]:
    """From the journal itself, which any number may read: no daemon is needed, none disturbed."""
    after = 0
    while True:
        for document in _written(here, after):
            after = document["id"]
            yield document
        if not follow:
            return
        time.sleep(FOLLOW_PAUSE_S)


def _written(here: Here, after: int) -> Iterator[dict[str, Any]]:
    from orchestrator.journal import Journal

    journal = Journal.read(here.state_paths.journal)
    if journal is None:
        return
    try:
        for entry in journal.entries(after):
            yield entry.document()
    finally:
        journal.close()


def _line(document: dict[str, Any]) -> str:
    fields = {key: value for key, value in document.items() if key not in ("id", "at", "kind")}
    subject = next((_named(key, fields.pop(key)) for key in _SUBJECTS if fields.get(key) is not None), "-")
    details = " ".join(
        f"{key}={_value(value)}" for key, value in fields.items() if value not in (None, "", [], {})
    )
    return f"{styled(_local(document['at']), 'dim')}  {document['kind']:<15} {subject:<15} {details}".rstrip()


def _named(key: str, value: Any) -> str:
    return str(value) if key == "workstream" else f"{key} {value}"


def _value(value: Any) -> str:
    text = one_line(value)
    return f'"{text}"' if " " in text else text


def _local(stamp: str) -> str:
    from datetime import datetime

    return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")
