"""`attach`."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import typer

from orchestrator.cli.here import find_here
from orchestrator.cli.names import chosen
from orchestrator.cli.options import Name, PlanFile
from orchestrator.cli.sessions import tmux_command
from orchestrator.errors import OrchestratorError, Refused

if TYPE_CHECKING:
    from orchestrator.core.plan import Host, Plan

NO_SESSION = 91
"""What the remote command exits with where the session does not exist; tmux itself only knows 0 and 1."""


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
    try:
        known = subprocess.run(
            tmux_command(plan, "has-session", "-t", f"={session}"),
            capture_output=True,
            check=False,
            timeout=10,
        )
    except FileNotFoundError:
        raise OrchestratorError("tmux is not installed.", "orchestrator doctor") from None
    if known.returncode != 0:
        raise _no_session(session, name)
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

    target = f"={session}"
    known = shlex.join(tmux_command(plan, "has-session", "-t", target))
    enter = shlex.join(tmux_command(plan, "attach-session", "-t", target))
    status = ssh.rsh(host, f"{known} 2>/dev/null || exit {NO_SESSION}; exec {enter}", tty=True)
    if status == NO_SESSION:
        raise _no_session(f"{session} on {host.name}", name)
    raise typer.Exit(status)


def _no_session(session: str, name: str) -> Refused:
    return Refused(f"there is no tmux session {session}.", f"orchestrator up {name}")
