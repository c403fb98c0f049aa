"""Verifications and checklists as JSON documents, and as the Markdown report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator.enforcement.completion import Checklist
from orchestrator.enforcement.verifying import BranchVerdict, Verification

REPORT_FILE = "BRANCH_ENFORCEMENT_REPORT.md"


def verification_document(verification: Verification) -> dict[str, Any]:
    return {
        "ok": verification.ok,
        "planned": verification.planned,
        "tested": verification.tested,
        "base": verification.base,
        "branches": [_branch_document(branch) for branch in verification.branches],
        "differences": list(verification.differences),
    }


def _branch_document(branch: BranchVerdict) -> dict[str, Any]:
    return {
        "name": branch.name,
        "branch": branch.branch,
        "commit": branch.commit,
        "ok": branch.ok,
        "landed": branch.landed,
        "findings": [finding.document() for finding in branch.findings],
        "suppressed": [finding.document() for finding in branch.suppressed],
        "gates": [
            verdict.document() | {"findings": [f.document() for f in verdict.findings]}
            for verdict in branch.gates
        ],
    }


def completion_document(lists: Sequence[Checklist]) -> dict[str, Any]:
    return {
        "ok": all(one.complete for one in lists),
        "branches": [
            {
                "name": one.name,
                "branch": one.branch,
                "commit": one.commit,
                "complete": one.complete,
                "boxes": [
                    {
                        "box": box.name,
                        "asked": box.ticked is not None,
                        "ticked": box.ticked is True,
                        "evidence": box.evidence,
                    }
                    for box in one.boxes
                ],
            }
            for one in lists
        ],
    }


def report_text(verification: Verification) -> str:
    """The whole report; the same verification gives the same text."""
    return "\n".join(_lines(verification)) + "\n"


def _lines(verification: Verification) -> Iterator[str]:
    wrong = [branch for branch in verification.branches if not branch.ok]
    yield "# Branch enforcement report"
    yield ""
    said = "PASSED" if verification.ok else "FAILED"
    count = len(verification.branches)
    passed = f"{count - len(wrong)} of {count} required branches pass"
    yield f"**{said}**: {passed}, held against `{verification.base}`."
    if not verification.tested:
        yield "Their tests were not run."
    yield ""
    yield "| branch | commit | verdict |"
    yield "|---|---|---|"
    for branch in verification.branches:
        commit = f"`{branch.commit[:12]}`" if branch.commit else "none"
        yield f"| `{_cell(branch.branch)}` | {commit} | {_verdict(branch)} |"
    if verification.differences:
        yield from ("", "## Where the files differ", "")
        yield from (f"- {_cell(text)}" for text in verification.differences)
    for branch in wrong:
        yield from _section(branch)
    excused = [(branch, finding) for branch in verification.branches for finding in branch.suppressed]
    if excused:
        yield from ("", "## What may stay", "")
    for branch, finding in excused:
        place = f" `{finding.place}`:" if finding.path else ""
        yield f"- `{_cell(branch.branch)}` [{finding.rule}]{place} {_cell(finding.message)}"
        yield f"  - allowed: {_cell(finding.allowed or '')}"


def _verdict(branch: BranchVerdict) -> str:
    if branch.landed:
        return ", ".join(branch.notes)
    faults = len(branch.findings) + sum(not verdict.ok for verdict in branch.gates)
    return "passes" if branch.ok else f"**fails**, {faults} fault{'s' if faults != 1 else ''}"


def _section(branch: BranchVerdict) -> Iterator[str]:
    yield from ("", f"## `{_cell(branch.branch)}`", "")
    for finding in branch.findings:
        place = f" `{finding.place}`:" if finding.path else ""
        yield f"- [{finding.rule}]{place} {_cell(finding.message)}"
        if finding.why:
            yield f"  - why: {finding.why}; to mend it: {finding.mend}"
    for verdict in branch.gates:
        if not verdict.ok:
            yield f"- gate {_cell(verdict.sentence)}"
            yield from (
                f"  - `{one.place}` {_cell(one.message)}" if one.path else f"  - {_cell(one.message)}"
                for one in verdict.findings
            )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
