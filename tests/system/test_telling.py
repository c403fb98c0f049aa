"""The real daemon tells people, Prometheus, systemd and a dead man's switch; then it is killed."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.settings import StatePaths
from tests.support.eventually import eventually
from tests.support.heard import hearing
from tests.support.project import COMMAND, Project

WORKERS = (
    "a: {branch: w/a, run: 'exit 2'}",
    "b: {branch: w/b, run: 'exit 2'}",
    "c: {branch: w/c, run: 'env > results/env; sleep 60'}",
    "d: {branch: w/d, run: 'exit 2'}",
)


@contextmanager
def served(project: Project, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon as systemd starts it; killed at the end."""
    process = subprocess.Popen(
        [COMMAND[0], "-m", "orchestrator.daemon", str(project.root / "waves.yaml")],
        env={**project.env, **env},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def figures(project: Project) -> str:
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(str(StatePaths(root=project.state).socket))
    connection.request("GET", "/metrics")
    return connection.getresponse().read().decode()


def test_a_service_tells_everybody_once(project: Project) -> None:
    with hearing() as heard, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        address = project.tmux_folder / "notify.sock"
        systemd.bind(str(address))
        systemd.settimeout(40)
        head = f"notify: {{urls: env:CHAT, ping: '{heard.url('http', 'uuid')}', every: 1s}}"
        project.workstreams(*WORKERS, head=head)
        chat = {"CHAT": heard.url("json", "t0k3n")}
        with served(project, NOTIFY_SOCKET=str(address), WATCHDOG_USEC="1000000") as process:
            assert systemd.recv(999).startswith(b"READY=1\n")
            assert systemd.recv(999) == b"WATCHDOG=1"
            project.run("up", "a", "b", "c", env=chat)
            eventually(lambda: heard.posts, 40, "a message")
            assert 'orchestrator_workers{state="failed"} 2.0' in figures(project)
            worker = (project.worktree("c") / "results" / "env").read_text()
            assert "CHAT=" in worker and "NOTIFY_SOCKET" not in worker and "WATCHDOG" not in worker
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert heard.gets[0] == "/uuid/start" and "/uuid" in heard.gets and "/uuid/fail" not in heard.gets
        with served(project) as process:
            eventually(lambda: heard.gets.count("/uuid/start") == 2, 40, "the ping of the second daemon")
            project.run("up", "d", env=chat)
            eventually(lambda: len(heard.posts) > 1, 40, "the second daemon's message")
            process.terminate()
            assert process.wait(timeout=40) == 0
        both, last = heard.titles
        assert both in {"[p] 2 workers failed: a, b", "[p] 2 workers failed: b, a"}  # as they fell
        assert last == "[p] d failed"
        told = "".join([*(json.dumps(event) for event in project.events()), project.ok("status").out])
        assert "t0k3n" not in told and "uuid" not in told
