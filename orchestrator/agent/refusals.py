"""Why one entry of a Start did not start; the others go on."""

from __future__ import annotations

import errno
import re

from orchestrator.errors import OrchestratorError, Refused

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,199}\Z")
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
_DISK_WORDS = ("No space left", "Disk quota exceeded", "Read-only file system", "Permission denied")


class CannotStart(Exception):
    """`cause` is one of the causes of `NotStarted`."""

    def __init__(self, cause: str, message: str, log: str | None = None) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message
        self.log = log


def is_safe_name(name: str) -> bool:
    return _SAFE.match(name) is not None


def require_safe_name(name: str, what: str) -> str:
    """A name that may be a path component and part of a tmux option."""
    if not is_safe_name(name):
        raise Refused(f"{name!r} is no {what}: letters, digits and . _ : @ + - only")
    return name


def as_refusal(error: OrchestratorError | OSError, cause: str) -> CannotStart:
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return CannotStart(
            "disk" if error.errno in DISK_ERRORS else cause, f"{error.strerror or error}{where}"
        )
    reasons = [error.message, *(error.hint or "").split("\n")]
    for reason in reasons:
        if any(text in reason for text in _DISK_WORDS):
            return CannotStart(
                "disk", error.message if reason in error.message else f"{error.message} ({reason})"
            )
    return CannotStart(cause, error.message)
