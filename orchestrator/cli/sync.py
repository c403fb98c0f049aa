"""`sync`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.daemon import names_meant, require_same_plan, say
from orchestrator.cli.failures import tell_failure
from orchestrator.cli.here import Here, find_here, user_name
from orchestrator.cli.options import AnyNames, AsJson, PlanFile
from orchestrator.cli.own_desk import own_desk
from orchestrator.cli.printing import aligned, note, one_line, styled, tell, tell_json
from orchestrator.errors import ExitStatus
from orchestrator.requests import Sync

if TYPE_CHECKING:
    from orchestrator.cli.own_desk import OwnDesk
    from orchestrator.results.checking import FileCheck

Document = dict[str, Any]

FILES_SHOWN = 20


def sync(
    names: AnyNames = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare what is here with the host, byte for byte; pull nothing.")
    ] = False,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Pull results now, into the plan's folder: synced/NAME, unless the plan says otherwise."""
    here = find_here(plan)
    if check:
        _check(here, names, as_json)
        return
    report = _pulled(here, names)
    if as_json:
        tell_json({key: value for key, value in report.items() if key != "exit_status"})
    else:
        _tell(report)
    if report["exit_status"]:
        raise typer.Exit(report["exit_status"])


def _pulled(here: Here, names: list[str] | None) -> Document:
    """By the daemon, which then knows of it; else by this process."""
    require_same_plan(here)
    wanted = names_meant(here, names) if names else ()
    if here.client.is_running():
        report: Document = here.client.ask(Sync(names=wanted, by=user_name()), say)
        return report
    from orchestrator.results.lanes import Lanes
    from orchestrator.results.watch import pull_all

    lanes = Lanes()
    with own_desk(here, here.load_plan()) as desk:
        try:
            return pull_all(desk, wanted or _launched(desk), lanes, note)
        finally:
            lanes.close()


def _launched(desk: OwnDesk) -> tuple[str, ...]:
    from orchestrator.results.outcome import launched_names

    return launched_names(desk.state, tuple(desk.plan.workstreams))


def _tell(report: Document) -> None:
    if not report["workstreams"]:
        tell("nothing to pull: no worker has been started")
    for one in report["workstreams"]:
        mark = styled("✓", "green") if one["ok"] else styled("✗", "red")
        tell(f"{mark} {one['workstream']}: {_size(one)} in {one['folder']}")
        for name in one["kept"]:
            tell(f"    kept what another launch, or you, wrote: {one_line(name)}")
        for path, reason in list(one["left_out"].items())[:FILES_SHOWN]:
            tell(f"    left out {one_line(path)}: {one_line(reason)}")
        if not one["ok"] and one["cause"] != "files":
            tell_failure(one_line(one["reason"]))


def _size(one: Document) -> str:
    if one["files"]:
        return f"{one['files']} files, {one['bytes']} bytes"
    return "no files" if one["ok"] else "not all was pulled; the rest stays as it was"


# --- the check ------------------------------------------------------------------------------------


def _check(here: Here, names: list[str] | None, as_json: bool) -> None:
    from orchestrator.names import chosen
    from orchestrator.results.checking import check_results

    loaded = here.load_plan()
    with own_desk(here, loaded) as desk:
        wanted = chosen(names, loaded.workstreams) if names else _launched(desk)
        files = [file for name in wanted for file in check_results(desk, name)]
    ok = all(file.ok for file in files)
    if as_json:
        tell_json({"ok": ok, "files": [asdict(file) for file in files]})
    else:
        for line in _check_lines(wanted, files):
            tell(line)
    if not ok:
        raise typer.Exit(ExitStatus.NO)


def _check_lines(names: Sequence[str], files: Sequence[FileCheck]) -> Iterator[str]:
    for name in names:
        own = [file for file in files if file.workstream == name]
        counts = Counter(file.state for file in own)
        mark = styled("✓", "green") if all(file.ok for file in own) else styled("✗", "red")
        said = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no files"
        yield f"{mark} {name}: {said}"
        rows = [(f"    {one_line(f.path)}", f.state, one_line(f.reason)) for f in own if f.state != "same"]
        yield from aligned(rows[:FILES_SHOWN])
        if len(rows) > FILES_SHOWN:
            yield f"    and {len(rows) - FILES_SHOWN} more: --json"
