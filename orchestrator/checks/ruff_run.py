"""`ruff`: the project's own rules hold; with `format` also the layout is as ruff makes it."""

from __future__ import annotations

import json
import os.path
import re
from typing import Any

from orchestrator.checks.asked import Settings
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.outward import for_ruff, not_followed
from orchestrator.checks.tools import broken, run_tool

_WOULD = re.compile(r"(?:Would reformat: | *--> )([^\n]+?)(?::[0-9]+:[0-9]+)?$", re.MULTILINE)
"""As earlier and later releases write it."""


def findings(subject: Subject) -> tuple[Finding, ...]:
    """Raises:
    NoVerdict: ruff could not be started, or was not done in time.
    """
    asked = Settings(subject, known=("args", "ruff", "format"))
    program, arguments, with_layout = asked.text("ruff", "ruff"), asked.texts("args"), asked.flag("format")
    if asked.faults:
        return tuple(asked.faults)
    found = (*_rules(subject, program, arguments), *not_followed(subject))
    return (*found, *_layout(subject, program, arguments)) if with_layout else found


def _rules(subject: Subject, program: str, arguments: tuple[str, ...]) -> tuple[Finding, ...]:
    command = ("check", "--no-cache", "--output-format=json", "--quiet", *for_ruff(subject), *arguments)
    outcome, text = run_tool(subject, "ruff", program, command)
    try:
        listed: list[dict[str, Any]] = json.loads(text or "[]")
        found = tuple(
            finding(
                subject,
                f"ruff/{one['code'] or 'syntax'}",
                one["message"],
                _inner(one["filename"]),
                one["location"]["row"],
            )
            for one in listed
        )
    except (ValueError, KeyError, TypeError):
        return (broken(subject, "ruff/broken", "ruff", outcome, text),)
    if outcome.exit_code and not found:
        return (broken(subject, "ruff/broken", "ruff", outcome, text),)
    return found


def _layout(subject: Subject, program: str, arguments: tuple[str, ...]) -> tuple[Finding, ...]:
    command = ("format", "--check", "--no-cache", *for_ruff(subject), *arguments)
    outcome, text = run_tool(subject, "ruff format", program, command)
    paths = list(dict.fromkeys(_WOULD.findall(text)))
    if outcome.exit_code and not paths:
        return (broken(subject, "ruff/broken", "ruff format", outcome, text),)
    return tuple(
        finding(subject, "ruff/format", "is not laid out as ruff format does it", path, 1) for path in paths
    )


def _inner(path: str) -> str:
    """ruff prints absolute paths, in a checkout whose place only the host knows."""
    parts = path.split("/_gates/", 1)
    return parts[1].partition("/")[2] if len(parts) == 2 else os.path.normpath(path)
