"""`pre-commit`: every hook of the project passes on all files and changes none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.checks.asked import Settings
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.tools import broken, places, run_tool

_RESULT = re.compile(r"^(?P<name>\S.*?)\.{3,}.*?(?P<end>Passed|Failed|Skipped)$")
_HOOK = re.compile(r"^- hook id: (\S+)$")
_NOTE = re.compile(r"^- (hook id|exit code|duration|files were modified)")


def findings(subject: Subject) -> tuple[Finding, ...]:
    """Raises:
    NoVerdict: pre-commit could not be started, or was not done in time.
    """
    asked = Settings(subject, known=("args", "pre-commit"))
    program, arguments = asked.text("pre-commit", "pre-commit"), asked.texts("args")
    if asked.faults:
        return tuple(asked.faults)
    command = ("run", "--all-files", "--color=never", *arguments)
    outcome, text = run_tool(subject, "pre-commit", program, command)
    changed = [
        finding(subject, "pre-commit/changed", "is changed by a hook", path) for path in outcome.changed
    ]
    failed = [found for hook, said in _failed(text) for found in _of_hook(subject, hook, said)]
    if outcome.exit_code and not (failed or changed):
        return (broken(subject, "pre-commit/broken", "pre-commit", outcome, text),)
    return (*failed, *changed)


def _failed(text: str) -> Iterator[tuple[str, str]]:
    """Each hook that failed, and what it said."""
    hook, collecting = "", False
    said: list[str] = []
    for line in [*text.splitlines(), "end...Passed"]:
        result = _RESULT.match(line)
        if result:
            if collecting:
                yield hook, "\n".join(said)
            hook, said, collecting = result["name"], [], result["end"] == "Failed"
        elif collecting and (named := _HOOK.match(line)):
            hook = named[1]
        elif collecting and not _NOTE.match(line):
            said.append(line)


def _of_hook(subject: Subject, hook: str, said: str) -> Iterator[Finding]:
    known = list(places(said))
    for path, line, words in known:
        yield finding(subject, "pre-commit/failed", f"{hook}: {words}", path, line)
    if not known:
        lines = [line for line in said.splitlines() if line.strip()][:5]
        yield finding(subject, "pre-commit/failed", "\n".join([f"{hook} failed", *lines]))
