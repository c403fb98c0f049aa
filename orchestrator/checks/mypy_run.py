"""`mypy`: no type error at all, or with `new_only` none that was not there where the branch forked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from orchestrator import git
from orchestrator.checks.asked import Settings
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.outward import for_mypy, not_followed
from orchestrator.checks.tools import broken, places, run_tool
from orchestrator.checks.unchecked import unchecked

_ERROR = re.compile(r"error: (.*?)(?:  \[([a-z0-9-]+)\])?$")
_USUAL = ("--strict", ".")
_FORM = "--show-error-codes --no-color-output --hide-error-context --no-pretty --error-summary"
_CACHE = '--cache-dir "${ORCHESTRATOR_OUT%/*}/mypy-cache"'
_ERRORS_FOUND = 1
_SUCCESS = "Success: "
"""Without it mypy was ended before its end, by a plugin as it may be."""

Fault = tuple[str, int, str, str]
"""Path, line, words and code of an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Errors, or, where mypy did not get as far as checking types, what kept it."""

    faults: tuple[Fault, ...] = ()
    broken: tuple[Finding, ...] = ()


def findings(subject: Subject) -> tuple[Finding, ...]:
    """Raises:
    NoVerdict: mypy could not be started, or was not done in time.
    """
    asked = Settings(subject, known=("args", "mypy", "new_only"))
    program, arguments = asked.text("mypy", "mypy"), asked.texts("args", otherwise=_USUAL)
    new_only = asked.flag("new_only")
    if asked.faults:
        return tuple(asked.faults)
    after = _run(subject, program, arguments, subject.commit)
    if after.broken:
        return after.broken
    before = None
    if new_only and after.faults:
        fork = git.merge_base(subject.git, subject.base, subject.commit) or subject.base
        before = _run(subject, program, arguments, fork)
        if before.broken:
            return (replace(before.broken[0], message=f"on base, {before.broken[0].message}"),)
    found = _new(subject, after.faults, before.faults if before is not None else None)
    return (*found, *unchecked(subject, arguments), *not_followed(subject))


def _new(subject: Subject, after: Sequence[Fault], before: Sequence[Fault] | None) -> Iterator[Finding]:
    """Of the errors that were not there before, the first one says how many there are in all, and were."""
    old = Counter((path, said) for path, _, said, _ in before or ())
    files = len({path for path, *_ in after})
    count = f"\nFound {len(after)} error{_s(len(after))} in {files} file{_s(files)}"
    count += f"; {len(before)} where the branch began" if before is not None else ""
    for path, line, said, code in after:
        if not _was_there(old, path, said):
            yield finding(subject, "mypy/error", (f"{said}  [{code}]" if code else said) + count, path, line)
            count = ""


def _s(number: int) -> str:
    return "" if number == 1 else "s"


def _was_there(old: Counter[tuple[str, str]], path: str, said: str) -> bool:
    """Lines move: an error counts as old as often as it stood in its file before."""
    if not old[path, said]:
        return False
    old[path, said] -= 1
    return True


def _run(subject: Subject, program: str, arguments: tuple[str, ...], commit: str) -> _Run:
    outcome, text = run_tool(
        subject,
        "mypy",
        program,
        (*for_mypy(subject, commit), *arguments),
        shell=f"{_FORM} {_CACHE}",
        commit=commit,
    )
    found = tuple(
        (path, line, match[1], match[2] or "")
        for path, line, said in places(text)
        if (match := _ERROR.match(said))
    )
    is_done = outcome.exit_code == 0 and (found or _SUCCESS in text)
    if is_done or (outcome.exit_code == _ERRORS_FOUND and found):
        return _Run(faults=found)
    stopped = tuple(
        finding(subject, "mypy/broken", f"mypy stopped here: {said}", path, line)
        for path, line, said, _ in found
    )
    return _Run(broken=stopped or (broken(subject, "mypy/broken", "mypy", outcome, text),))
