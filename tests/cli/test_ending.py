"""How commands end: broken pipes, Ctrl-C, bugs."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
from pathlib import Path

import pexpect
import pytest

from orchestrator.journal.journal import VERSION
from tests.support.eventually import eventually
from tests.support.project import COMMAND, Project


def write_journal(project: Project, *facts: tuple[str, str]) -> Path:
    project.state.mkdir(parents=True, exist_ok=True)
    path = project.state / "state.db"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE facts (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT, kind TEXT, body TEXT)"
        )
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.executemany(
            "INSERT INTO facts (at, kind, body) VALUES ('2026-01-02T03:04:05.000+00:00', ?, ?)", facts
        )
    connection.close()
    return path


@pytest.mark.parametrize("typed", ["schema", "status", "--help", "status --json"])
def test_a_reader_that_leaves_is_no_error(planned: Project, typed: str) -> None:
    process = planned.start(*typed.split())
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(60) in (0, 1)
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.parametrize("typed", ["status --watch", "events -f", "logs i3d -f"])
def test_ctrl_c_ends_what_follows_with_130(planned: Project, typed: str) -> None:
    write_journal(planned, ("JournalBegun", '{"token": "t"}'))
    logs = planned.state / "logs" / "i3d"
    logs.mkdir(parents=True)
    (logs / "worker.log").write_text("hello\n")
    process = planned.start(*typed.split())
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in out + err


def test_watching_on_a_terminal_redraws_in_place_and_gives_the_cursor_back(planned: Project) -> None:
    shell = pexpect.spawn(
        COMMAND[0],
        [*COMMAND[1:], "status", "--watch"],
        cwd=str(planned.root),
        env={**planned.env, "TERM": "xterm-256color"},
        dimensions=(30, 160),
        encoding="utf-8",
        timeout=20,
    )
    shell.expect("slowfast")
    shell.expect(r"\x1b\[1A")
    shell.sendintr()
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 130
    assert "\x1b[?25h" in shell.before
    assert "Traceback" not in shell.before


def test_colour_on_a_terminal_unless_told_otherwise(planned: Project) -> None:
    def seen(**env: str) -> str:
        output, status = pexpect.run(
            " ".join([*COMMAND, "wave", "list"]),
            withexitstatus=True,
            cwd=str(planned.root),
            env={**planned.env, "TERM": "xterm-256color", **env},
            encoding="utf-8",
        )
        assert status == 0
        return str(output)

    assert "\x1b[1m" in seen()
    assert "\x1b[" not in seen(NO_COLOR="1")
    assert "\x1b[" not in seen(TERM="dumb")


def test_a_bug_leaves_a_report_and_exits_70(planned: Project) -> None:
    stopped = '{"workstream": "i3d", "by": "nobody"}'
    write_journal(planned, ("JournalBegun", '{"token": "t"}'), ("StopAsked", stopped))
    answer = planned.run("status")
    assert answer.code == 70
    assert answer.out == ""
    named = re.search(r"\S+/orchestrator-report-\S+\.txt", answer.err)
    assert named is not None
    report = Path(named[0])
    assert report.parent == planned.state
    assert "Traceback" in report.read_text()
    assert "Traceback" not in answer.err
    assert report.stat().st_mode & 0o777 == 0o600


def test_a_journal_that_is_none_is_told_as_such(planned: Project) -> None:
    planned.state.mkdir(parents=True)
    (planned.state / "state.db").write_text("this is no database, and long enough to be taken for one\n" * 99)
    answer = planned.run("status")
    assert answer.code == 3
    assert "journal" in answer.err


def test_events_are_lines_for_people_and_for_programs(planned: Project) -> None:
    asked = '{"workstream": "i3d", "by": "ada lovelace"}'
    write_journal(planned, ("JournalBegun", '{"token": "t"}'), ("StartAsked", asked))
    assert [one["kind"] for one in planned.events()] == ["JournalBegun", "StartAsked"]
    line = planned.ok("events").out.splitlines()[1]
    assert re.match(r"2026-01-02 \d\d:04:05  StartAsked +i3d +ada lovelace asked to start it$", line)


def test_the_events_of_a_wave_are_its_own_and_those_of_its_workstreams(planned: Project) -> None:
    write_journal(
        planned,
        ("JournalBegun", '{"token": "t"}'),
        ("StartAsked", '{"workstream": "i3d", "by": "ada"}'),
        ("StartAsked", '{"workstream": "shared", "by": "ada"}'),
        ("StartAsked", '{"workstream": "gone", "by": "ada"}'),
        ("LandingAsked", '{"wave": 2, "by": "ada"}'),
        ("LandingAsked", '{"wave": 1, "by": "ada"}'),
        ("WaveProposed", '{"wave": 2, "base": "main", "base_before": "c0", "tips": {"gone": "c1"}}'),
    )
    shown = [json.loads(line) for line in planned.ok("events", "--wave", "2", "--json").out.splitlines()]
    assert [one["id"] for one in shown] == [2, 4, 5, 7]
    assert "wave 2          ada asked to land it" in planned.ok("events", "--wave", "2").out
    answer = planned.run("events", "--wave", "7")
    assert (answer.code, answer.out) == (2, "")
    assert "no wave 7" in answer.err


def test_a_report_needs_a_landed_wave(planned: Project) -> None:
    assert planned.run("report").code == 1
    write_journal(planned, ("JournalBegun", '{"token": "t"}'))
    answer = planned.run("report", "--wave", "2")
    assert (answer.code, answer.out) == (1, "")
    assert "wave 2 has not landed yet" in answer.err
    assert planned.run("report", "--wave", "7").code == 2


def test_followed_events_come_as_they_are_written(planned: Project) -> None:
    path = write_journal(planned, ("JournalBegun", '{"token": "t"}'))
    process = planned.start("events", "-f", "--json")
    assert process.stdout is not None
    assert "JournalBegun" in process.stdout.readline()
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO facts (at, kind, body) VALUES (?, ?, ?)",
            ("2026-01-02T03:04:06.000+00:00", "StartAsked", '{"workstream": "i3d", "by": "x"}'),
        )
    connection.close()
    assert "StartAsked" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_a_followed_log_goes_on_over_a_rotation(planned: Project) -> None:
    logs = planned.state / "logs" / "i3d"
    logs.mkdir(parents=True)
    log = logs / "worker.log"
    log.write_text("one\ntwo\nthree\n")
    assert planned.ok("logs", "i3d").out == "one\ntwo\nthree\n"
    assert planned.ok("logs", "i3d", "-n", "2").out == "two\nthree\n"
    process = planned.start("logs", "i3d", "-f", "-n", "1")
    assert process.stdout is not None
    assert process.stdout.readline() == "three\n"
    log.rename(logs / "worker.log.1")
    log.write_text("four\n")
    assert process.stdout.readline() == "four\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    eventually(lambda: process.poll() == 130)
