"""`up` and `down`."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.daemon import (
    active_names,
    names_meant,
    require_same_plan,
    running_daemon,
    say,
    wait_until_gone,
)
from orchestrator.cli.failures import warn
from orchestrator.cli.foreground import run_in_foreground
from orchestrator.cli.here import find_here, user_name
from orchestrator.cli.options import AnyNames, AsJson, PlanFile, wave_number
from orchestrator.cli.plan import load_startable_plan
from orchestrator.cli.printing import note, tell, tell_json
from orchestrator.cli.start_report import report_start, tell_forecast
from orchestrator.errors import ExitStatus, UsageError
from orchestrator.names import chosen, require_wave
from orchestrator.requests import Down, Up

if TYPE_CHECKING:
    from orchestrator.cli.here import Here
    from orchestrator.core.plan import Plan


def up(
    names: AnyNames = None,
    wave: Annotated[
        int | None, typer.Option("--wave", metavar="N", help="Only this wave's.", parser=wave_number)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would start; change nothing.")] = False,
    foreground: Annotated[bool, typer.Option("--foreground", help="Run the daemon here.")] = False,
    take_over: Annotated[
        list[str] | None,
        typer.Option("--take-over", metavar="HOST", help="Take a host from the daemon that owns it."),
    ] = None,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Start workers in worktrees and sessions, and the daemon.

    Returns when every worker that can start has started, and says what waits and for what. Again: starts
    what was stopped; never what is done, failed or held.
    """
    here = find_here(plan)
    loaded = load_startable_plan(here)
    wanted = _wanted(loaded, names, wave)
    if dry_run:
        tell_forecast(here, loaded, wanted, as_json)
        return
    require_same_plan(here)
    hosts = tuple(take_over or ())
    request = Up(names=wanted, env=dict(os.environ), by=user_name(), take_over=hosts)
    if foreground:
        run_in_foreground(here, loaded, request, as_json=as_json)
    answer = running_daemon(here).ask(request, say)
    if as_json:
        tell_json(answer)
    else:
        report_start(loaded, answer)
    _exit_as(answer)


def down(
    names: AnyNames = None,
    keep_workers: Annotated[
        bool, typer.Option("--keep-workers", help="End the daemon only, as before an upgrade.")
    ] = False,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Stop the workers and, without names, the daemon.

    Worktrees and branches stay. Returns when everything has ended.
    """
    here = find_here(plan)
    if keep_workers:
        _end_the_daemon(here, names, as_json)
        return
    wanted = names_meant(here, names) if names else ()
    client = here.client
    if not client.is_running():
        if not active_names(here, wanted or here.load_plan().workstreams):
            _tell_stopped({"stopped": [], "left": []}, as_json, "nothing runs, and no daemon")
            return
        note("no daemon runs, but workers may: starting it to stop them")
        client = running_daemon(here)
    pid = client.status()["daemon"]["pid"]
    answer = client.ask(Down(names=wanted, by=user_name()), say)
    if not names:
        wait_until_gone(here, pid)
    _tell_stopped(answer, as_json, "nothing ran")
    if not names and not as_json:
        tell("the daemon has ended")
    if answer["left"]:
        warn(f"not known to have ended, their hosts do not answer: {' '.join(answer['left'])}")
        raise typer.Exit(ExitStatus.OUTSIDE)


def _end_the_daemon(here: Here, names: list[str] | None, as_json: bool) -> None:
    """By a signal, which a daemon of any version understands."""
    from orchestrator.client import NoDaemon

    if names:
        raise UsageError("--keep-workers ends the daemon, which serves all workstreams: leave out the names.")
    try:
        pid = here.client.status()["daemon"]["pid"]
    except NoDaemon:
        _tell_stopped({"stopped": [], "left": []}, as_json, "no daemon runs")
        return
    os.kill(pid, signal.SIGTERM)
    wait_until_gone(here, pid)
    _tell_stopped({"stopped": [], "left": []}, as_json, "the daemon has ended; the workers stay")


def _wanted(plan: Plan, names: list[str] | None, wave: int | None) -> tuple[str, ...]:
    if wave is not None:
        require_wave(wave, plan.waves)
    return tuple(
        name for name in chosen(names, plan.workstreams) if wave is None or plan.workstream(name).wave == wave
    )


def _exit_as(answer: dict[str, Any]) -> None:
    if answer["refused"]:
        raise typer.Exit(ExitStatus.NO)
    if answer["unreachable"]:
        raise typer.Exit(ExitStatus.OUTSIDE)


def _tell_stopped(answer: dict[str, Any], as_json: bool, otherwise: str) -> None:
    if as_json:
        tell_json(answer)
    elif answer["stopped"]:
        tell(f"stopped {' '.join(answer['stopped'])}")
    else:
        tell(otherwise)
