"""The worker's files as values: bounded, finite, free of control characters, whatever it wrote."""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.wire import Metrics, Progress

PROGRESS_LIMIT_BYTES = 64 * 1024
METRICS_LIMIT_BYTES = 16 * 1024 * 1024
TEXT_LIMIT = 500
_NO_METRICS = {"history", "launch", "attempt"}


class Unreadable(Exception):
    """A file that should hold an object does not; the text says why."""


def plain_text(text: str) -> str:
    """`text` without escape sequences and control characters; tabs and line ends stay."""
    return _control().sub("", _escapes().sub("", text))


@cache
def _escapes() -> re.Pattern[str]:
    # Compiled when the first text comes: with the next one a tenth of what `status` costs.
    return re.compile(
        r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\|$)|[ -/]*[0-~]?)|\x9b[0-?]*[ -/]*[@-~]",
        re.DOTALL,
    )


@cache
def _control() -> re.Pattern[str]:
    return re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def short_line(value: object) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)[:TEXT_LIMIT]
    return " ".join(plain_text(value[: 8 * TEXT_LIMIT]).split("\n"))[:TEXT_LIMIT].strip()


def load_object(path: str | Path, limit_bytes: int) -> dict[str, Any]:
    """The object in a file the worker wrote.

    Raises:
        Unreadable: too large, torn, no JSON, no object, or no plain file.
        FileNotFoundError: there is none.
    """
    # Only a plain file is opened: a socket cannot be, and some devices act when they are.
    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise Unreadable("is no plain file")
    # A named pipe put in its place meanwhile must not block us.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise Unreadable("is no plain file")
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise Unreadable(f"is larger than {limit_bytes // 1024} KiB")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is no JSON: {str(error)[:TEXT_LIMIT]}") from error
    if not isinstance(document, dict):
        raise Unreadable("holds no object")
    return document


def progress_of(document: Mapping[str, Any]) -> Progress:
    metrics, not_finite = _metrics(document.get("metrics"))
    checkpoint = document.get("checkpoint")
    return Progress(
        seq=_counter(document.get("seq")),
        step=_number(document.get("step")),
        total=_number(document.get("total")),
        unit=short_line(document.get("unit")) or "step",
        message=short_line(document.get("message")),
        metrics=metrics,
        not_finite=not_finite,
        checkpoint=short_line(checkpoint) if checkpoint is not None else None,
        eta_s=_number(document.get("eta_s")),
        grace_s=_number(document.get("grace_s")),
    )


def metrics_of(document: Mapping[str, Any]) -> Metrics:
    values, not_finite = _metrics(
        {name: value for name, value in document.items() if name not in _NO_METRICS}
    )
    history, diverged = _history(document.get("history"))
    missing = tuple(f"history.{name}" for name in diverged)
    return Metrics(found=True, values=values, not_finite=(*not_finite, *missing), history=history)


def _metrics(document: object) -> tuple[dict[str, float], tuple[str, ...]]:
    """Finite numbers by name, and the names whose number is not finite; anything else is no metric."""
    values: dict[str, float] = {}
    not_finite: list[str] = []
    for raw_name, value in document.items() if isinstance(document, dict) else ():
        name = short_line(raw_name)
        number = _number(value)
        if number is not None:
            values[name] = number
        elif value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            not_finite.append(name)
    return values, tuple(not_finite)


def _history(document: object) -> tuple[dict[str, tuple[float, ...]], list[str]]:
    history: dict[str, tuple[float, ...]] = {}
    diverged: list[str] = []
    for raw_name, values in document.items() if isinstance(document, dict) else ():
        if not isinstance(values, list):
            continue
        numbers = [_number(value) for value in values]
        name = short_line(raw_name)
        if None in numbers:
            diverged.append(name)
        else:
            history[name] = tuple(number for number in numbers if number is not None)
    return history, diverged


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _counter(value: object) -> int:
    number = _number(value)
    return int(number) if number is not None and abs(number) < 2**53 else 0
