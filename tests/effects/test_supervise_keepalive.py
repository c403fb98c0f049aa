"""The supervisor around any command, as `orchestrator keepalive` runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from orchestrator.supervise import is_running, processes, stop
from tests.support.eventually import eventually
from tests.support.supervised import Launched, read

pytestmark = pytest.mark.timeout(60)

ROOT = Path(__file__).parents[2]
PROGRAM = (
    f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    "from orchestrator.supervise import keepalive\n"
    "sys.exit(keepalive(sys.argv[1:], every_s=0.1, stop_grace_s=2))"
)

ENDLESS = "trap 'exit 5' INT; echo ready; while :; do sleep 0.1; done"


class Kept:
    """Commands run through keepalive in one folder, with the environment of a user's shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("ORCHESTRATOR")}
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str, **settings: Any) -> subprocess.Popen[bytes]:
        given = {"env": self.env, "stdin": subprocess.DEVNULL, **settings}
        argv = [sys.executable, "-c", PROGRAM, *command]
        self.started.append(subprocess.Popen(argv, cwd=self.folder, start_new_session=True, **given))
        return self.started[-1]

    def run(self, *command: str, **settings: Any) -> subprocess.CompletedProcess[bytes]:
        given = {"env": self.env, "stdin": subprocess.DEVNULL, **settings}
        if "input" in given:
            del given["stdin"]
        argv = [sys.executable, "-c", PROGRAM, *command]
        return subprocess.run(argv, cwd=self.folder, capture_output=True, timeout=30, check=False, **given)

    def log(self) -> str:
        path = self.results / "keepalive.log"
        return path.read_text() if path.exists() else ""

    def names(self) -> set[str]:
        return {path.name for path in self.results.iterdir()}


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path)
    yield made
    stop(made.results / ".keepalive", 0)
    for process in made.started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("code", [0, 3, 127])
def test_the_code_is_passed_on(kept: Kept, code: int) -> None:
    assert kept.run("sh", "-c", f"exit {code}").returncode == code
    assert read(kept.results / "exit.json")["exit_code"] == code
    assert kept.names() == {"exit.json", "heartbeat.json", "HEARTBEAT.txt", "keepalive.log"}


def test_a_signal_is_128_and_its_number(kept: Kept) -> None:
    assert kept.run("sh", "-c", "kill -9 $$").returncode == 137


def test_a_command_that_does_not_exist(kept: Kept) -> None:
    done = kept.run("no-such-program")
    assert done.returncode == 127
    assert b"cannot run no-such-program: No such file or directory" in done.stderr


def test_arguments_are_no_shell_text(kept: Kept) -> None:
    assert kept.run("printf", "%s|", "a b", "$HOME", "*").stdout == b"a b|$HOME|*|"


def test_it_fits_in_a_pipe(kept: Kept) -> None:
    data = os.urandom(3_000_000)
    done = kept.run("sh", "-c", "cat; echo aside >&2", input=data)
    assert done.stdout == data
    assert done.stderr == b"aside\n"


