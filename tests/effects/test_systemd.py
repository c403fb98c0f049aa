"""The unit file, read by systemd itself where it is installed, and words to systemd over a real socket."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.systemd.readiness import Readiness
from orchestrator.systemd.unit import Unit, unit_folder


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    monkeypatch.chdir(tmp_path)  # the path of a socket has 108 bytes
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("notify.sock")
        listening.settimeout(5)
        yield listening


def said(systemd: socket.socket) -> list[str]:
    systemd.setblocking(False)
    lines = []
    while True:
        try:
            lines.append(systemd.recv(4096).decode())
        except BlockingIOError:
            return lines


def environment(**more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": "notify.sock", "WATCHDOG_USEC": "20000000", **more}


def test_systemd_hears_that_we_are_ready_turning_and_stopping(systemd: socket.socket) -> None:
    env = environment()
    readiness = Readiness(env)
    readiness.ready("project p")
    readiness.turned()
    readiness.turned()  # at once again: half of the interval has not passed
    readiness.stopping()
    assert said(systemd) == ["READY=1\nSTATUS=project p", "WATCHDOG=1", "STOPPING=1"]
    assert env == {}, "workers would inherit it"


def test_a_watchdog_of_another_process_is_not_fed(systemd: socket.socket) -> None:
    readiness = Readiness(environment(WATCHDOG_PID="1"))
    readiness.turned()
    assert said(systemd) == []
    mine = Readiness(environment(WATCHDOG_PID=str(os.getpid())))
    mine.turned()
    assert said(systemd) == ["WATCHDOG=1"]


def test_a_socket_in_the_abstract_namespace() -> None:
    name = f"orchestrator-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        Readiness({"NOTIFY_SOCKET": f"@{name}"}).ready("x")
        assert said(listening) == ["READY=1\nSTATUS=x"]


def test_nobody_listens_and_nothing_happens(tmp_path: Path) -> None:
    Readiness({}).ready("x")
    gone = Readiness({"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "2000000"})
    gone.ready("x")
    gone.turned()


def unit(folder: Path) -> Unit:
    return Unit(
        project="shop",
        plan=folder / 'my "plans" 100% $HOME' / "waves.yaml",
        python=sys.executable,
        search_path="/opt/100% bin:/usr/bin",
        log=folder / "state 100%" / "daemon.log",
    )


def keys(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, is_one, value = line.partition("=")
        if is_one:
            found.setdefault(key, []).append(value)
    return found


def test_what_the_unit_says(tmp_path: Path) -> None:
    found = keys(unit(tmp_path).text())
    assert found["Type"] == ["notify"] and found["KillMode"] == ["process"]
    assert found["Restart"] == ["on-failure"] and found["RestartPreventExitStatus"] == ["1 2"]
    (start,) = found["ExecStart"]
    plan = f'"{tmp_path}/my \\"plans\\" 100%% $$HOME/waves.yaml"'
    assert start == f'"{sys.executable}" "-m" "orchestrator.daemon" {plan}'
    assert found["Environment"] == ['"PATH=/opt/100%% bin:/usr/bin"', "PYTHONSAFEPATH=1"]
    assert found["StandardOutput"] == [f"append:{tmp_path}/state 100%%/daemon.log"]
    assert unit(tmp_path).name == "orchestrator-shop.service"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_itself_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / unit(tmp_path).name
    path.write_text(unit(tmp_path).text())
    done = subprocess.run(
        ["systemd-analyze", "--user", "--man=no", "verify", str(path)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if path.name in line] == []
    assert done.returncode == 0


def test_a_path_that_no_unit_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line end"):
        unit(tmp_path / "a\nExecStart=evil").text()


def test_where_units_lie() -> None:
    home = Path("/home/ada")
    assert unit_folder({}, home) == home / ".config/systemd/user"
    assert unit_folder({"XDG_CONFIG_HOME": "/etc/ada"}, home) == Path("/etc/ada/systemd/user")
    assert unit_folder({"XDG_CONFIG_HOME": "relative"}, home) == home / ".config/systemd/user"
