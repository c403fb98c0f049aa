"""`stop`, `restart`, `resume` and `done`."""

from __future__ import annotations

import os
from typing import Any

import typer

from orchestrator.cli.daemon import active_names, names_meant, note_if_plan_changed, running_daemon, say
from orchestrator.cli.failures import tell_failure, warn
from orchestrator.cli.here import find_here, user_name
from orchestrator.cli.options import AsJson, PlanFile, SomeNames
from orchestrator.cli.printing import one_line, tell, tell_json
from orchestrator.errors import ExitStatus
from orchestrator.requests import Done, Restart, Resume, Stop


def stop(names: SomeNames, plan: PlanFile = None, as_json: AsJson = False) -> None:
    """End workers, with time to save."""
    here = find_here(plan)
    wanted = names_meant(here, names)
    if here.client.is_running() or active_names(here, wanted):
        answer = running_daemon(here).ask(Stop(names=wanted, by=user_name()), say)
    else:
        answer = {"stopped": [], "left": []}
    if as_json:
        tell_json(answer)
    elif answer["stopped"] or not answer["left"]:
        tell(f"stopped {' '.join(answer['stopped'])}" if answer["stopped"] else "nothing to stop: none runs")
    if answer["left"]:
        warn(f"not known to have ended, their hosts do not answer: {' '.join(answer['left'])}")
        raise typer.Exit(ExitStatus.OUTSIDE)


def restart(names: SomeNames, plan: PlanFile = None, as_json: AsJson = False) -> None:
    """Repeat the present stage, after ending it where it runs."""
    here = find_here(plan)
    wanted = names_meant(here, names)
    note_if_plan_changed(here)
    request = Restart(names=wanted, env=dict(os.environ), by=user_name())
    _tell_started(running_daemon(here).ask(request, say), "restarted", as_json)


def resume(names: SomeNames, plan: PlanFile = None, as_json: AsJson = False) -> None:
    """Accept a hold and go on with the next stage."""
    here = find_here(plan)
    wanted = names_meant(here, names)
    _tell_started(running_daemon(here).ask(Resume(names=wanted, by=user_name()), say), "resumed", as_json)


def done(names: SomeNames, plan: PlanFile = None, as_json: AsJson = False) -> None:
    """Declare workstreams without a command done."""
    here = find_here(plan)
    wanted = names_meant(here, names)
    answer = running_daemon(here).ask(Done(names=wanted, by=user_name()), say)
    if as_json:
        tell_json(answer)
    else:
        tell(f"done: {' '.join(wanted)}")


def _tell_started(answer: dict[str, Any], word: str, as_json: bool) -> None:
    if as_json:
        tell_json(answer)
    else:
        for w in answer["workstreams"]:
            if w["name"] not in answer["refused"]:
                reason = f": {one_line(w['reason'])}" if w["reason"] else ""
                tell(f"{word} {w['name']}, now {w['state']}{reason}")
    for w in answer["workstreams"]:
        if w["name"] in answer["refused"]:
            tell_failure(f"{w['name']}: {one_line(w['reason'])}")
    if answer["refused"]:
        raise typer.Exit(ExitStatus.NO)
    if answer["unreachable"]:
        warn(f"these hosts do not answer: {' '.join(answer['unreachable'])}")
        raise typer.Exit(ExitStatus.OUTSIDE)
