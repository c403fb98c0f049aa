"""What a landing, or its check, came to."""

from __future__ import annotations

from typing import Any

import typer

from orchestrator.cli.printing import aligned, one_line, styled, tell, tell_json
from orchestrator.cli.status_table import duration
from orchestrator.errors import ExitStatus

Document = dict[str, Any]


def tell_landing(report: Document, as_json: bool, *, dry_run: bool) -> None:
    """Print the report; exits 1 when the answer is no."""
    if as_json:
        tell_json(report)
    else:
        for line in _lines(report, dry_run):
            tell(line)
    if not report["ok"]:
        raise typer.Exit(ExitStatus.NO)


def gate_lines(gates: list[Document]) -> list[str]:
    lines = aligned(_gate_row(gate) for gate in gates)
    logs = [f"  see {gate['log']}" for gate in gates if not gate["ok"] and gate.get("log")]
    return [*lines, *dict.fromkeys(logs)]


def _gate_row(gate: Document) -> tuple[str, ...]:
    mark = styled("✓", "green") if gate["ok"] else styled("✗", "red")
    took = "cached" if gate["cached"] else duration(gate["seconds"])
    return (f"{mark} {gate['workstream'] or 'wave'}", gate["gate"], took)


def _lines(report: Document, dry_run: bool) -> list[str]:
    left_out = [
        f"{styled('✗', 'red')} {one['name']}: {one_line(one['reason'])}" for one in report["left_out"]
    ]
    return [*gate_lines(report["gates"]), *left_out, _verdict(report, dry_run)]


def _verdict(report: Document, dry_run: bool) -> str:
    wave, landed = report["wave"], " ".join(report["landed"])
    if not report["ok"]:
        return f"{styled('✗', 'red')} wave {wave} cannot land"
    if dry_run:
        return f"{styled('✓', 'green')} wave {wave} would land: {landed}"
    move = f"{(report['base_before'] or '-')[:12]} → {(report['base_after'] or '-')[:12]}"
    return f"{styled('✓', 'green')} wave {wave} landed: {landed} ({move})"
