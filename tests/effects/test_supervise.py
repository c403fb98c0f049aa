"""How a launch ends, and that nothing of it is left."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from orchestrator.supervise import is_running, request_stop, settle, stop
from orchestrator.supervise.command import only_program, shell_argv
from orchestrator.supervise.records import held_results
from tests.support.eventually import eventually
from tests.support.supervised import SUPERVISE, Launch, read

pytestmark = pytest.mark.timeout(90)


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("code", [0, 3, 75, 127, 137])
def test_the_exit_code_is_kept(launch: Launch, code: int, terminal: bool) -> None:
    launched = launch(f"exit {code}", terminal=terminal)
    assert launched.run()[0] == code
    found = launched.exit()
    assert (found["exit_code"], found["signal"], found["cause"]) == (code, None, "exited")
    assert (found["launch"], found["attempt"], found["stage"]) == (launched.id, 2, "full")
    assert read(launched.results / "exit.json") == found


def test_a_child_of_the_shell_that_is_killed_is_the_shells_code(launch: Launch) -> None:
    launched = launch("sh -c 'kill -9 $$'; exit $?")
    assert launched.run()[0] == 137
    assert (launched.exit()["exit_code"], launched.exit()["signal"]) == (137, None)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_death_by_a_signal(launch: Launch, number: signal.Signals) -> None:
    launched = launch(f"kill -{int(number)} $$; sleep 60")
    status, shown = launched.run()
    assert status == 128 + number
    found = launched.exit()
    assert (found["exit_code"], found["signal"], found["cause"]) == (None, number.name, "signal")
    assert f"killed by {number.name}" in shown


def test_a_command_that_does_not_exist_is_the_shells_127(launch: Launch) -> None:
    launched = launch("no-such-program")
    status, shown = launched.run()
    assert (status, launched.exit()["exit_code"]) == (127, 127)
    assert "not found" in shown


@pytest.mark.parametrize("terminal", [True, False])
def test_a_missing_directory_fails_the_start(launch: Launch, tmp_path: Path, terminal: bool) -> None:
    launched = launch("true", cwd=str(tmp_path / "absent"), terminal=terminal)
    status, shown = launched.run()
    found = launched.exit()
    assert (status, found["cause"], found["exit_code"]) == (127, "start-failed", None)
    assert "absent: No such file or directory" in launched.output()
    assert ("absent: No such file or directory" in shown) == terminal


def test_the_last_line_says_how_it_ended(launch: Launch) -> None:
    status, shown = launch("printf begun; exit 3").run()
    assert status == 3
    assert shown.startswith("begun\r\n\r\n── i3d · attempt 2 · stage full ended: exit 3 after 0.")


def test_a_gate_prints_nothing_and_reads_nothing(launch: Launch) -> None:
    launched = launch("cat; echo out; echo err >&2; test -t 1 || echo no terminal", terminal=False)
    assert launched.run() == (0, "")
    assert sorted(launched.output().split("\n")) == ["", "err", "no terminal", "out"]


def test_the_environment_is_the_launchs_own(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", "x")
    monkeypatch.setenv("TMUX_PANE", "%1")
    monkeypatch.setenv("ORCHESTRATOR_SPEC", "x")
    monkeypatch.setenv("ORCHESTRATOR_LAUNCH", "another")
    monkeypatch.setenv("TERM", "xterm-256color")
    launched = launch("env", env={"SECRET": "a=b\nc"})
    launched.run()
    found = dict(line.split("=", 1) for line in launched.output().splitlines() if "=" in line)
    assert found["SECRET"] == "a=b"
    assert found["TERM"] == "xterm-256color"
    assert found["ORCHESTRATOR_LAUNCH"] == launched.id
    assert not {name for name in found if name.startswith("TMUX") or name == "ORCHESTRATOR_SPEC"}


OF_LIBC = 0b11 << 31
"""Signals 32 and 33 belong to the C library: no program can set them, and some inherit them ignored."""


def test_signals_have_their_default_disposition(launch: Launch) -> None:
    launched = launch("grep -E 'SigIgn|SigBlk' /proc/self/status", terminal=False)
    process = launched.start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.wait(30)
    masks = dict(line.split() for line in launched.output().splitlines())
    assert set(masks) == {"SigIgn:", "SigBlk:"}
    assert {name: int(mask, 16) & ~OF_LIBC for name, mask in masks.items()} == dict.fromkeys(masks, 0)


LEFT_BEHIND = """
setsid nohup sleep 300 >/dev/null 2>&1 &
nohup sleep 301 >/dev/null 2>&1 &
(setsid sh -c 'sleep 302 & sleep 303' &)
python3 -c '
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(304)
'
"""


@pytest.mark.parametrize("terminal", [True, False])
def test_what_the_worker_left_behind_is_ended(launch: Launch, terminal: bool) -> None:
    launched = launch(f"{LEFT_BEHIND}\nsleep 0.3; exit 4", terminal=terminal)
    started = time.monotonic()
    assert launched.run()[0] == 4
    assert launched.exit()["leftovers"] >= 5
    assert not launched.processes()
    assert time.monotonic() - started < 10


def test_a_leftover_that_ignores_term_is_killed(launch: Launch) -> None:
    launched = launch("(trap '' TERM HUP; while :; do sleep 0.1; done) & sleep 0.2; exit 0", stop_grace_s=0.5)
    assert launched.run()[0] == 0
    assert not launched.processes()


def test_a_leftover_that_keeps_talking_does_not_hold_the_end_up(launch: Launch) -> None:
    launched = launch("trap '' HUP; setsid yes & sleep 0.2; exit 0", log_limit_bytes=100_000)
    started = time.monotonic()
    launched.run()
    assert time.monotonic() - started < 10
    assert launched.exit()["exit_code"] == 0


def test_stop_gives_time_to_save(launch: Launch, tmp_path: Path) -> None:
    launched = launch(
        "trap 'sleep 0.3; echo saved > saved; exit 75' TERM; echo ready; while :; do sleep 0.05; done"
    )
    launched.start()
    launched.says("ready")
    assert launched.process is not None
    launched.process.terminate()
    assert launched.process.wait(10) == 75
    found = launched.exit()
    assert (found["exit_code"], found["cause"]) == (75, "stopped")
    assert (tmp_path / "saved").exists()


SAVING = """
import signal, sys, time
def save(*_):
    time.sleep(1)
    print("saved", flush=True)
    sys.exit(75)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(60)
