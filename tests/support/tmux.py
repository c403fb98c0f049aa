"""tmux servers of a test's own: a private socket, no user configuration, gone at the end."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class TmuxServer:
    """`socket` is what `tmux -L` takes."""

    def __init__(self, socket: str) -> None:
        self.socket = socket

    def run(self, *arguments: str) -> str:
        """Standard output; a failure answers with an empty text."""
        done = subprocess.run(
            ["tmux", "-u", "-f", "/dev/null", "-L", self.socket, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        return done.stdout.rstrip("\n") if done.returncode == 0 else ""

    def sessions(self) -> list[str]:
        return sorted(self.run("list-sessions", "-F", "#{session_name}").splitlines())

    def pane(self, session: str, form: str) -> str:
        return self.run("display-message", "-p", "-t", f"={session}:", form)

    def screen(self, session: str) -> str:
        return self.run("capture-pane", "-p", "-J", "-t", f"={session}:")


@contextmanager
def tmux_server() -> Iterator[TmuxServer]:
    """A server that starts with its first session; killed, and its socket removed, at the end."""
    server = TmuxServer(f"test-{uuid.uuid4().hex[:12]}")
    try:
        yield server
    finally:
        server.run("kill-server")
        socket = Path(os.environ.get("TMUX_TMPDIR", "/tmp"), f"tmux-{os.getuid()}", server.socket)
        socket.unlink(missing_ok=True)
