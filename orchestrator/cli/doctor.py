"""`doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.completion import complete_hosts
from orchestrator.cli.here import find_here
from orchestrator.cli.options import AsJson, PlanFile
from orchestrator.cli.printing import aligned, note, styled, tell, tell_json
from orchestrator.errors import ExitStatus
from orchestrator.home import find_checkout, find_plan_file
from orchestrator.names import require_one_of

if TYPE_CHECKING:
    from orchestrator.core.plan import Host
    from orchestrator.doctor import Finding

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}


def doctor(
    host: Annotated[
        str | None, typer.Argument(metavar="HOST", help="Only this host.", autocompletion=complete_hosts)
    ] = None,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Check every host: git, tmux, rsync, SSH, disk, GPU, clock.

    Says how to mend each finding. Without a plan, this machine is checked.
    """
    from orchestrator.doctor import examine

    hosts, repository = _hosts(plan)
    if host is not None:
        hosts = {require_one_of("host", host, hosts): hosts[host]}
    found = (*examine(tuple(hosts.values()), repository=repository), *(_notify(plan) if host is None else ()))
    if as_json:
        ok = all(one.severity != "error" for one in found)
        tell_json({"ok": ok, "findings": [asdict(one) for one in found]})
    else:
        _tell(found)
    _exit_as(found)


def _hosts(plan: Path | None) -> tuple[dict[str, Host], str]:
    from orchestrator.core.plan import LOCAL, Host

    if plan is None and find_plan_file(Path.cwd()) is None:
        note("no plan here: checking this machine only")
        return {LOCAL: Host(name=LOCAL)}, str(find_checkout(Path.cwd()).folder)
    here = find_here(plan)
    return dict(here.load_plan().hosts), str(here.plan_file.parent)  # type: ignore[arg-type]


def _notify(plan: Path | None) -> tuple[Finding, ...]:
    """Whether messages can be sent from this shell, and whether the daemon's arrive."""
    if plan is None and find_plan_file(Path.cwd()) is None:
        return ()
    here = find_here(plan)
    loaded = here.load_plan()
    if not (loaded.notify.urls or loaded.notify.ping):
        return ()
    from orchestrator.notify.examining import notify_findings

    return notify_findings(loaded, here.state_paths)


def _tell(found: Sequence[Finding]) -> None:
    rows = []
    for one in found:
        mark, style = _MARKS[one.severity]
        rows.append((f"{styled(mark, style)} {one.host}", one.subject, one.message))
    for line, one in zip(aligned(rows), found, strict=True):
        tell(line)
        if one.severity != "ok" and one.mend:
            tell(f"    → {one.mend}")


def _exit_as(found: Sequence[Finding]) -> None:
    errors = [one for one in found if one.severity == "error"]
    silent = {one.host for one in errors if one.subject in ("ssh", "agent")}
    if errors and {one.host for one in found} == silent:
        raise typer.Exit(ExitStatus.OUTSIDE)
    if errors:
        raise typer.Exit(ExitStatus.NO)
