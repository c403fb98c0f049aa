"""`peek`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.here import find_here
from orchestrator.cli.hosts import open_sites
from orchestrator.cli.names import chosen
from orchestrator.cli.options import AnyNames, AsJson, PlanFile
from orchestrator.cli.printing import styled, tell, tell_json
from orchestrator.errors import HostUnreachable

if TYPE_CHECKING:
    from orchestrator.cli.hosts import OpenSite
    from orchestrator.core.plan import HostName, Plan


SCREEN_LINES = 60


def peek(
    names: AnyNames = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many lines of each.")] = 8,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the last lines of all sessions at once."""
    here = find_here(plan)
    loaded = here.load_plan()
    wanted = chosen(names, loaded.workstreams)
    with open_sites(here, loaded) as open_site:
        panes, silent = _panes(open_site, loaded, wanted, lines)
    documents = [_document(loaded, name, panes, silent, lines) for name in wanted]
    if as_json:
        tell_json({"workstreams": documents})
        return
    for document in documents:
        _tell(document)


def _panes(
    open_site: OpenSite, plan: Plan, names: tuple[str, ...], lines: int
) -> tuple[dict[str, str], dict[str, str]]:
    """Session to text, and host to why it does not answer."""
    from orchestrator.wire import Capture

    sessions: dict[HostName, list[str]] = {}
    for name in names:
        workstream = plan.workstream(name)
        sessions.setdefault(workstream.host, []).append(plan.session(workstream.name))
    panes: dict[str, str] = {}
    silent: dict[str, str] = {}
    for host, asked in sessions.items():
        try:
            request = Capture(tmux_socket=plan.tmux_socket, sessions=tuple(asked), lines=SCREEN_LINES + lines)
            panes.update(open_site(host).call(request).panes)
        except HostUnreachable as error:
            silent[host] = error.message
    return panes, silent


def _document(
    plan: Plan, name: str, panes: dict[str, str], silent: dict[str, str], lines: int
) -> dict[str, object]:
    workstream = plan.workstream(name)
    session = plan.session(workstream.name)
    text = panes.get(session)
    return {
        "name": name,
        "session": session,
        "exists": text is not None if workstream.host not in silent else None,
        "lines": _last(text or "", lines),
        "reason": silent.get(workstream.host, "" if text is not None else "no session"),
    }


def _last(text: str, lines: int) -> list[str]:
    """The last lines that say something: a short text stands at the top of an otherwise empty screen."""
    return [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]


def _tell(document: dict[str, object]) -> None:
    reason = f"  ({document['reason']})" if document["reason"] else ""
    tell(styled(f"== {document['name']} =={reason}", "bold"))
    lines = document["lines"]
    assert isinstance(lines, list)
    for line in lines:
        tell(line)
    tell()
