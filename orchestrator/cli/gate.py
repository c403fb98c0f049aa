"""`gate list` and `gate run`."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.completion import complete_gates
from orchestrator.cli.failures import tell_failure
from orchestrator.cli.here import Here, find_here
from orchestrator.cli.landing_report import tell_gates
from orchestrator.cli.options import AnyNames, AsJson, PlanFile
from orchestrator.cli.own_desk import OwnDesk, own_desk
from orchestrator.cli.printing import note, one_line, tell_json, tell_table
from orchestrator.cli.status_table import duration
from orchestrator.errors import ExitStatus, UsageError
from orchestrator.names import chosen, require_one_of

if TYPE_CHECKING:
    from orchestrator.core.plan import CommitId, Gate, Plan


_HEADINGS = ("GATE", "SCOPE", "SEVERITY", "TIMEOUT", "RETRIES", "USED BY", "DOES")


def list_gates(plan: PlanFile = None, as_json: AsJson = False) -> None:
    """List the checks of the plan and who uses them."""
    loaded = find_here(plan).load_plan()
    documents = [_document(loaded, gate) for gate in every_gate(loaded).values()]
    if as_json:
        tell_json({"gates": documents})
        return
    tell_table(_HEADINGS, [_row(d) for d in documents])


def _form(text: str) -> str:
    if text not in ("text", "json", "sarif"):
        raise typer.BadParameter("a form is text, json or sarif")
    return text


def run(
    names: AnyNames = None,
    gates: Annotated[
        list[str] | None,
        typer.Option(
            "--gate",
            metavar="G",
            help="This gate, also where the plan does not ask for it.",
            autocompletion=complete_gates,
        ),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run again what is known.")] = False,
    form: Annotated[
        str | None, typer.Option("--format", metavar="FORM", help="text, json or sarif.", parser=_form)
    ] = None,
    sarif: Annotated[
        Path | None, typer.Option("--sarif", metavar="FILE", help="Write the findings there as SARIF 2.1.0.")
    ] = None,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Run the gates of workstreams on their committed tips."""
    from orchestrator.checks.sarif import sarif_document

    document = _looked_at(find_here(plan), names, gates, use_cache=not no_cache)
    if sarif is not None:
        _write(sarif, json.dumps(sarif_document(document), indent=2) + "\n")
    if form == "sarif":
        tell_json(sarif_document(document))
        if not document["ok"]:
            raise typer.Exit(ExitStatus.NO)
        return
    tell_gates(document, as_json or form == "json")


def _looked_at(
    here: Here, names: list[str] | None, gates: list[str] | None, *, use_cache: bool
) -> dict[str, Any]:
    from orchestrator.gates import gates_document, run_gates

    loaded = here.load_plan()
    wanted = chosen(names, loaded.workstreams)
    if gates:
        loaded = _with_gates(loaded, gates)
    with own_desk(here, loaded) as desk:
        tips = _tips(desk, wanted)
        verdicts = run_gates(desk, tips, use_cache=use_cache)
    document = gates_document(verdicts)
    document["ok"] &= _was_looked_at(tips, gates, any_ran=bool(verdicts))
    return document


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", "name another file") from error


def _with_gates(plan: Plan, names: Sequence[str]) -> Plan:
    """The plan with these gates for every workstream, whatever it has of its own.

    Raises:
        UsageError: neither a gate of the plan nor a built-in check.
    """
    from orchestrator.checks import CHECKS
    from orchestrator.core.plan import Gate

    known = {**{check: Gate(name=check, check=check) for check in CHECKS}, **every_gate(plan)}
    meant = tuple(known[name] for name in dict.fromkeys(require_one_of("gate", n, known) for n in names))
    return replace(plan, workstreams={n: replace(w, gates=meant) for n, w in plan.workstreams.items()})


def _was_looked_at(tips: Collection[str], gates: Sequence[str] | None, any_ran: bool) -> bool:
    """Where nothing ran, whether there was nothing to run, and says so."""
    if not tips:
        tell_failure("there is no branch to check yet.", "orchestrator up")
    elif gates and not any_ran:
        tell_failure(f"{' '.join(gates)} is left to the wave.", "orchestrator wave check N")
    elif not any_ran:
        note(f"{' '.join(tips)}: no gates but those left to the wave; name one: --gate G")
    return any_ran or bool(tips and not gates)


def _tips(desk: OwnDesk, names: Sequence[str]) -> dict[str, CommitId]:
    from orchestrator.tips import read_tips

    tips = read_tips(desk, names)
    for name in names:
        if name not in tips:
            note(f"{name}: its branch {desk.plan.workstream(name).branch} does not exist yet")
    return tips


def every_gate(plan: Plan) -> dict[str, Gate]:
    """Declared ones, then built-in checks that are used by their own name."""
    used = [gate for w in plan.workstreams.values() for gate in w.gates]
    used += [gate for wave in plan.waves.values() for gate in wave.gates]
    return {**plan.gates, **{gate.name: gate for gate in used}}


def _document(plan: Plan, gate: Gate) -> dict[str, Any]:
    from orchestrator.gates import wave_gates

    return {
        "gate": gate.name,
        "run": gate.run,
        "check": gate.check,
        "scope": gate.scope,
        "inputs": list(gate.inputs),
        "severity": gate.severity,
        "timeout_s": gate.timeout_s,
        "retries": gate.retries,
        "gpu": gate.gpu,
        "workstreams": [
            w.name for w in plan.workstreams.values() if gate in w.gates and not gate.is_for_the_wave
        ],
        "waves": [number for number in plan.waves if gate in wave_gates(plan, number)],
    }


def _row(document: dict[str, Any]) -> tuple[str, ...]:
    users = [*document["workstreams"], *(f"wave {number}" for number in document["waves"])]
    does = document["run"] or f"built-in {document['check']}"
    # A built-in check looks at what it looks at; only that it is left to the wave is the plan's choice.
    scope = document["scope"] if document["run"] or document["scope"] == "wave" else "-"
    return (
        document["gate"],
        " ".join([scope, *document["inputs"]]),
        document["severity"],
        duration(document["timeout_s"]),
        str(document["retries"]),
        ", ".join(users) or "-",
        one_line(does),
    )
