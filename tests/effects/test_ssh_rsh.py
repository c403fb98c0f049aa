"""`rsh` as git, rsync and a terminal use it: bytes, exit statuses, windows."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.ssh import git_ssh_environment, rsh_command
from tests.support.eventually import eventually
from tests.support.repository import Repository, pin, repository_at
from tests.support.sshd import Sshd

ROOT = Path(__file__).parents[2]
# `HOST COMMAND…`, as `orchestrator rsh` takes them; the host's name is its alias.
SHIM = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from orchestrator.core.plan import Host
from orchestrator.errors import OrchestratorError
from orchestrator.ssh import movement, rsh
silent_s, idle_s = map(float, os.environ.get("PATIENCE", "30 0").split())
movement.SILENT_S, movement.ASK_EVERY_S = silent_s, silent_s / 8
tty = sys.argv[1] == "--tty"
name, *command = sys.argv[1 + tty:]
try:
    sys.exit(rsh(Host(name=name, ssh=name), " ".join(command), tty=tty, deadline_s=15, idle_s=idle_s or None))
except OrchestratorError as error:
    sys.exit(error.message)
"""

PLAN = """
version: 1
project: p
hosts:
  box: {ssh: gpu, root: ~/parallel}
waves:
  1: {goal: one, workstreams: {a: {branch: p/a, host: box, run: "true"}}}
"""


def rsh_argv(*arguments: str) -> list[str]:
    return [sys.executable, "-c", SHIM, *arguments]


def run(*arguments: str, data: bytes = b"", timeout: float = 30) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(rsh_argv("gpu", *arguments), input=data, capture_output=True, timeout=timeout)


def test_streams_are_byte_exact_and_apart(sshd: Sshd) -> None:
    data = random.Random(1).randbytes(8_000_000)
    done = run("tee /dev/stderr", data=data)
    assert done.returncode == 0
    assert done.stdout == data
    assert done.stderr == data


@pytest.mark.parametrize(
    ("command", "status"), [("true", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 255)]
)
def test_the_exit_status(sshd: Sshd, command: str, status: int) -> None:
    assert run(command).returncode == status


def test_a_command_that_ends_before_it_reads(sshd: Sshd) -> None:
    assert run("echo early", data=b"x" * 20_000_000).stdout == b"early\n"


