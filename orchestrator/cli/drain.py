"""`drain`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.completion import complete_hosts
from orchestrator.cli.daemon import running_daemon, say
from orchestrator.cli.here import find_here, user_name
from orchestrator.cli.keepalive import seconds
from orchestrator.cli.options import AsJson, PlanFile
from orchestrator.cli.printing import tell, tell_json
from orchestrator.errors import UsageError
from orchestrator.names import require_one_of
from orchestrator.requests import Drain


def drain(
    hosts: Annotated[
        list[str] | None,
        typer.Argument(metavar="HOST", help="Hosts; default: all.", autocompletion=complete_hosts),
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Start again.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return when nothing runs there any more.")] = False,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="T", help="The longest to wait, as 2h.")
    ] = None,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Start nothing new: what runs goes on to the end of its stage.

    Until `up` of everything, or `drain --off`. Hosts that were named are drained until `drain --off`.
    """
    if off and wait:
        raise UsageError("--off and --wait do not go together.", "see: orchestrator drain --help")
    here = find_here(plan)
    known = here.load_plan().hosts
    named = tuple(require_one_of("host", host, known) for host in hosts or ())
    timeout_s = None if timeout is None else seconds(timeout, "--timeout")
    request = Drain(hosts=named, off=off, wait=wait, timeout_s=timeout_s, by=user_name())
    answer = running_daemon(here).ask(request, say)
    if as_json:
        tell_json(answer)
        return
    where = "anywhere" if answer["everywhere"] else f"on {', '.join(answer['hosts'])}"
    drained = answer["everywhere"] or answer["hosts"]
    tell(f"nothing new starts {where}" if drained else "what waits starts again")
    if answer["running"] and not off:
        tell(f"still running: {' '.join(answer['running'])}")
