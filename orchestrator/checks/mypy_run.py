"""`mypy`: no type error at all, or with `new_only` none that was not there where the branch forked."""

from __future__ import annotations

import re
from collections import Counter

from orchestrator import git
from orchestrator.checks.asked import Settings
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.tools import broken, places, run_tool

_ERROR = re.compile(r"error: (.*?)(?:  \[([a-z0-9-]+)\])?$")
_USUAL = ("--strict", ".")
_FORM = "--show-error-codes --no-color-output --no-error-summary --hide-error-context --no-pretty"
_CACHE = '--cache-dir "${ORCHESTRATOR_OUT%/*}/mypy-cache"'
_ERRORS_FOUND = 1

Fault = tuple[str, int, str, str]
"""Path, line, words and code of an error."""


def findings(subject: Subject) -> tuple[Finding, ...]:
    """Raises:
    NoVerdict: mypy could not be started, or was not done in time.
    """
    asked = Settings(subject, known=("args", "mypy", "new_only"))
    program, arguments = asked.text("mypy", "mypy"), asked.texts("args", otherwise=_USUAL)
    new_only = asked.flag("new_only")
    if asked.faults:
        return tuple(asked.faults)
    after = _faults(subject, program, arguments, subject.commit)
    if isinstance(after, Finding):
        return (after,)
    old: Counter[tuple[str, str]] = Counter()
    if new_only and after:
        fork = git.merge_base(subject.git, subject.base, subject.commit) or subject.base
        before = _faults(subject, program, arguments, fork)
        if isinstance(before, Finding):
            return (finding(subject, "mypy/broken", f"on base, {before.message}"),)
        old = Counter((path, said) for path, _, said, _ in before)
    return tuple(
        finding(subject, "mypy/error", f"{said}  [{code}]" if code else said, path, line)
        for path, line, said, code in after
        if not _was_there(old, path, said)
    )


def _was_there(old: Counter[tuple[str, str]], path: str, said: str) -> bool:
    """Lines move: an error counts as old as often as it stood in its file before."""
    if not old[path, said]:
        return False
    old[path, said] -= 1
    return True


def _faults(subject: Subject, program: str, arguments: tuple[str, ...], commit: str) -> list[Fault] | Finding:
    outcome, text = run_tool(subject, "mypy", program, arguments, shell=f"{_FORM} {_CACHE}", commit=commit)
    found = [
        (path, line, match[1], match[2] or "")
        for path, line, said in places(text)
        if (match := _ERROR.match(said))
    ]
    if outcome.exit_code not in (0, _ERRORS_FOUND) or (outcome.exit_code and not found):
        return broken(subject, "mypy/broken", "mypy", outcome, text)
    return found
