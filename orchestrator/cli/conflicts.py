"""`conflicts`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import typer

from orchestrator.cli.here import Here, find_here
from orchestrator.cli.options import AnyNames, AsJson, PlanFile
from orchestrator.cli.own_desk import own_desk
from orchestrator.cli.printing import aligned, note, one_line, styled, tell, tell_json
from orchestrator.errors import ExitStatus
from orchestrator.names import chosen

if TYPE_CHECKING:
    from orchestrator.core.overlap import Span
    from orchestrator.forecast import FileClash, Forecast, Overlap, Pair, WaveFold
    from orchestrator.forecast.branches import Reach

OVERLAPS_SHOWN = 20


def conflicts(names: AnyNames = None, plan: PlanFile = None, as_json: AsJson = False) -> None:
    """Show who would conflict with whom, in which files and lines; uncommitted work counts."""
    from orchestrator.forecast import forecast_document, make_forecast

    here = find_here(plan)
    loaded = here.load_plan()
    wanted = chosen(names, loaded.workstreams)
    with own_desk(here, loaded) as desk:
        forecast = make_forecast(desk, _known_to_answer(here))
    shown = forecast.of(wanted) if names else forecast
    if as_json:
        tell_json(forecast_document(shown))
    else:
        _tell(shown)
    if shown.conflict:
        raise typer.Exit(ExitStatus.NO)


def _known_to_answer(here: Here) -> Reach:
    """All hosts, but those that a daemon has just tried in vain: they would only make everybody wait."""
    from orchestrator.client import NoDaemon

    try:
        hosts = here.client.status()["hosts"]
    except NoDaemon:
        hosts = []
    silent = {host["name"] for host in hosts if host["reachable"] is False}
    return lambda host: host not in silent


def _tell(forecast: Forecast) -> None:
    for text in forecast.notes:
        note(text)
    for one in forecast.left_out:
        note(f"{one.name}: {one.reason}")
    for pair in (*forecast.against_base, *forecast.pairs):
        if pair.conflict:
            _tell_lines(_pair_lines(pair))
    _tell_lines(line for wave in forecast.waves for line in _wave_lines(wave, forecast))
    _tell_overlaps(forecast.overlaps)
    if forecast.conflict:
        _tell_order(forecast)
    elif forecast.branches:
        tell(f"{styled('✓', 'green')} no conflict: {_scope(forecast)}")
    elif any(one.reason.endswith("does not exist yet") for one in forecast.left_out):
        note("there is no branch yet: orchestrator up")
    else:
        tell(f"{styled('✓', 'green')} nothing is left to merge")


def _scope(forecast: Forecast) -> str:
    uncommitted = [branch.name for branch in forecast.branches if branch.is_uncommitted]
    counted = f" ({', '.join(uncommitted)} with uncommitted work)" if uncommitted else ""
    count = len(forecast.branches)
    branches = f"{count} branch{'es' if count > 1 else ''}"
    return f"{branches}, in pairs, with {forecast.base} and wave by wave{counted}"


def _tell_lines(lines: Iterable[str]) -> None:
    for line in lines:
        tell(line)


def _pair_lines(pair: Pair) -> Iterator[str]:
    reason = f": {pair.reason}" if pair.reason else ""
    yield f"{styled('✗', 'red')} {pair.a} and {pair.b}{reason}"
    yield from aligned((f"    {_path(file)}", file.kind, _where(pair, file)) for file in pair.files)


def _path(file: FileClash) -> str:
    return one_line(f"{file.path} and {file.other}" if file.other else file.path)


def _where(pair: Pair, file: FileClash) -> str:
    if file.lines is None:
        return ""
    return f"{_spans(file.lines.a)} of {pair.a}, {_spans(file.lines.b)} of {pair.b}"


def _spans(spans: Iterable[Span]) -> str:
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    return f"line{'s' if len(texts) > 1 or '-' in texts[0] else ''} {', '.join(texts)}"


def _wave_lines(wave: WaveFold, forecast: Forecast) -> Iterator[str]:
    """What only the whole wave shows; what two branches show was said already."""
    for collision in wave.collisions:
        if not forecast.explains(collision):
            words = one_line(f"{collision.workstream} {collision.words()}")
            yield f"{styled('✗', 'red')} wave {wave.wave}: {words}"


def _tell_overlaps(overlaps: tuple[Overlap, ...]) -> None:
    if not overlaps:
        return
    # The nearest first: without common lines they are whole files that both replaced.
    nearest = sorted(overlaps, key=lambda o: o.lines.distance if o.lines else 0)
    tell("both touch, without conflict:")
    _tell_lines(aligned(_overlap_row(overlap) for overlap in nearest[:OVERLAPS_SHOWN]))
    if len(overlaps) > OVERLAPS_SHOWN:
        tell(f"    and {len(overlaps) - OVERLAPS_SHOWN} more: --json")


def _overlap_row(overlap: Overlap) -> tuple[str, ...]:
    if overlap.lines is None:
        return (f"    {one_line(overlap.path)}", f"{overlap.a} and {overlap.b}", "")
    where = f"{_spans(overlap.lines.a)} of {overlap.a}, {_spans(overlap.lines.b)} of {overlap.b}"
    return (f"    {one_line(overlap.path)}", f"{overlap.a} and {overlap.b}", where)


def _tell_order(forecast: Forecast) -> None:
    tell("suggested order:")
    rows = (
        (f"    {number}. {step.name}", f"after taking in {' and '.join(step.rework)}" if step.rework else "")
        for number, step in enumerate(forecast.order, 1)
    )
    _tell_lines(aligned(rows))
