"""Requests on sessions of launches: looking into them, typing, closing."""

from __future__ import annotations

import time
from collections.abc import Iterable

from orchestrator.agent.sessions import Pane, Tmux
from orchestrator.errors import CommandFailed, Refused
from orchestrator.wire import Capture, Captured, CloseSessions, Finished, Type

LINES_LIMIT = 5000
LAST_WORDS_S = 2.0


def capture(request: Capture) -> Captured:
    """Workers' panes only: what else runs under a planned name is nobody's to show."""
    tmux = Tmux(request.tmux_socket)
    panes = _worker_panes(tmux.panes_listed(), request.sessions).values()
    ours = [pane for pane in panes if pane.launch and pane.own]
    return Captured(panes=tmux.capture(ours, max(1, min(request.lines, LINES_LIMIT))))


def type_text(request: Type) -> Finished:
    """Raises: CommandFailed: no such session, or its worker has ended. Refused: it is not ours."""
    tmux = Tmux(request.tmux_socket)
    pane = _worker_panes(tmux.panes_listed(), [request.session]).get(request.session)
    if pane is None:
        raise CommandFailed(f"there is no tmux session {request.session}")
    if not pane.launch:
        raise Refused(f"the tmux session {request.session} is not ours")
    if pane.dead:
        raise CommandFailed(f"the worker in the session {request.session} has ended")
    tmux.type(pane.id, request.text, enter=request.enter)
    return Finished()


def close_sessions(request: CloseSessions) -> Finished:
    """Raises: Refused: a session is not ours, or its worker still runs; the others are closed."""
    tmux = Tmux(request.tmux_socket)
    panes, running = once_ended(tmux, request.sessions)
    foreign = sorted(name for name, pane in panes.items() if not pane.launch)
    for name in panes:
        if name not in foreign and name not in running:
            tmux.close(name)
    if foreign:
        raise Refused(f"not sessions of ours: {', '.join(foreign)}")
    if running:
        raise Refused(f"still running: {', '.join(running)}")
    return Finished()


def once_ended(tmux: Tmux, sessions: Iterable[str]) -> tuple[dict[str, Pane], list[str]]:
    """The panes, and which still run: a worker that has just ended takes a moment to leave its pane."""
    give_up_at = time.monotonic() + LAST_WORDS_S
    while True:
        panes = _worker_panes(tmux.panes_listed(), sessions)
        running = sorted(name for name, pane in panes.items() if pane.own and not pane.dead)
        if not running or time.monotonic() > give_up_at:
            return panes, running
        time.sleep(0.05)


def _worker_panes(panes: Iterable[Pane], sessions: Iterable[str]) -> dict[str, Pane]:
    """Each existing session's worker pane, or its first pane where the worker's is gone."""
    wanted = set(sessions)
    found: dict[str, Pane] = {}
    for pane in panes:
        if pane.session in wanted and (
            pane.session not in found or (pane.own and not found[pane.session].own)
        ):
            found[pane.session] = pane
    return found
