"""Exceptions that a branch makes and that cover nothing: told, since they would cover what comes later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from orchestrator.checks.allowed import BASELINE_FILE, baseline, covers, full_rule
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.trees import Forked
from orchestrator.source.listing import SourceFile

_ONLY_SEEN_BY_RUNNING = ("components/unnoticed", "components/untested", "components/tests-fail")
_IDLE = "it covers nothing, and may go"


def idle_exceptions(
    subject: Subject,
    forked: Forked,
    found: Sequence[Finding],
    check: str,
    of_file: Callable[[SourceFile], Iterable[Finding]] | None = None,
) -> Iterator[Finding]:
    """Among the findings that may stay: they are no fault of the code.

    `of_file` gives all that a file shows, where `found` is only what is new in it.
    """
    for file in forked.tip.listing.files:
        comments = forked.tip.index.facts(file).allowances if file.path in forked.changed else ()
        own = [one for one in comments if one.reason and _is_judged(full_rule(one.rule), check)]
        if not own:
            continue
        shown = [one for one in found if one.path == file.path]
        shown += of_file(file) if of_file is not None else ()
        for one in own:
            if not any(covers(one, other) for other in shown):
                message = f"nothing here needs the exception for {full_rule(one.rule)}"
                yield finding(subject, "checks/allowance", message, file.path, one.line, allowed=_IDLE)
    yield from _idle_entries(subject, forked, found, check)


def _is_judged(rule: str, check: str) -> bool:
    return rule.startswith(f"{check}/") and rule not in _ONLY_SEEN_BY_RUNNING


def _idle_entries(
    subject: Subject, forked: Forked, found: Sequence[Finding], check: str
) -> Iterator[Finding]:
    """Entries that base has, too, may be for what base has."""
    known, _ = baseline(subject, subject.commit)
    own = [entry for entry in known if _is_judged(entry.rule, check)]
    if not own:
        return
    before = {replace(entry, line=0) for entry in baseline(subject, forked.fork)[0]}
    path = str(subject.settings.get("baseline") or BASELINE_FILE)
    for entry in own:
        if replace(entry, line=0) not in before and not any(entry.covers(one) for one in found):
            message = f"nothing that the branch brings needs the exception for {entry.rule}"
            yield finding(subject, "checks/baseline", message, path, entry.line, allowed=_IDLE, by_file=True)
