"""`verify`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.landing_report import gate_lines, mark, short
from orchestrator.cli.options import AsJson, PlanFile
from orchestrator.cli.own_desk import own_desk
from orchestrator.cli.printing import note, one_line, tell, tell_json
from orchestrator.cli.roster import find_roster, planned_roster
from orchestrator.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from orchestrator.enforcement.verifying import BranchVerdict, Verification


def verify(
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write a report in Markdown there.")
    ] = None,
    no_tests: Annotated[bool, typer.Option("--no-tests", help="Only look; run no command.")] = False,
    write_specs: Annotated[
        bool,
        typer.Option(
            "--write-specs",
            help="Write the files of required branches and their claims from the plan, and verify nothing.",
        ),
    ] = False,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Verify every required branch: there, its own, unlike its siblings, with components, results and tests.

    Which are required says the plan; without one, .required_branches and .branch_specifications.json.
    """
    from orchestrator.enforcement.documents import report_text, verification_document
    from orchestrator.enforcement.verifying import verify_branches

    if write_specs:
        _write_specs(plan, as_json)
        return
    required = find_roster(plan)
    with own_desk(required.here, required.roster.plan) as desk:
        found = verify_branches(desk, required.roster, required.folder, with_tests=not no_tests)
    if report is not None:
        _write(report, report_text(found))
    if as_json:
        tell_json(
            verification_document(found) | {"report": None if report is None else str(report.absolute())}
        )
    else:
        _tell(found)
    if not found.ok:
        raise typer.Exit(ExitStatus.NO)


def _write_specs(plan: Path | None, as_json: bool) -> None:
    from orchestrator.enforcement.required import files_of

    required = planned_roster(plan)
    files = files_of(required.roster.plan, required.roster.listed)
    written = [required.folder / name for name in files]
    for path, text in zip(written, files.values(), strict=True):
        _write(path, text)
    if as_json:
        tell_json({"written": [str(path) for path in written]})
        return
    for path in written:
        tell(f"{mark(True)} wrote {path}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", "name another file") from error


def _tell(found: Verification) -> None:
    for branch in found.branches:
        for line in _branch_lines(branch):
            tell(line)
    for text in found.differences:
        tell(f"{mark(False)} {one_line(text)}")
    if found.differences and found.planned:
        note("    → orchestrator verify --write-specs writes them from the plan")
    untested = "" if found.tested else "; their tests were not run"
    passed = sum(branch.ok for branch in found.branches)
    tell(f"{mark(found.ok)} {passed} of {len(found.branches)} required branches pass{untested}")


def _branch_lines(branch: BranchVerdict) -> Iterator[str]:
    notes = f" ({', '.join(branch.notes)})" if branch.notes else ""
    yield f"{mark(branch.ok)} {branch.branch} {short(branch.commit)}{notes}"
    for finding in branch.findings:
        place = f"{finding.place}: " if finding.path else ""
        yield f"    {place}{one_line(finding.message)} [{finding.rule}]"
        if finding.mend:
            yield f"        to mend it: {one_line(finding.mend)}"
    for finding in branch.suppressed:
        place = f"{finding.place}: " if finding.path else ""
        yield f"    {place}{one_line(finding.message)} [{finding.rule}]"
        yield f"        allowed: {one_line(finding.allowed or '')}"
    yield from (f"    {line}" for line in gate_lines([verdict.document() for verdict in branch.gates]))
