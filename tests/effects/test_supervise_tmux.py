"""A supervisor in the place it is made for: a tmux pane."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.supervise import is_running, settle
from tests.support.eventually import eventually
from tests.support.supervised import Launched

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux"),
]


class Tmux:
    def __init__(self, folder: Path) -> None:
        # Not under the temporary folder of the test: a socket's path is at most 107 bytes.
        self.socket = f"/tmp/supervise-test-{os.getpid()}-{abs(hash(folder)) % 10**6}"

    def __call__(self, *arguments: str) -> str:
        argv = ["tmux", "-u", "-f", "/dev/null", "-S", self.socket, *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
        return done.stdout.rstrip("\n")

    def run(self, launched: Launched) -> None:
        shown = ";", "set-option", "-w", "-t", "=w:", "remain-on-exit", "on"
        self("new-session", "-d", "-s", "w", "-x", "110", "-y", "33", shlex.join(launched.argv), *shown)

    def screen(self) -> str:
        return self("capture-pane", "-p", "-t", "=w:")

    def server(self) -> int:
        return int(self("display-message", "-p", "#{pid}"))


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    made = Tmux(tmp_path)
    yield made
    made("kill-server")
    Path(made.socket).unlink(missing_ok=True)


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Launched]:
    command = "stty size; setsid nohup sleep 300 & echo ready; read answer; echo got $answer; exit 3"
    made = Launched(tmp_path, command)
    yield made
    made.clean()


def test_the_pane_shows_how_it_ended(tmux: Tmux, launched: Launched) -> None:
    tmux.run(launched)
    eventually(lambda: "33 110" in tmux.screen())
    tmux("send-keys", "-t", "=w:", "hello", "Enter")
    eventually(lambda: "stage full ended: exit 3 after" in tmux.screen())
    assert "got hello" in tmux.screen()
    eventually(lambda: tmux("list-panes", "-t", "=w:", "-F", "#{pane_dead}") == "1")
    # tmux 3.3a now and then misses the status of a dead pane (3 of 60 without us): our record has it.
    assert launched.exit()["exit_code"] == 3
    assert not launched.processes()


def test_a_new_size_reaches_the_worker(tmux: Tmux, tmp_path: Path) -> None:
    launched = Launched(tmp_path, "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done")
    try:
        tmux.run(launched)
        launched.says("ready")
        tmux("resize-window", "-t", "=w:", "-x", "90", "-y", "20")
        eventually(lambda: "20 90" in tmux.screen())
    finally:
        launched.clean()


def test_a_killed_session_ends_everything(tmux: Tmux, launched: Launched) -> None:
    tmux.run(launched)
    launched.says("ready")
    tmux("kill-session", "-t", "=w")
    record = eventually(lambda: settle(launched.state), 15)
    assert record.cause == "hangup"
    eventually(lambda: not is_running(launched.state))
    assert not launched.processes()


def test_a_killed_server_ends_everything(tmux: Tmux, launched: Launched) -> None:
    tmux.run(launched)
    launched.says("ready")
    os.kill(tmux.server(), signal.SIGKILL)
    assert eventually(lambda: settle(launched.state), 15).cause == "hangup"
    assert not launched.processes()
