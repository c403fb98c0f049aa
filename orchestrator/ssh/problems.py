"""Why a host cannot be reached over SSH. Each is one line, with what to do about it."""

from __future__ import annotations

from orchestrator.errors import HostUnreachable


class HostKeyUnknown(HostUnreachable):
    """Nobody has said yet that this machine's key is the right one."""

    needs_person = True


class HostKeyChanged(HostUnreachable):
    """The machine shows another key than the one that is known: nothing was sent to it."""

    needs_person = True


class LoginRefused(HostUnreachable):
    """The machine answers and takes none of our keys."""

    needs_person = True


class PythonUnusable(HostUnreachable):
    """We can log in, but no Python there runs the agent."""

    needs_person = True