def test_a_reader_that_leaves_ends_the_command(kept: Kept) -> None:
    process = kept.start("yes", stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.read(2) == b"y\n"
    process.stdout.close()
    assert process.wait(20) == 128 + signal.SIGPIPE


def test_a_slow_reader_loses_nothing(kept: Kept) -> None:
    process = kept.start("seq", "300000", stdout=subprocess.PIPE)
    eventually(lambda: (kept.results / "heartbeat.json").exists())
    eventually(lambda: read(kept.results / "heartbeat.json")["seq"] > 3)
    shown, _ = process.communicate(timeout=30)
    assert shown.split() == [str(n).encode() for n in range(1, 300_001)]


def test_in_a_terminal_the_command_has_one(kept: Kept) -> None:
    terminal = pexpect.spawn(
        sys.executable, ["-c", PROGRAM, "sh", "-c", f"tty; {ENDLESS}"],
        cwd=str(kept.folder), timeout=20, encoding="utf-8", env=kept.env,
    )  # fmt: skip
    terminal.expect("/dev/pts/")
    terminal.expect("ready")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 5


def test_without_a_terminal_an_interrupt_is_passed_on(kept: Kept) -> None:
    process = kept.start("sh", "-c", ENDLESS)
    eventually(lambda: "ready" in kept.log())
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_cleans_up_when_it_is_ended(kept: Kept, number: signal.Signals) -> None:
    process = kept.start("sh", "-c", "setsid nohup sleep 300 & echo ready; sleep 301")
    eventually(lambda: "ready" in kept.log())
    launch = read(kept.results / ".keepalive" / "supervisor.json")["launch"]
    assert processes.belonging(launch)
    process.send_signal(number)
    assert process.wait(10) == 128 + signal.SIGTERM
    assert not processes.belonging(launch)
    assert ".keepalive" not in kept.names()


def test_nohup_is_respected(kept: Kept) -> None:
    process = kept.start("sh", "-c", "echo ready; sleep 0.5; exit 6",
                         preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))  # fmt: skip
    eventually(lambda: "ready" in kept.log())
    process.send_signal(signal.SIGHUP)
    assert process.wait(10) == 6


def test_what_a_killed_one_left_is_ended_by_the_next(kept: Kept) -> None:
    process = kept.start("sh", "-c", "trap '' HUP PIPE; echo ready; while :; do sleep 0.1; done")
    eventually(lambda: "ready" in kept.log())
    launch = read(kept.results / ".keepalive" / "supervisor.json")["launch"]
    process.kill()
    process.wait(10)
    assert kept.run("true").returncode == 0
    assert not processes.belonging(launch)


def test_a_killed_one_takes_its_command_along(kept: Kept) -> None:
    process = kept.start("sh", "-c", "echo ready; sleep 300; true")
    eventually(lambda: "ready" in kept.log())
    launch = read(kept.results / ".keepalive" / "supervisor.json")["launch"]
    assert processes.belonging(launch)
    process.kill()
    process.wait(10)
    eventually(lambda: not processes.belonging(launch))


def test_results_may_be_a_link_to_another_disk(kept: Kept, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "results").symlink_to(disk)
    kept.folder, kept.results = folder, disk
    assert kept.run("true").returncode == 0
    assert kept.names() == {"exit.json", "heartbeat.json", "HEARTBEAT.txt", "keepalive.log"}


def test_a_second_one_in_the_same_folder_is_refused(kept: Kept) -> None:
    kept.start("sh", "-c", "echo ready; sleep 60")
    eventually(lambda: "ready" in kept.log())
    done = kept.run("true")
    assert done.returncode == 3
    assert b"already runs" in done.stderr
    assert is_running(kept.results / ".keepalive")


def test_the_command_can_report_progress(kept: Kept) -> None:
    reporting = "from orchestrator.progress import report; report(step=4)"
    code = f"import sys, time; sys.path.insert(0, {str(ROOT)!r}); {reporting}; time.sleep(0.4)"
    assert kept.run(sys.executable, "-c", code).returncode == 0
    assert "running · step 4" in (kept.results / "HEARTBEAT.txt").read_text()


def test_inside_a_worker_it_keeps_to_a_folder_of_its_own_and_ends_with_it(tmp_path: Path) -> None:
    inner = "setsid nohup sleep 300 & echo ready; sleep 301"
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    launched = Launched(tmp_path, f'{sys.executable} {program} sh -c "{inner}"; exit 3')
    try:
        launched.start()
        launched.says("ready")
        eventually(lambda: len(launched.processes()) >= 5)
        assert read(launched.results / "heartbeat.json")["attempt"] == 2
        assert (launched.results / "keepalive" / "heartbeat.json").exists()
        record = stop(launched.state, 5)
        assert record is not None
        assert record.cause == "stopped"
        assert not launched.processes()
    finally:
        launched.clean()
