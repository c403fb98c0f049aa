"""Launches real supervisors in a temporary folder and leaves no process behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect

from orchestrator.supervise import processes, stop
from tests.support.eventually import eventually

SUPERVISE = Path(__file__).parents[2] / "orchestrator" / "supervise"


class Launched:
    """One launch: its files, and its supervisor once started."""

    def __init__(self, folder: Path, command: str, **fields: Any) -> None:
        self.folder = folder
        self.id = f"{folder.name}-{os.getpid()}-{id(self)}"
        self.state = folder / f"state-{id(self)}"
        self.results = folder / "results"
        self.results.mkdir(exist_ok=True)
        self.log = folder / "logs" / "worker.log"
        self.spec = folder / f"spec-{id(self)}.json"
        self.process: subprocess.Popen[bytes] | None = None
        content = {
            "v": 1,
            "launch": self.id,
            "workstream": "i3d",
            "wave": 2,
            "stage": "full",
            "attempt": 2,
            "command": command,
            "cwd": str(folder),
            "env": {"ORCHESTRATOR_RESULTS": str(self.results)},
            "results": str(self.results),
            "state": str(self.state),
            "log": str(self.log),
            "log_limit_bytes": 10_000_000,
            "log_keep": 3,
            "beat_s": 0.2,
            "stop_grace_s": 5,
            "timeout_s": None,
            "terminal": True,
            "title": "",
        }
        self.spec.write_text(json.dumps({**content, **fields}))

    @property
    def argv(self) -> list[str]:
        return [sys.executable, "-S", "-E", str(SUPERVISE), str(self.spec)]

    def start(self, **streams: Any) -> subprocess.Popen[bytes]:
        given = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            **streams,
        }
        self.process = subprocess.Popen(self.argv, start_new_session=True, **given)
        return self.process

    def run(self, **streams: Any) -> tuple[int, str]:
        """Run to the end; return the supervisor's status and what the pane showed."""
        shown, _ = self.start(**streams).communicate(timeout=60)
        assert self.process is not None
        return self.process.returncode, (shown or b"").decode(errors="replace")

    def in_terminal(self, **settings: Any) -> pexpect.spawn:
        """Start in a terminal of 30 x 100, as in a pane."""
        return pexpect.spawn(
            self.argv[0], self.argv[1:], dimensions=(30, 100), timeout=20, encoding="utf-8", **settings
        )

    def exit(self) -> dict[str, Any]:
        return read(self.state / "exit.json")

    def beat(self) -> dict[str, Any]:
        return read(self.state / "heartbeat.json")

    def output(self) -> str:
        return self.log.read_text(errors="replace").replace("\r\n", "\n") if self.log.exists() else ""

    def says(self, text: str) -> None:
        eventually(lambda: text in self.output(), 20, f"{text!r} in the log")

    def processes(self) -> set[tuple[int, int]]:
        return processes.belonging(self.id)

    def clean(self) -> None:
        stop(self.state, 0)
        for pid, _ in self.processes():
            os.kill(pid, 9)
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            if self.process.stdout:
                self.process.stdout.close()


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


Launch = Callable[..., Launched]
