"""How failures are said, and the report a bug leaves behind."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator import __version__
from orchestrator.cli.printing import note, styled
from orchestrator.errors import ExitStatus, OrchestratorError
from orchestrator.home import find_checkout

_PLACED = re.compile(r"/.*?:\d+:\d+: ")
"""How a problem of a plan begins, from here or from the daemon: with its file, line and column."""


def tell_error(error: OrchestratorError) -> None:
    lines = error.message.splitlines()
    if any(_PLACED.match(line) for line in lines):
        for line in lines:
            note(line)
        tell_hint(error.hint)
    else:
        tell_failure(error.message, error.hint)


def tell_failure(message: str, hint: str | None = None) -> None:
    note(f"{styled('error:', 'red', 'bold', stream=sys.stderr)} {message}")
    tell_hint(hint)


def tell_hint(hint: str | None) -> None:
    for line in (hint or "").splitlines():
        note(f"{styled('hint:', 'cyan', stream=sys.stderr)} {line}")


def warn(message: str) -> None:
    note(f"{styled('warning:', 'yellow', 'bold', stream=sys.stderr)} {message}")


def tell_os_error(error: OSError) -> None:
    what = f"{error.filename}: " if error.filename else ""
    tell_failure(f"{what}{error.strerror or error}")


def report_bug(error: BaseException, arguments: Sequence[str]) -> int:
    """Write a report for whoever mends this, and name it."""
    text = _report(error, arguments)
    tell_failure(f"a bug of ours: {type(error).__name__}: {error}".splitlines()[0])
    try:
        note(f"{styled('hint:', 'cyan', stream=sys.stderr)} please send us the report {_written(text)}")
    except OSError:
        note(text)
    return ExitStatus.BUG


def _report(error: BaseException, arguments: Sequence[str]) -> str:
    import platform  # a bug is rare, a start is not
    import traceback

    lines = (
        f"orchestrator {__version__}",
        f"python {platform.python_version()} on {platform.platform()}",
        f"command: orchestrator {' '.join(map(repr, arguments))}",
        f"folder: {Path.cwd()}",
        "",
        "".join(traceback.format_exception(error)),
    )
    return "\n".join(lines)


def _written(text: str) -> Path:
    from datetime import datetime, timezone

    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
    path = _folder() / f"orchestrator-report-{stamp}-{os.getpid()}.txt"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return path


def _folder() -> Path:
    import tempfile

    try:
        state = find_checkout(Path.cwd()).state.root
    except (OrchestratorError, OSError):
        return Path(tempfile.gettempdir())
    return state if os.access(state, os.W_OK) else Path(tempfile.gettempdir())
