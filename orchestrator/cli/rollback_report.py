"""What a rollback came to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from orchestrator.cli.landing_report import gate_lines, mark, short
from orchestrator.cli.printing import one_line, styled, tell, tell_json
from orchestrator.errors import ExitStatus

Document = dict[str, Any]


def tell_rollback(report: Document, as_json: bool) -> None:
    """Print the report; exits 1 when the answer is no."""
    if as_json:
        tell_json(report)
    else:
        for line in _lines(report):
            tell(line)
    if not report["ok"]:
        raise typer.Exit(ExitStatus.NO)


def _lines(report: Document) -> Iterator[str]:
    yield from gate_lines(report["gates"])
    for reason in report["reasons"]:
        yield f"{mark(False)} {one_line(reason)}"
    if report["ok"]:
        for one in report["dependents"]:
            yield f"{styled('·', 'yellow')} wave {one['wave']} {one['how']}"
    for text in report["notes"]:
        yield f"{styled('·', 'yellow')} {one_line(text)}"
    yield f"{mark(report['ok'])} {_verdict(report)}"
    if report["push_error"]:
        yield f"{styled('!', 'yellow')} not pushed: {one_line(report['push_error'])}"
        yield f"    → when that is settled: orchestrator wave rollback {report['wave']}"
    if report["ok"]:
        command = f"rollback {report['wave']}" if report["dry_run"] else f"reland {report['wave']}"
        yield f"    → orchestrator wave {command}"


def _verdict(report: Document) -> str:
    wave, names = f"wave {report['wave']}", " ".join(report["rolled_back"])
    travel = f"({short(report['base_before'])} → {short(report['base_after'])})"
    if report["already_rolled_back"]:
        return f"{wave}: already rolled back"
    if not report["ok"]:
        return f"{wave} cannot be rolled back; nothing was changed"
    how = "base goes back" if report["form"] == "reset" else "by a new commit"
    if report["dry_run"]:
        return f"{wave} would be rolled back, {how}: {names} {travel}"
    return f"{wave} rolled back, {how}: {names} {travel}"
