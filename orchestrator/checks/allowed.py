"""Exceptions with their reasons: in a comment beside the code, or in a committed list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from orchestrator.checks.finding import Finding, Subject
from orchestrator.checks.rules import RULES
from orchestrator.checks.trees import Tree, files_at
from orchestrator.plan_file.composing import compose
from orchestrator.plan_file.problems import PlanErrors, unknown
from orchestrator.source.facts import Allowance

BASELINE_FILE = ".orchestrator-baseline.yaml"

_KEYS = {"rule", "path", "found", "reason"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A finding that may stay. `path` is a pattern, `found` a part of the finding's words."""

    rule: str
    path: str
    found: str
    reason: str
    line: int = 0

    def covers(self, finding: Finding) -> bool:
        return (
            finding.rule == self.rule
            and fnmatchcase(finding.path or "", self.path)
            and self.found in finding.message
        )


def with_allowances(
    subject: Subject, tree: Tree, found: Sequence[Finding], check: str
) -> tuple[Finding, ...]:
    """The findings, those that are allowed marked with the reason; bad exceptions are findings of their own.

    Of comments only those for rules of this check are judged; `redflags` also sees to unknown rules.
    """
    known, faults = baseline(subject, subject.commit)
    by_path = {file.path: tree.index.facts(file).allowances for file in tree.listing.files}
    judged = [_judged(finding, by_path.get(finding.path or "", ()), known) for finding in found]
    faults += _bad_allowances(subject, by_path.items(), check)
    return (*judged, *faults)


def _judged(finding: Finding, beside: Iterable[Allowance], known: Iterable[Known]) -> Finding:
    for one in beside:
        if covers(one, finding):
            return replace(finding, allowed=one.reason)
    reason = next((one.reason for one in known if one.covers(finding)), None)
    return finding if reason is None else replace(finding, allowed=reason, by_file=True)


def covers(one: Allowance, finding: Finding) -> bool:
    """Of a finding in the file of the comment."""
    beside_it = finding.line is not None and one.line in (finding.line, finding.line - 1)
    return bool(one.reason) and beside_it and one.rule in (finding.rule, finding.rule.partition("/")[2])


def full_rule(name: str) -> str:
    """Also of a rule that is named without its check; empty where there is none."""
    return name if name in RULES else _SHORT.get(name, "")


_SHORT = {rule.partition("/")[2]: rule for rule in RULES if "/" in rule}


def _bad_allowances(
    subject: Subject, files: Iterable[tuple[str, Iterable[Allowance]]], check: str
) -> Iterator[Finding]:
    for path, allowances in files:
        for one in allowances:
            rule = full_rule(one.rule)
            if not rule and check == "redflags":
                message = unknown("rule", one.rule, RULES) if one.rule else "an exception without a rule"
                yield _fault(subject, "checks/allowance", message, path, one.line)
            elif rule.startswith(f"{check}/") and not one.reason:
                yield _fault(
                    subject, "checks/allowance", f"the exception for {rule} has no reason", path, one.line
                )


def baseline(subject: Subject, commit: str) -> tuple[list[Known], list[Finding]]:
    """The committed list as the commit has it, and what is wrong with it."""
    path = str(subject.settings.get("baseline") or BASELINE_FILE)
    (text,) = files_at(subject, (commit, path))
    if text is None or not text.strip():
        return [], []
    known: list[Known] = []
    faults: list[Finding] = []
    for line, entry in _entries(path, text):
        if isinstance(entry, str):
            faults.append(_fault(subject, "checks/baseline", entry, path, line))
        else:
            known.append(replace(entry, line=line))
    return known, faults


def _entries(path: str, text: str) -> Iterator[tuple[int, Known | str]]:
    """Each entry of the list, or what is wrong with it."""
    try:
        node = compose(Path(path), text)
    except PlanErrors as errors:
        yield from ((problem.line, problem.message) for problem in errors.problems)
        return
    if not isinstance(node, yaml.SequenceNode):
        yield node.start_mark.line + 1, "a list of entries is wanted, each with rule, path and reason"
        return
    for item in node.value:
        line = item.start_mark.line + 1
        pairs = item.value if isinstance(item, yaml.MappingNode) else []
        entry = {str(key.value): str(value.value) for key, value in pairs}
        yield line, _entry(entry)


def _entry(entry: dict[str, str]) -> Known | str:
    strange = next((key for key in entry if key not in _KEYS), None)
    if strange is not None:
        return unknown("key", strange, _KEYS, "allowed")
    if entry.get("rule") not in RULES:
        return unknown("rule", entry.get("rule", ""), RULES)
    if not entry.get("reason", "").strip():
        return f"the exception for {entry['rule']} has no reason"
    return Known(
        rule=entry["rule"],
        path=entry.get("path", "*"),
        found=entry.get("found", ""),
        reason=entry["reason"].strip(),
    )


def _fault(subject: Subject, rule: str, message: str, path: str, line: int) -> Finding:
    return Finding(
        gate=subject.gate, workstream=subject.name, rule=rule, message=message, path=path, line=line
    )
