"""`peek`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.here import find_here
from orchestrator.cli.hosts import open_sites, within
from orchestrator.cli.options import AnyNames, AsJson, PlanFile
from orchestrator.cli.printing import styled, tell, tell_json
from orchestrator.errors import CommandFailed, HostUnreachable, Refused
from orchestrator.names import chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orchestrator.cli.hosts import OpenSite
    from orchestrator.core.plan import HostName, Plan
    from orchestrator.site import Site


SCREEN_LINES = 60
PATIENCE_S = 6.0
"""A host that takes longer is left out: the others are not to wait for it."""


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
        seen = _look(open_site, loaded, wanted, lines)
    documents = [_document(loaded, name, seen, lines) for name in wanted]
    if as_json:
        tell_json({"workstreams": documents})
        return
    for document in documents:
        _tell(document)


@dataclass(frozen=True, slots=True)
class _Seen:
    """Session to text; and why there is none, by session and by host that does not answer."""

    panes: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)


def _look(open_site: OpenSite, plan: Plan, names: tuple[str, ...], lines: int) -> _Seen:
    sessions: dict[HostName, list[str]] = {}
    for name in names:
        workstream = plan.workstream(name)
        sessions.setdefault(workstream.host, []).append(plan.session(workstream.name))
    seen = _Seen()
    looks = {host: _look_at(open_site, plan, host, asked, lines) for host, asked in sessions.items()}
    for host, found in within(PATIENCE_S, looks).items():
        if isinstance(found, HostUnreachable):
            seen.silent[host] = found.message
        elif isinstance(found, Exception):
            raise found
        else:
            seen.panes.update(found.panes)
            seen.foreign.update(found.foreign)
    return seen


def _look_at(
    open_site: OpenSite, plan: Plan, host: HostName, sessions: list[str], lines: int
) -> Callable[[], _Seen]:
    def look() -> _Seen:
        from orchestrator.wire import Capture

        request = Capture(tmux_socket=plan.tmux_socket, sessions=tuple(sessions), lines=SCREEN_LINES + lines)
        site = open_site(host)
        panes = site.call(request).panes
        missing = (session for session in sessions if session not in panes)
        return _Seen(panes=panes, foreign=_foreign(site, plan, missing))

    return look


def _foreign(site: Site, plan: Plan, sessions: Iterable[str]) -> dict[str, str]:
    """Those of the sessions that exist and are not ours."""
    from orchestrator.wire import Type

    foreign = {}
    for session in sessions:
        try:
            # Types nothing, but is refused where it must not type.
            site.call(Type(tmux_socket=plan.tmux_socket, session=session, text="", enter=False))
        except Refused:
            foreign[session] = f"no session of ours; a tmux session {session} exists that is not ours"
        except CommandFailed:
            continue
    return foreign


def _document(plan: Plan, name: str, seen: _Seen, lines: int) -> dict[str, object]:
    workstream = plan.workstream(name)
    session = plan.session(workstream.name)
    text = seen.panes.get(session)
    why = seen.silent.get(workstream.host) or seen.foreign.get(session, "no session")
    return {
        "name": name,
        "session": session,
        "exists": text is not None if workstream.host not in seen.silent else None,
        "lines": _last(text or "", lines),
        "reason": "" if text is not None else why,
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
