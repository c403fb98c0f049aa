"""How a person reaches a workstream's session, here or on another host."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan, Workstream


def tmux_command(plan: Plan, *arguments: str) -> list[str]:
    """`-u`: without it tmux shows underscores where the locale is not UTF-8."""
    socket = ["-L", plan.tmux_socket] if plan.tmux_socket else []
    return ["tmux", "-u", *socket, *arguments]


def attach_line(plan: Plan, workstream: Workstream) -> str:
    """What to paste into a shell. The target is quoted: zsh expands words that begin with `=`."""
    socket = f"-L {shlex.quote(plan.tmux_socket)} " if plan.tmux_socket else ""
    line = f"tmux {socket}attach -t '={plan.session(workstream.name)}'"
    host = plan.hosts[workstream.host]
    if host.ssh is None:
        return line
    return f"{_ssh(host.ssh, host.identity, host.jump)} {shlex.quote(line)}"


def _ssh(destination: str, identity: str | None, jump: str | None) -> str:
    host, colon, port = destination.rpartition(":")
    if not (colon and port.isdigit()):
        host, port = destination, ""
    options = [
        *(["-p", port] if port else []),
        *(["-i", identity] if identity else []),
        *(["-J", jump] if jump else []),
    ]
    return " ".join(["ssh", "-t", *options, host])