"""


def saving(folder: Path) -> str:
    (folder / "trap.py").write_text(SAVING)
    return f"{sys.executable} trap.py"


def test_a_stopped_program_ends_by_its_own_code(launch: Launch, tmp_path: Path) -> None:
    launched = launch(saving(tmp_path))
    launched.start()
    launched.says("ready")
    record = stop(launched.state, 10)
    assert record is not None
    assert (record.exit_code, record.signal, record.cause, record.leftovers) == (75, None, "stopped", 0)
    assert record.elapsed_s >= 1 and "saved" in launched.output()


def test_a_stopped_list_of_commands_ends_with_its_last_process(launch: Launch, tmp_path: Path) -> None:
    launched = launch(f"true; {saving(tmp_path)}; true")
    launched.start()
    launched.says("ready")
    asked = time.time()
    record = stop(launched.state, 10)
    assert record is not None and record.leftovers == 1
    assert record.ended >= asked + 1 and record.elapsed_s >= 1


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("python3 train.py", "python3"),
        ("  ./run.sh --lr=0.1 -x ~/data/*.npz\n", "./run.sh"),
        ("make", "make"),
        ("python -c 'import a; b()' \"it is $HOME\" ${PORT} $PORT", "python"),
        ("g++ a{b", None),
        ("g++ -o a a.cc", "g++"),
        ("A=1 make", None),
        ("make; true", None),
        ("make\ntrue", None),
        ("make && true", None),
        ("make | tee log", None),
        ("make > log", None),
        ("make &", None),
        ("(make)", None),
        ("make $(nproc)", None),
        ("make `nproc`", None),
        ('make "$(nproc)"', None),
        ("make 'unfinished", None),
        ("make it\\'s", None),
        ("make # all", None),
        ("! make", None),
        ("$TOOL x", None),
        ("'make' x", None),
        ("cd sub", None),
        ("exec make", None),
        ("if true", None),
        (". ./env", None),
        ("time make", None),
        ("", None),
    ],
)
def test_which_commands_are_one_program(text: str, program: str | None) -> None:
    assert only_program(text) == program


@pytest.mark.parametrize("command", ["./tool", "tool"])
def test_only_a_program_that_is_there_takes_the_shells_place(tmp_path: Path, command: str) -> None:
    path = f"/nowhere:{tmp_path}"
    assert shell_argv(f"{command} x", str(tmp_path), path) == ["/bin/sh", "-c", f"{command} x"]
    (tmp_path / "tool").touch(mode=0o755)
    assert shell_argv(f"{command} x", str(tmp_path), path) == ["/bin/sh", "-c", f"exec {command} x"]


def test_each_process_is_asked_once(launch: Launch) -> None:
    counting = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('asked', flush=True))\n"
        "print('ready', flush=True)\n"
        "end = time.monotonic() + 30\n"
        "while time.monotonic() < end: time.sleep(0.05)\n"
    )
    launched = launch(f"{sys.executable} -c '{counting.replace(chr(39), chr(34))}'; true", stop_grace_s=1)
    launched.start()
    launched.says("ready")
    assert stop(launched.state, 1) is not None
    assert launched.output().count("asked") == 1
    assert not launched.processes()


@pytest.mark.parametrize("killed", [False, True])
def test_no_copy_leaves_the_worktree_through_a_link(launch: Launch, tmp_path: Path, killed: bool) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    for folder in (outside, inside):
        folder.mkdir()
    (outside / "exit.json").write_text("another's")
    results = inside / "results"
    results.mkdir()
    launched = launch(
        f"mv results gone; ln -s {outside} results; echo ready; sleep 60",
        cwd=str(inside),
        results=str(results),
    )
    process = launched.start()
    launched.says("ready")
    noted = eventually(lambda: launched.beat().get("results_error"))
    assert noted == "results lead out of the working directory"
    if killed:
        process.kill()
        process.wait(10)
    assert stop(launched.state, 5) is not None
    assert launched.exit()["cause"] == ("supervisor-lost" if killed else "stopped")
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"exit.json": "another's"}


def test_a_folder_that_is_held_stays_that_folder(tmp_path: Path) -> None:
    outside, results = tmp_path / "outside", tmp_path / "inside" / "results"
    outside.mkdir()
    results.mkdir(parents=True)
    with held_results(str(results), str(results.parent)) as folder:
        results.rename(results.with_name("gone"))
        results.symlink_to(outside)
        Path(f"{folder}/beat").write_text("late")
    assert (results.with_name("gone") / "beat").read_text() == "late"
    assert not list(outside.iterdir())
    with held_results(str(results), str(results.parent)) as folder:
        assert folder is None


def test_stop_kills_what_ignores_it(launch: Launch) -> None:
    launched = launch("trap '' TERM; echo ready; while :; do sleep 0.1; done", stop_grace_s=60)
    launched.start()
    launched.says("ready")
    started = time.monotonic()
    record = stop(launched.state, grace_s=0.5)
    assert record is not None
    assert (record.exit_code, record.signal, record.cause) == (None, "SIGKILL", "stopped")
    assert time.monotonic() - started < 5
    assert not launched.processes()


def test_stop_reaches_a_suspended_worker(launch: Launch) -> None:
    launched = launch("echo ready; kill -STOP $$; sleep 60")
    launched.start()
    launched.says("ready")
    record = stop(launched.state, 5)
    assert record is not None
    assert record.signal == "SIGTERM"


def test_a_second_stop_shortens_the_grace(launch: Launch) -> None:
    launched = launch("trap '' TERM; echo ready; while :; do sleep 0.1; done", stop_grace_s=60)
    launched.start()
    launched.says("ready")
    assert request_stop(launched.state)
    eventually(lambda: launched.beat()["state"] == "stopping")
    assert stop(launched.state, 0) is not None


def test_stop_of_a_frozen_supervisor(launch: Launch) -> None:
    launched = launch("echo ready; sleep 60")
    process = launched.start()
    launched.says("ready")
    process.send_signal(signal.SIGSTOP)
    record = stop(launched.state, 0)
    assert record is not None
    assert record.cause == "supervisor-lost"
    assert not launched.processes()


def test_stop_of_what_was_launched_a_moment_ago(launch: Launch) -> None:
    launched = launch("sleep 60")
    launched.state.mkdir(exist_ok=True)
    launched.start()
    record = stop(launched.state, 5)
    assert record is not None and record.cause in ("stopped", "start-failed")


def test_stop_of_what_never_began(tmp_path: Path) -> None:
    assert stop(tmp_path / "absent", 1) is None
    assert not request_stop(tmp_path / "absent")
    assert not is_running(tmp_path / "absent")
    assert not list(tmp_path.iterdir())


def test_timeout(launch: Launch) -> None:
    launched = launch("sleep 60", timeout_s=0.3, terminal=False)
    assert launched.run()[0] == 128 + signal.SIGTERM
    found = launched.exit()
    assert (found["cause"], found["signal"]) == ("timeout", "SIGTERM")
    assert 0.3 <= found["elapsed_s"] < 5


def test_hangup_ends_the_worker_and_what_left_its_session(launch: Launch) -> None:
    launched = launch("setsid sleep 300 & echo ready; sleep 301")
    terminal = launched.in_terminal()
    terminal.expect("ready")
    terminal.close(force=False)
    found = eventually(lambda: settle(launched.state), 15)
    assert found.cause == "hangup"
    eventually(lambda: not is_running(launched.state))
    assert not launched.processes()


def test_a_killed_supervisor_is_settled_once(launch: Launch) -> None:
    launched = launch("setsid nohup sleep 300 & trap '' HUP TERM; echo ready; while :; do sleep 0.1; done")
    process = launched.start()
    launched.says("ready")
    assert settle(launched.state) is None
    process.kill()
    process.wait(10)
    found = settle(launched.state, grace_s=0.2)
    assert found is not None
    assert (found.cause, found.exit_code, found.launch, found.attempt) == (
        "supervisor-lost",
        None,
        launched.id,
        2,
    )
    assert found.leftovers >= 1
    assert not launched.processes()
    again = settle(launched.state)
    assert again is not None
    assert vars(again) == vars(found)
    assert read(launched.results / "exit.json") == launched.exit()


def test_a_killed_supervisor_hangs_up_on_the_worker(launch: Launch) -> None:
    launched = launch("echo ready; sleep 300; true")
    process = launched.start()
    launched.says("ready")
    process.kill()
    process.wait(10)
    eventually(lambda: not launched.processes())


def test_after_a_reboot_nothing_is_killed(launch: Launch) -> None:
    launched = launch("echo ready; sleep 60")
    process = launched.start()
    launched.says("ready")
    process.kill()
    process.wait(10)
    about = read(launched.state / "supervisor.json")
    (launched.state / "supervisor.json").write_text(json.dumps({**about, "boot_id": "another"}))
    found = settle(launched.state)
    assert found is not None
    assert (found.cause, found.leftovers) == ("rebooted", 0)


def test_two_supervisors_on_one_launch(launch: Launch) -> None:
    launched = launch("echo ready; sleep 60")
    launched.start()
    launched.says("ready")
    second = subprocess.run(launched.argv, capture_output=True, text=True, check=False)
    assert second.returncode == 3
    assert "already has a supervisor" in second.stderr
    assert launched.output().count("ready") == 1
    assert is_running(launched.state)


def test_a_launch_never_runs_twice(launch: Launch) -> None:
    launched = launch("echo ran")
    launched.run()
    before = launched.exit()
    status, shown = launched.run()
    assert status == 3
    assert "already ended" in shown
    assert launched.exit() == before
    assert launched.output() == "ran\n"


def test_looking_at_a_launch_does_not_stop_it_from_starting(launch: Launch) -> None:
    launched = launch("echo ran")
    launched.state.mkdir()
    (launched.state / "lock").touch()
    process = launched.start()
    while process.poll() is None:
        is_running(launched.state)
    assert launched.exit()["exit_code"] == 0


def test_nobody_inherits_the_lock(launch: Launch) -> None:
    launched = launch("trap '' TERM HUP; echo ready; while :; do sleep 0.1; done")
    process = launched.start()
    launched.says("ready")
    process.kill()
    process.wait(10)
    assert not is_running(launched.state)
    settle(launched.state, grace_s=0)


def test_an_unreadable_specification_touches_nothing(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text('{"v": 1, "launch": "x"}')
    done = subprocess.run(
        [sys.executable, "-S", "-E", str(SUPERVISE), str(spec)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "missing" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["spec.json"]


def test_it_runs_from_a_zip_of_any_name_and_from_a_copied_folder(launch: Launch, tmp_path: Path) -> None:
    archive, folder = tmp_path / "3f9a.zip", tmp_path / "elsewhere"
    with zipfile.ZipFile(archive, "w") as file:
        for source in SUPERVISE.glob("*.py"):
            file.write(source, source.name)
    shutil.copytree(SUPERVISE, folder)
    for place, code in ((archive, 5), (folder, 6)):
        launched = launch(f"exit {code}")
        argv = [sys.executable, "-S", "-E", str(place), str(launched.spec)]
        assert subprocess.run(argv, cwd="/", check=False, stdout=subprocess.DEVNULL).returncode == code
        assert launched.exit()["exit_code"] == code
