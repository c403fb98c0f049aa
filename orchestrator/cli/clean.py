"""`clean`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from orchestrator.cli.daemon import names_meant, require_same_plan, running_daemon, say
from orchestrator.cli.here import Here, find_here, user_name
from orchestrator.cli.options import AnyNames, AsJson, PlanFile
from orchestrator.cli.own_desk import own_desk
from orchestrator.cli.printing import note, one_line, styled, tell, tell_json
from orchestrator.errors import ExitStatus

Document = dict[str, Any]

_MARKS = {
    "cleaned": ("✓", "green"),
    "cleanable": ("·", "cyan"),
    "clean": ("·", "dim"),
    "refused": ("✗", "red"),
    "unreachable": ("!", "yellow"),
}
_WORDS = {"cleaned": "cleaned", "cleanable": "can be cleaned", "clean": "nothing is left of it"}


def clean(
    names: AnyNames = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; touch nothing.")] = False,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Take away worktrees and branches of landed workstreams; their results are kept."""
    here = find_here(plan)
    wanted = names_meant(here, names) if names else ()
    report = _would_clean(here, wanted) if dry_run else _cleaned(here, wanted)
    if as_json:
        tell_json(report)
    else:
        for line in _lines(report):
            tell(line)
    outcomes = {one["outcome"] for one in report["workstreams"]}
    if "refused" in outcomes:
        raise typer.Exit(ExitStatus.NO)
    if "unreachable" in outcomes:
        raise typer.Exit(ExitStatus.OUTSIDE)


def _would_clean(here: Here, names: tuple[str, ...]) -> Document:
    from orchestrator.cleaning import clean as clean_workstreams

    with own_desk(here, here.load_plan()) as desk:
        return clean_workstreams(desk, names, dry_run=True).document()


def _cleaned(here: Here, names: tuple[str, ...]) -> Document:
    from orchestrator.requests import Clean

    require_same_plan(here)
    if not here.client.is_running():
        note("no daemon runs: starting one; orchestrator down ends it")
    report: Document = running_daemon(here).ask(Clean(names=names, by=user_name()), say)
    return report


def _lines(report: Document) -> Iterator[str]:
    if not report["workstreams"]:
        yield "nothing to clean: no wave has landed"
    for one in report["workstreams"]:
        mark, style = _MARKS[one["outcome"]]
        word = _WORDS.get(one["outcome"])
        yield f"{styled(mark, style)} {one['name']}: {word or one_line('; '.join(one['reasons']))}"
        if word:
            yield from (f"    {one_line(line)}" for line in _details(one))
    yield from _wave_lines(report)


def _wave_lines(report: Document) -> Iterator[str]:
    word = "would be removed" if report["dry_run"] else "removed"
    for number in report["waves"]:
        yield f"wave {number}: its checkout for gates {word}"


def _details(one: Document) -> Iterator[str]:
    host = "" if one["host"] == "local" else f"{one['host']}:"
    if one["worktree"]:
        yield f"worktree {host}{one['worktree']}"
    if one["branch"]:
        yield f"branch at {one['commit'][:12]}"
    if one["session"]:
        yield "its tmux session"
    if one["gate_checkout"]:
        yield f"checkout for gates {host}{one['gate_checkout']}"
    if one["kept"]:
        files = "1 file" if one["kept_files"] == 1 else f"{one['kept_files']} files"
        yield f"kept: {files}, {_size(one['kept_bytes'])}, in {host}{one['kept']}"
    if one["recreated"]:
        made = " ".join(one["recreated"])
        yield f"not kept, its set-up makes it again: {made} ({_size(one['recreated_bytes'])})"
    if one["untracked"]:
        yield f"untracked, kept as {one['trash']}: {' '.join(one['untracked'])}"
    yield from one["notes"]


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
