"""Whoever loses its parent falls to us and not to init: nothing can leave our line of descent."""

from __future__ import annotations

import contextlib
import os

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of every descendant whose parent dies, where the system has that (Linux).

    They have to be reaped; a forked child does not inherit the role.
    """
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(wanted: int | None = None) -> int | None:
    """Take leave of every dead child; the wait status of `wanted` if it was among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == wanted:
                found = status
    return found
