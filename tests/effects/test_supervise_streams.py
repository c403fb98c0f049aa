"""What goes in and out: the terminal, the log, the beat."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from orchestrator.supervise.beat import describe_progress
from orchestrator.supervise.rotation import Log
from tests.support.eventually import eventually
from tests.support.supervised import Launch, Launched, read

pytestmark = pytest.mark.timeout(90)


def test_an_interactive_program_has_a_terminal_of_the_panes_size(launch: Launch) -> None:
    terminal = launch(f"{sys.executable} -q; stty size").in_terminal()
    terminal.expect(">>> ")
    terminal.sendline("import os; print(os.get_terminal_size(), 6 * 7)")
    terminal.expect(r"columns=100, lines=30\) 42")
    terminal.setwinsize(40, 120)
    terminal.expect(">>> ")
    terminal.sendline("print(os.get_terminal_size())")
    terminal.expect(r"columns=120, lines=40\)")
    terminal.sendeof()
    terminal.expect("40 120")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_interrupt_typed_in_the_pane_reaches_the_worker_alone(launch: Launch) -> None:
    launched = launch("trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.1; done")
    terminal = launched.in_terminal()
    terminal.expect("ready")
    terminal.sendintr()
    terminal.expect("interrupted")
    terminal.expect("ended: exit 9 after")
    terminal.expect(pexpect.EOF)
    assert launched.exit()["cause"] == "exited"


def test_suspend_typed_in_the_pane_does_not_freeze_it(launch: Launch) -> None:
    terminal = launch("echo ready; read line; echo got $line").in_terminal()
    terminal.expect("ready")
    terminal.send("\x1a")
    terminal.sendline("x")
    terminal.expect("got x")


def test_the_pane_is_as_it_was_afterwards(launch: Launch) -> None:
    launched = launch("stty raw; printf done")
    outer = pexpect.spawn("/bin/sh", encoding="utf-8", timeout=20, env={**os.environ, "PS1": "$ "})
    outer.sendline("stty -a > before; cd .".replace("before", str(launched.folder / "before")))
    outer.sendline(" ".join(launched.argv))
    outer.expect("ended: exit 0")
    outer.sendline(f"stty -a > {launched.folder / 'after'}; echo all-$((1+1))")
    outer.expect("all-2")
    assert (launched.folder / "before").read_text() == (launched.folder / "after").read_text()
    outer.close()


def test_every_byte_passes_both_ways(launch: Launch) -> None:
    launched = launch("stty raw -echo; echo ready; head -c 4096 | od -An -v -tx1 -w32; echo")
    terminal = pexpect.spawn(launched.argv[0], launched.argv[1:], timeout=20)
    terminal.setecho(False)
    terminal.expect(b"ready")
    eventually(lambda: not termios.tcgetattr(terminal.child_fd)[3] & termios.ECHO)
    data = bytes(range(256)) * 16
    terminal.send(data)
    terminal.expect(pexpect.EOF)
    shown = re.findall(
        rb"(?:(?<= )|^)[0-9a-f]{2}(?=[ \r\n])", terminal.before.split(b"\xe2\x94")[0], re.MULTILINE
    )
    assert bytes(int(each, 16) for each in shown) == data


def test_binary_output_is_logged_unchanged(launch: Launch) -> None:
    launched = launch(f"{sys.executable} -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 999)'")
    launched.run(stdout=subprocess.DEVNULL)
    gate = launch(
        f"{sys.executable} -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 999)'",
        terminal=False,
        log=str(launched.folder / "gate.log"),
    )
    gate.run()
    expected = bytes(range(256)) * 999
    assert (launched.folder / "gate.log").read_bytes() == expected
    assert launched.log.read_bytes() == expected.replace(b"\n", b"\r\n")


def test_output_without_a_newline_is_shown_at_once(launch: Launch) -> None:
    terminal = launch("printf 'Name? '; read name; echo hello $name").in_terminal()
    terminal.expect(r"Name\? ")
    terminal.sendline("world")
    terminal.expect("hello world")


@pytest.mark.parametrize("terminal", [True, False])
def test_200000_lines_are_kept_in_bounded_files(launch: Launch, terminal: bool) -> None:
    launched = launch("seq 200000", terminal=terminal, log_limit_bytes=400_000, log_keep=9)
    launched.run(stdout=subprocess.DEVNULL)
    parts = [*(launched.log.with_name(f"worker.log.{n}") for n in range(9, 0, -1)), launched.log]
    found = [part.read_bytes() for part in parts if part.exists()]
    assert len(found) >= 3
    assert all(len(part) <= 400_000 and part.endswith(b"\n") for part in found)
    assert b"".join(found).split() == [str(n).encode() for n in range(1, 200_001)]
    assert launched.beat()["output_seq"] == sum(map(len, found))


def test_old_logs_go(launch: Launch) -> None:
    launched = launch("seq 100000", log_limit_bytes=50_000, log_keep=2, terminal=False)
    launched.run()
    names = sorted(path.name for path in launched.log.parent.iterdir())
    assert names == ["worker.log", "worker.log.1", "worker.log.2"]
    assert launched.output().endswith("100000\n")


def test_attempts_share_a_log(launch: Launch) -> None:
    launch("echo first").run()
    second = launch("echo second")
    second.run()
    assert second.output() == "first\nsecond\n"


def test_a_line_longer_than_the_limit_is_kept_whole(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), 100, 3)
    log.write(b"a\n")
    for _ in range(50):
        log.write(b"x" * 10)
    log.write(b"\nb\n")
    log.close()
    assert (tmp_path / "log.1").read_bytes() == b"a\n" + b"x" * 500 + b"\n"
    assert (tmp_path / "log").read_bytes() == b"b\n"


def test_a_full_disk_does_not_end_the_worker(launch: Launch) -> None:
    launched = launch("echo lost; sleep 0.6; exit 6", log="/dev/full", terminal=False)
    launched.start()
    assert "No space left" in eventually(
        lambda: launched.beat().get("log_error") if beats(launched) else None
    )
    assert launched.process is not None
    assert launched.process.wait(20) == 6


def beats(launched: Launched) -> bool:
    return (launched.state / "heartbeat.json").exists()


def test_what_a_full_disk_lost_is_noted_in_the_log(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "folder" / "log"), 10_000, 3)
    (tmp_path / "folder").write_text("in the way")
    log.write(b"x" * 70)
    assert log.error
    (tmp_path / "folder").unlink()
    log.write(b"back\n")
    log.close()
    assert log.error is None
    assert re.fullmatch(
        rb"\n\[70 bytes of output lost: .*\]\nback\n", (tmp_path / "folder" / "log").read_bytes()
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-", "<&- >&- 2>&-", "< /dev/null > /dev/full"])
def test_closed_streams_do_not_matter(launch: Launch, closed: str) -> None:
    launched = launch("echo out; cat < /dev/null; exit 4")
    line = " ".join(launched.argv)
    assert subprocess.run(["/bin/sh", "-c", f"{line} {closed}"], check=False, timeout=30).returncode == 4
    assert launched.output() == "out\n"


def test_a_pane_that_nobody_reads_does_not_hold_the_worker_up(launch: Launch) -> None:
    launched = launch("seq 400000; echo finished")
    master, slave = os.openpty()
    process = launched.start(stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    assert process.wait(60) == 0
    os.close(master)
    assert launched.output().endswith("400000\nfinished\n")


def test_a_worker_that_closes_its_terminal_goes_on(launch: Launch) -> None:
    launched = launch("exec </dev/null >/dev/null 2>&1; sleep 0.5; echo back >/dev/tty; exit 2")
    started = os.times()
    assert launched.run()[0] == 2
    spent = os.times()
    assert launched.output() == "back\n"
    assert spent.children_user + spent.children_system - started.children_user - started.children_system < 0.4


def test_the_beat_goes_on_while_the_worker_is_silent(launch: Launch) -> None:
    launched = launch("echo $$; sleep 60", beat_s=0.1)
    launched.start()
    launched.says("\n")
    eventually(lambda: launched.beat()["seq"] > 4)
    beat = launched.beat()
    assert read(launched.results / "heartbeat.json").keys() == beat.keys() - {"memory_kills"}
    assert beat["pid"] == int(launched.output())
    assert (beat["attempt"], beat["state"], beat["stage"]) == (2, "running", "full")
    assert abs(beat["started"] - time.time()) < 30


def test_the_lines_for_people_carry_the_progress(launch: Launch) -> None:
    launched = launch("sleep 60", beat_s=0.1)
    (launched.results / "progress.json").write_text(
        '{"step": 3, "total": 9, "unit": "epoch", "message": "hi\\u001b[2J"}'
    )
    launched.start()
    text = launched.results / "HEARTBEAT.txt"
    eventually(lambda: text.exists() and "running · epoch 3/9 hi [2J\n" in text.read_text())
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", text.read_text())


def test_the_lines_for_people_are_bounded(launch: Launch) -> None:
    launched = launch("true")
    text = launched.results / "HEARTBEAT.txt"
    text.write_text("2020-01-01 an old line of some length\n" * 10_000)
    launched.run()
    assert text.stat().st_size < 140_000
    assert text.read_text().startswith("2020-01-01 an old line of some length\n")
    assert "ended" in text.read_text().splitlines()[-1]


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 100 * 1024 * 1024)


@pytest.mark.parametrize(
    "spoil",
    [
        sparse,
        os.mkfifo,
        Path.mkdir,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.write_text('{"step": 4'),
        lambda path: path.write_text("[" * 50_000),
        lambda path: path.write_text('{"step": [1], "message": {"a": 1}}'),
        lambda path: path.write_bytes(b"\xff\xfe\x00"),
    ],
)
def test_a_hostile_progress_file_says_nothing(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    spoil(tmp_path / "progress.json")
    assert describe_progress(str(tmp_path)) == ""


def test_numbers_that_are_none_and_control_characters_are_harmless(tmp_path: Path) -> None:
    (tmp_path / "progress.json").write_text('{"step": NaN, "message": "a\\u001b]0;x\\u0007\\n\\udc80"}')
    assert describe_progress(str(tmp_path)).isprintable()


def test_results_that_vanish_do_not_matter(launch: Launch) -> None:
    launched = launch("rm -r results; sleep 0.5; exit 8", beat_s=0.1)
    assert launched.run()[0] == 8
    assert launched.exit()["exit_code"] == 8
    assert not launched.results.exists()


def test_results_that_cannot_be_written_do_not_matter(launch: Launch) -> None:
    launched = launch("exit 8", results="/proc/self/fdinfo")
    assert launched.run()[0] == 8
    assert launched.exit()["exit_code"] == 8


def test_the_exit_of_the_attempt_before_goes(launch: Launch) -> None:
    launched = launch("test ! -e results/exit.json && echo gone")
    (launched.results / "exit.json").write_text("{}")
    assert launched.run()[0] == 0
    assert launched.output() == "gone\n"


def test_waiting_costs_nothing(launch: Launch) -> None:
    launched = launch("sleep 60", beat_s=30)
    process = launched.start()
    eventually(lambda: beats(launched))
    eventually(lambda: "S (sleeping)" in Path(f"/proc/{process.pid}/status").read_text())
    before = switches(process.pid)
    time.sleep(1)
    assert switches(process.pid) - before <= 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 128 + signal.SIGTERM


def switches(pid: int) -> int:
    found = re.search(
        r"^voluntary_ctxt_switches:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE
    )
    assert found
    return int(found[1])