def test_a_reader_that_goes_away_ends_the_command(sshd: Sshd) -> None:
    with subprocess.Popen(rsh_argv("gpu", "yes"), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.wait(timeout=15) == 255


def test_streams_that_do_not_block(sshd: Sshd) -> None:
    """As rsync gives them."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    command = rsh_argv("gpu", "head -c 5000000 /dev/zero")
    process = subprocess.Popen(command, stdout=writer, stdin=subprocess.DEVNULL)
    with os.fdopen(reader, "rb") as file, process:
        os.close(writer)
        eventually(lambda: _waiting_bytes(reader) == fcntl.fcntl(reader, fcntl.F_GETPIPE_SZ), message="full")
        assert len(file.read()) == 5_000_000
    assert process.returncode == 0


def _waiting_bytes(descriptor: int) -> int:
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4), sys.byteorder)


@pytest.mark.parametrize(
    ("patience", "freeze", "said"),
    [
        ("1.5 0", True, "gpu did not answer for 1.5 s"),
        ("30 1.5", False, "nothing came from gpu, and it took nothing, for 1.5 s"),
    ],
)
def test_a_command_on_a_host_that_freezes_or_stands_still_is_left(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, patience: str, freeze: bool, said: str
) -> None:
    monkeypatch.setenv("PATIENCE", patience)
    command = rsh_argv("gpu", "echo started; sleep 100")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"started\n"
        if freeze:
            sshd.freeze()
        try:
            assert process.wait(timeout=20) == 1
        finally:
            sshd.thaw()
        assert process.stderr.read().decode().strip() == said


def test_a_silent_command_on_a_host_that_answers_is_waited_for(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATIENCE", "1 0")
    assert run("sleep 2.5; echo done").stdout == b"done\n"


def test_a_lost_connection_is_said(sshd: Sshd) -> None:
    command = rsh_argv("gpu", "echo started; sleep 100")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        sshd.kill_connections()
        _, errors = process.communicate(timeout=15)
    assert b"lost gpu while a command ran there" in errors
    assert process.returncode == 1


@pytest.fixture
def repo(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """A repository whose plan calls the host `box`."""
    pin(monkeypatch, tmp_path)
    with repository_at(tmp_path / "my repo") as made:
        (made.path / "waves.yaml").write_text(PLAN)
        yield made


def test_git_pushes_and_fetches(
    sshd: Sshd, repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Repository(sshd.home / "away there.git", "--bare")
    tip = repo.commit("big", big=random.Random(2).randbytes(2_000_000).hex())
    for name, value in git_ssh_environment(str(repo.path / "waves.yaml")).items():
        monkeypatch.setenv(name, value)
    repo.git("push", "--quiet", f"ssh://box{away.path}", "main")
    assert away.git("rev-parse", "main") == tip
    assert repo.git("ls-remote", f"ssh://box{away.path}", "refs/heads/main").split()[0] == tip


def test_rsync_copies(sshd: Sshd, repo: Repository, tmp_path: Path) -> None:
    source = sshd.home / "results"
    source.mkdir()
    for number in range(50):
        (source / f"{number}.bin").write_bytes(random.Random(number).randbytes(10_000 * number))
    shell = shlex.join(rsh_command(str(repo.path / "waves.yaml")))
    argv = ["rsync", "-a", "-e", shell, f"box:{source}/", f"{tmp_path}/here/"]
    subprocess.run(argv, check=True, timeout=60)
    for file in source.iterdir():
        assert (tmp_path / "here" / file.name).read_bytes() == file.read_bytes()


def test_the_command_git_is_given_survives_its_shell(tmp_path: Path) -> None:
    plan = "/home/a user/it's $HOME/waves.yaml"
    printed = subprocess.run(
        ["/bin/sh", "-c", f"set -- {git_ssh_environment(plan)['GIT_SSH_COMMAND']}; printf '%s\\n' \"$@\""],
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.splitlines() == [*rsh_command(plan), "--idle", "300"]
    assert rsh_command(plan)[-3:] == ["rsh", "--plan", plan]


def test_the_command_git_is_given_runs_ours_not_the_users(tmp_path: Path) -> None:
    (tmp_path / "orchestrator").mkdir()
    (tmp_path / "orchestrator" / "__init__.py").write_text("raise SystemExit('shadowed')")
    (tmp_path / "runpy.py").write_text("raise SystemExit('shadowed')")
    done = subprocess.run(rsh_command("/no/plan"), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "shadowed" not in done.stderr


@dataclass
class Terminal:
    """A terminal window with `rsh --tty` in it."""

    master: int
    process: subprocess.Popen[bytes]
    shown: bytes = b""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def shows(self, text: bytes) -> bool:
        if select.select([self.master], [], [], 0.05)[0]:
            self.shown += os.read(self.master, 65536)
        return text in self.shown

    def settings(self) -> list[object]:
        return list(termios.tcgetattr(self.master))


@contextmanager
def terminal(command: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    process = subprocess.Popen(
        rsh_argv("--tty", "gpu", command), stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(slave)
        os.close(master)


def test_a_terminal_of_our_size_follows_the_window(sshd: Sshd) -> None:
    with terminal("trap 'stty size' WINCH; stty size; while :; do sleep 0.1; done") as window:
        eventually(lambda: window.shows(b"33 77"))
        window.resize(44, 99)
        eventually(lambda: window.shows(b"44 99"))


def test_keys_go_through_raw(sshd: Sshd) -> None:
    with terminal("trap 'echo interrupted there' INT; cat; echo over; exit 9") as window:
        before = window.settings()
        eventually(lambda: window.settings() != before, message="raw")
        os.write(window.master, b"h\xc3\xa9llo\r")
        eventually(lambda: window.shows(b"h\xc3\xa9llo\r\nh\xc3\xa9llo\r\n"))
        os.write(window.master, b"\x03")
        eventually(lambda: window.shows(b"over"))
        assert window.process.wait(timeout=10) == 9
        assert b"interrupted there" in window.shown
        assert window.settings() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_terminal_is_restored_when_we_are_ended(sshd: Sshd, number: signal.Signals) -> None:
    with terminal("echo ready; sleep 100") as window:
        before = window.settings()
        eventually(lambda: window.shows(b"ready"))
        assert window.settings() != before
        window.process.send_signal(number)
        window.process.wait(timeout=10)
        assert window.settings() == before


def test_the_terminal_is_restored_when_the_host_is_lost(sshd: Sshd) -> None:
    with terminal("echo ready; sleep 100") as window:
        before = window.settings()
        eventually(lambda: window.shows(b"ready"))
        sshd.kill_connections()
        assert window.process.wait(timeout=10) == 1
        assert window.settings() == before
