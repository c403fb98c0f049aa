"""Expected failures. A child names who must act; the hint is what to type next."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of the command line, as the interface defines them."""

    DONE = 0
    NO = 1
    USAGE = 2
    OUTSIDE = 3
    BUG = 70
    INTERRUPTED = 130


class OrchestratorError(Exception):
    """Something the user should read as one line, with an optional line on what to do."""

    exit_status = ExitStatus.OUTSIDE

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(OrchestratorError):
    """The command was typed wrong: type another."""

    exit_status = ExitStatus.USAGE


class Refused(OrchestratorError):
    """The answer is no, for a reason the message gives. Nothing was changed."""

    exit_status = ExitStatus.NO


class Bug(OrchestratorError):
    """Ours to mend. The message says what failed, the hint where the whole story is."""

    exit_status = ExitStatus.BUG


class HostUnreachable(OrchestratorError):
    """A host gave no answer. Nothing is known about what runs there."""

    needs_person = False
    """Whether trying again is in vain until somebody mends something."""


class CommandFailed(OrchestratorError):
    """An outside program failed: the message names it, the hint holds the end of its stderr."""


class JournalError(OrchestratorError):
    """The journal cannot be read or written: the daemon must stop."""


class JournalBlocked(JournalError):
    """The journal takes nothing for now, as on a full disk; nothing was written, and later it may be."""
