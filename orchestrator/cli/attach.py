"""`attach`."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import typer

from orchestrator.cli.here import find_here
from orchestrator.cli.options import Name, PlanFile
from orchestrator.cli.sessions import tmux_command
from orchestrator.errors import OrchestratorError, Refused
from orchestrator.names import chosen

if TYPE_CHECKING:
    from orchestrator.core.plan import Host, Plan

NO_SESSION, FOREIGN = 91, 92
"""What the question for a session exits with where it does not exist, or is not ours; tmux knows 0 and 1."""


def attach(name: Name, plan: PlanFile = None) -> None:
    """Attach to a workstream's session, through SSH when remote."""
    loaded = find_here(plan).load_plan()
    (found,) = chosen([name], loaded.workstreams)[:1]
    workstream = loaded.workstream(found)
    session = loaded.session(workstream.name)
    host = loaded.hosts[workstream.host]
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise OrchestratorError("attach needs a terminal.", f"orchestrator peek {found} shows the last lines")
    if host.ssh is None:
        _attach_here(loaded, session, found)
    else:
        _attach_there(loaded, host, session, found)


def _attach_here(plan: Plan, session: str, name: str) -> None:
    if shutil.which("tmux") is None:
        raise OrchestratorError("tmux is not installed.", "orchestrator doctor")
    asked = ["/bin/sh", "-c", _require_ours(plan, session)]
    status = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=10)
    _tell_refusal(status.returncode, session, name)
    inside = os.environ.get("TMUX", "").split(",")[0]
    # Within the same server a client moves over; a server of another name is attached inside this one.
    if inside and os.path.basename(inside) == (plan.tmux_socket or "default"):  # noqa: PTH119
        command = tmux_command(plan, "switch-client", "-t", f"={session}")
    else:
        os.environ.pop("TMUX", None)
        command = tmux_command(plan, "attach-session", "-t", f"={session}")
    os.execvp(command[0], command)


def _attach_there(plan: Plan, host: Host, session: str, name: str) -> None:
    from orchestrator import ssh

    enter = shlex.join(tmux_command(plan, "attach-session", "-t", f"={session}"))
    script = f"{_require_ours(plan, session)}; exec {enter}"
    status = ssh.rsh(host, shlex.join(["/bin/sh", "-c", script]), tty=True)
    _tell_refusal(status, session, name, f" on {host.name}")
    raise typer.Exit(status)


def _require_ours(plan: Plan, session: str) -> str:
    """Shell text that exits unless the session exists and carries the mark of a launch."""
    known = shlex.join(tmux_command(plan, "has-session", "-t", f"={session}"))
    mark = shlex.join(tmux_command(plan, "show-options", "-qv", "-t", f"={session}:", "@orchestrator"))
    return f'{known} 2>/dev/null || exit {NO_SESSION}; [ -n "$({mark})" ] || exit {FOREIGN}'


def _tell_refusal(status: int, session: str, name: str, where: str = "") -> None:
    if status == NO_SESSION:
        raise Refused(f"there is no tmux session {session}{where}.", f"orchestrator up {name}")
    if status == FOREIGN:
        raise Refused(
            f"the tmux session {session}{where} is not ours.",
            f"to enter it all the same: tmux attach -t '={session}'{where}; to have ours: end or rename it",
        )
