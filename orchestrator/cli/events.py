"""`events`: the journal, a line for each fact."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.here import Here, find_here
from orchestrator.cli.options import AsJson, AWave, PlanFile
from orchestrator.cli.printing import one_line, styled, tell, tell_json_line
from orchestrator.names import require_wave

if TYPE_CHECKING:
    from orchestrator.core.facts import Fact
    from orchestrator.journal import Entry

FOLLOW_PAUSE_S = 0.3
_SUBJECTS = ("workstream", "wave", "host")


def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    wave: AWave = None,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Print the audit log: what was asked, done and decided."""
    here = find_here(plan)
    about = _about(here, wave)
    for entry in _entries(here, follow):
        if not about(entry.fact):
            continue
        if as_json:
            tell_json_line(entry.document())
        else:
            tell(_line(entry))


def _about(here: Here, wave: int | None) -> Callable[[Fact], bool]:
    """Whether a fact is to be shown; a wave's workstreams are those of the plan and those it landed with."""
    if wave is None:
        return lambda _: True
    from orchestrator.reports.story import concerns, wave_of

    plan = here.load_plan()
    waves: dict[str, int] = {name: stream.wave for name, stream in plan.workstreams.items()}
    for entry in _written(here, 0):
        waves.update(wave_of(entry.fact))
    require_wave(wave, sorted({*plan.waves, *waves.values()}))
    names = [name for name, number in waves.items() if number == wave]
    return lambda fact: concerns(fact, wave, names)


def _entries(here: Here, follow: bool) -> Iterator[Entry]:
    """From the journal itself, which any number may read: no daemon is needed, none disturbed."""
    after = 0
    while True:
        for entry in _written(here, after):
            after = entry.id
            yield entry
        if not follow:
            return
        time.sleep(FOLLOW_PAUSE_S)


def _written(here: Here, after: int) -> Iterator[Entry]:
    from orchestrator.journal import Journal

    journal = Journal.read(here.state_paths.journal)
    if journal is None:
        return
    try:
        yield from journal.entries(after)
    finally:
        journal.close()


def _line(entry: Entry) -> str:
    from orchestrator.reports.story import in_words

    document = entry.document()
    fields = {key: value for key, value in document.items() if key not in ("id", "at", "kind")}
    subject = next((_named(key, fields.pop(key)) for key in _SUBJECTS if fields.get(key) is not None), "-")
    words = in_words(entry.fact)
    details = _details(fields) if words is None else one_line(words)
    return f"{styled(_local(document['at']), 'dim')}  {document['kind']:<17} {subject:<15} {details}".rstrip()


def _details(fields: Mapping[str, Any]) -> str:
    return " ".join(
        f"{key}={_value(value)}" for key, value in fields.items() if value not in (None, "", [], {})
    )


def _named(key: str, value: Any) -> str:
    return str(value) if key == "workstream" else f"{key} {value}"


def _value(value: Any) -> str:
    text = one_line(value)
    return f'"{text}"' if " " in text else text


def _local(stamp: str) -> str:
    from datetime import datetime

    return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")
