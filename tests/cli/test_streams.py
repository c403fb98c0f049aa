"""Streams that are closed, pipes that nobody reads, and what a log is in a pipe."""

from __future__ import annotations

import shlex
import signal
import subprocess

import pexpect
import pytest

from tests.cli.test_ending import write_journal
from tests.support.project import COMMAND, Answer, Project

PRINTED = b"\x1b[1mbold\x1b[0m\r\n10%\r20%\r\n\x1b]0;title\x07end\r\n"


def shell(project: Project, line: str) -> Answer:
    done = subprocess.run(
        ["/bin/sh", "-c", line.replace("orchestrator", shlex.join(COMMAND))],
        cwd=project.root,
        env=project.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
@pytest.mark.parametrize("typed", ["status", "schema", "events", "logs i3d", "--help", "nonsense"])
def test_a_closed_stream_is_no_error(planned: Project, typed: str, closed: str) -> None:
    write_journal(planned, ("JournalBegun", '{"token": "t"}'))
    answer = shell(planned, f"orchestrator {typed} {closed}")
    assert answer.code == (2 if typed == "nonsense" else 0)
    assert "Traceback" not in answer.err
    assert "bug" not in answer.err


def test_a_closed_output_is_not_what_children_write_to(planned: Project) -> None:
    assert shell(planned, "orchestrator keepalive -- sh -c 'echo into nothing' >&-").code == 0


@pytest.mark.parametrize("typed", ["--help", "status", "gate --help"])
def test_a_pipe_that_nobody_reads_is_no_error(planned: Project, typed: str) -> None:
    answer = shell(planned, f"{{ sleep 1; orchestrator {typed}; echo $? >&2; }} | true")
    assert answer.err == "0\n"


def write_log(project: Project, content: bytes) -> None:
    logs = project.state / "logs" / "i3d"
    logs.mkdir(parents=True)
    (logs / "worker.log").write_bytes(content)


def test_a_log_in_a_pipe_is_plain_text(planned: Project) -> None:
    write_log(planned, PRINTED)
    assert planned.ok("logs", "i3d").out == "bold\n10%\n20%\nend\n"
    assert planned.ok("logs", "i3d", "-n", "1").out == "end\n"
    raw = shell(planned, "orchestrator logs i3d --raw | od -c | head -1").out
    assert "033" in raw


def test_a_followed_log_in_a_pipe_is_plain_where_reads_cut_sequences(planned: Project) -> None:
    write_log(planned, b"one\r\ntwo \x1b[3")
    process = planned.start("logs", "i3d", "-f")
    assert process.stdout is not None
    assert process.stdout.readline() == "one\n"
    with (planned.state / "logs" / "i3d" / "worker.log").open("ab") as log:
        log.write(b"1mred\r\n")
    assert process.stdout.readline() == "two red\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_a_log_on_a_terminal_keeps_all_but_titles(planned: Project) -> None:
    write_log(planned, PRINTED)
    shown = pexpect.run(
        " ".join([*COMMAND, "logs", "i3d"]), cwd=str(planned.root), env={**planned.env, "TERM": "xterm"}
    )
    assert b"\x1b[1mbold" in shown
    assert b"10%\r20%" in shown
    assert b"title" not in shown
