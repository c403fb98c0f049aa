"""What gates came to, and what a landing or its check came to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import typer

from orchestrator.cli.printing import aligned, one_line, styled, tell, tell_json
from orchestrator.cli.status_table import duration
from orchestrator.errors import ExitStatus

Document = dict[str, Any]


def tell_landing(report: Document, as_json: bool, command: str = "merge") -> None:
    """Print the report; exits 1 when the answer is no. `command` is what a dry run was of."""
    if as_json:
        tell_json(report)
    else:
        for line in _landing_lines(report, command):
            tell(line)
    if not report["ok"]:
        judged = len(report["reasons"]) > sum(not gate["ok"] for gate in report["gates"])
        raise typer.Exit(ExitStatus.NO if judged else _status(report["gates"]))


def tell_gates(document: Document, as_json: bool) -> None:
    """Print the verdicts; exits 1 when one is red."""
    if as_json:
        tell_json(document)
    else:
        shown = (*document["findings"], *document.get("suppressed", ()))
        for line in (*gate_lines(document["gates"]), *_finding_lines(shown)):
            tell(line)
    if not document["ok"]:
        raise typer.Exit(_status(document["gates"]))


def _status(gates: Sequence[Document]) -> ExitStatus:
    """No, unless all that is missing is what something outside the gates kept them from saying."""
    against = {gate["outcome"] for gate in gates if not gate["ok"]}
    return ExitStatus.OUTSIDE if against == {"infrastructure"} else ExitStatus.NO


def gate_lines(gates: Sequence[Document]) -> list[str]:
    wrong = [gate for gate in gates if gate["outcome"] != "green"]
    logs = [f"see {_place(gate, 'log')}" for gate in wrong if gate["log"]]
    patches = [f"git apply {_place(gate, 'proposal')}" for gate in wrong if gate["proposal"]]
    hints = (f"    → {hint}" for hint in (*logs, *patches))
    return [*aligned(_gate_row(gate) for gate in gates), *dict.fromkeys(hints)]


def _gate_row(gate: Document) -> tuple[str, ...]:
    took = "cached" if gate["cached"] else duration(gate["seconds"])
    why = "" if gate["outcome"] == "green" else one_line(gate["message"].partition("\n")[0])
    return (f"{_outcome_mark(gate)} {gate['workstream'] or 'the wave'}", gate["gate"], took, why)


def _outcome_mark(gate: Document) -> str:
    if gate["outcome"] == "infrastructure":
        return styled("?", "yellow")
    return styled("!", "yellow") if gate["ok"] and gate["outcome"] != "green" else mark(gate["ok"])


def _place(gate: Document, key: str) -> str:
    host = "" if gate["host"] == "local" else f"{gate['host']}:"
    return f"{host}{gate[key]}"


def _finding_lines(findings: Sequence[Document]) -> Iterator[str]:
    from orchestrator.checks.finding import shown

    for finding in findings:
        place = ":".join(str(part) for part in (finding["path"], finding["line"]) if part is not None)
        where = f"{shown(place)}: " if place else ""
        rule = f" [{finding['rule']}]" if "/" in finding["rule"] else ""
        yield f"  {finding['workstream'] or 'the wave'}: {where}{one_line(finding['message'])}{rule}"
        if "allowed" in finding:
            yield f"      allowed: {one_line(finding['allowed'])}"
        elif finding["why"]:
            yield f"      why: {one_line(finding['why'])}; to mend it: {one_line(finding['mend'])}"


def _landing_lines(report: Document, command: str) -> Iterator[str]:
    yield from gate_lines(report["gates"])
    yield from _finding_lines(report.get("suppressed", ()))
    for reason in report["reasons"]:
        yield f"{mark(False)} {one_line(reason)}"
    for one in report["left_out"]:
        if not any(reason.startswith(f"{one['name']}: ") for reason in report["reasons"]):
            yield f"{styled('·', 'yellow')} {one['name']}: {one_line(one['reason'])}"
    for text in report["notes"]:
        yield f"{styled('·', 'yellow')} {one_line(text)}"
    yield f"{mark(report['ok'])} {_verdict(report)}"
    yield from _next(report, command)


def _verdict(report: Document) -> str:
    wave, names = f"wave {report['wave']}", " ".join(report["would_land"])
    if report["already_landed"]:
        return f"{wave}: already landed"
    if not report["ok"]:
        return f"{wave} cannot land; nothing was changed"
    if report["dry_run"]:
        return f"{wave} would land: {names}"
    landed = "landed in part" if report["left_out"] else "landed"
    return f"{wave} {landed}: {names} ({short(report['base_before'])} → {short(report['base_after'])})"


def _next(report: Document, command: str) -> Iterator[str]:
    """Where to look next."""
    if not report["ok"]:
        return
    if report["push_error"]:
        yield f"{styled('!', 'yellow')} {_not_pushed(report)}: {one_line(report['push_error'])}"
        yield f"    → when that is settled: orchestrator wave merge {report['wave']}"
    again = f"    → orchestrator wave {command} {report['wave']}"
    if report["dry_run"]:
        yield again + (" --partial" if report["left_out"] and command == "merge" else "")
        return
    span = f"{short(report['base_before'])}..{short(report['base_after'])}"
    yield f"    → git log --oneline {span}; git show {report['tag']}"
    if report["left_out"]:
        yield f"{again}, when the rest is mended"


def _not_pushed(report: Document) -> str:
    match report["push_cause"]:
        case "moved":
            return "landed here, the push was refused: somebody else moved the remote"
        case "rejected":
            return "landed here, the push was refused by the remote"
        case _:
            return "landed here, the push failed"


def short(commit: str | None) -> str:
    return (commit or "-")[:12]


def mark(ok: bool) -> str:
    return styled("✓", "green") if ok else styled("✗", "red")
