"""A home of its own for what is measured."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def private_home() -> Iterator[Path]:
    """Whatever this process starts sees no settings, caches or servers of the user."""
    with tempfile.TemporaryDirectory(prefix="bench-home-") as name:
        home = Path(name)
        os.environ.update(
            HOME=name, XDG_CACHE_HOME=f"{name}/.cache", TMUX_TMPDIR=name, GIT_CONFIG_GLOBAL=os.devnull
        )
        for variable in ("SSH_AUTH_SOCK", "TMUX", "TMUX_PANE", "XDG_CONFIG_HOME"):
            os.environ.pop(variable, None)
        yield home
