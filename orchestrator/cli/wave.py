"""`wave list`, `show`, `check`, `merge`, `rollback` and `reland`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.daemon import note_if_plan_changed, require_same_plan, running_daemon, say
from orchestrator.cli.here import find_here, user_name
from orchestrator.cli.kept_plan import load_kept_plan
from orchestrator.cli.landing_report import tell_landing
from orchestrator.cli.offline import current_status
from orchestrator.cli.options import AsJson, PlanFile, WaveNumber
from orchestrator.cli.own_desk import own_desk
from orchestrator.cli.printing import aligned, note, one_line, styled, tell, tell_json, tell_table
from orchestrator.cli.rollback_report import tell_rollback
from orchestrator.cli.status_table import STATE_STYLES, so_far
from orchestrator.names import require_wave
from orchestrator.requests import MergeWave, RelandWave, RollBackWave

Document = dict[str, Any]


def list_waves(plan: PlanFile = None, as_json: AsJson = False) -> None:
    """List the waves and their states."""
    waves = current_status(find_here(plan))["waves"]
    if as_json:
        tell_json({"waves": waves})
        return
    rows = [
        (str(w["wave"]), _state(w["state"]) + so_far(w), " ".join(w["workstreams"]), one_line(w["goal"]))
        for w in waves
    ]
    tell_table(("WAVE", "STATE", "WORKSTREAMS", "GOAL"), rows)


def show(number: WaveNumber, plan: PlanFile = None, as_json: AsJson = False) -> None:
    """Show one wave: its workstreams, their tips, and what it landed as."""
    status = current_status(find_here(plan))
    require_wave(number, [w["wave"] for w in status["waves"]])
    wave = next(w for w in status["waves"] if w["wave"] == number)
    streams = [w for w in status["workstreams"] if w["wave"] == number]
    if as_json:
        tell_json({**wave, "workstreams": streams})
        return
    goal = f", {one_line(wave['goal'])}" if wave["goal"] else ""
    tell(f"wave {number}: {_state(wave['state'])}{so_far(wave)}{goal}")
    for line in aligned(_member(w) for w in streams):
        tell(line)
    if wave["base_after"]:
        tell(f"  landed {' '.join(wave['landed'])} as {wave['base_after']}")


def check(number: WaveNumber, plan: PlanFile = None, as_json: AsJson = False) -> None:
    """Check a wave as landing would: conflicts and all gates, nothing moved."""
    from orchestrator.land import check_wave

    here = find_here(plan)
    loaded = load_kept_plan(here)
    require_wave(number, loaded.waves)
    with own_desk(here, loaded) as desk:
        report = check_wave(desk, number)
        is_out = desk.state.wave(number).rolled_back is not None
    tell_landing(report.document(), as_json, "reland" if is_out else "merge")


def merge(
    number: WaveNumber,
    partial: Annotated[
        bool, typer.Option("--partial", help="Land what is proven; leave out the rest, and say why.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything; move nothing.")] = False,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Land a wave on its base, or say exactly why not."""
    request = MergeWave(wave=number, partial=partial, dry_run=dry_run, by=user_name())
    tell_landing(_asked(request, plan, "the wave does not land unless it already has"), as_json)


def reland(
    number: WaveNumber,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything; move nothing.")] = False,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Bring a wave back that was rolled back, with what its branches got since."""
    request = RelandWave(wave=number, dry_run=dry_run, by=user_name())
    tell_landing(_asked(request, plan, "the wave does not land unless it already has"), as_json, "reland")


def rollback(
    number: WaveNumber,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything; move nothing.")] = False,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a landed wave out of base again, also from under later waves."""
    request = RollBackWave(wave=number, dry_run=dry_run, by=user_name())
    tell_rollback(_asked(request, plan, "the wave stays unless it is out already"), as_json)


def _asked(
    request: MergeWave | RelandWave | RollBackWave, plan: Path | None, when_cut_short: str
) -> Document:
    """The daemon's answer; one is started where none runs."""
    here = find_here(plan)
    require_wave(request.wave, load_kept_plan(here).waves)
    require_same_plan(here)
    note_if_plan_changed(here)
    if not here.client.is_running():
        note("no daemon runs: starting one; orchestrator down ends it")
    try:
        report: Document = running_daemon(here).ask(request, say)
    except KeyboardInterrupt:
        if not request.dry_run:
            note(f"interrupted: {when_cut_short}; see orchestrator wave show {request.wave}")
        raise
    return report


def _state(word: str) -> str:
    return styled(word, *STATE_STYLES.get(word, ()))


def _member(w: Document) -> tuple[str, ...]:
    return (
        f"  {w['name']}",
        _state(w["state"]),
        (w["tip"] or "-")[:12],
        w["branch"],
        one_line(w["reason"]),
    )
