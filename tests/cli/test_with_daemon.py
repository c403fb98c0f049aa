"""The commands on workers that run: one plan, one daemon, told as stories."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pexpect
import pytest

from tests.support.eventually import eventually
from tests.support.project import COMMAND, Project, project_in
from tests.support.repository import pin

LONG = "a: {branch: w/a, run: 'echo hello; sleep 600', ports: 1, env: {COLOUR: blue}}"
SHELL = "s: {branch: w/s}"


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A repository whose daemon and sessions are ended with the test."""
    pin(monkeypatch, tmp_path)
    with project_in(tmp_path) as made:
        assert made.repository is not None
        made.repository.commit("first", a__txt="one\n")
        yield made


def spawn(project: Project, *arguments: str) -> pexpect.spawn[str]:
    return pexpect.spawn(
        COMMAND[0],
        [*COMMAND[1:], *arguments],
        cwd=str(project.root),
        env={**project.env, "TERM": "xterm-256color"},
        encoding="utf-8",
        timeout=20,
    )


def test_up_tells_what_was_started_what_waits_and_what_failed(live: Project) -> None:
    live.workstreams(
        LONG,
        "b: {branch: w/b, run: 'true', needs: [a]}",
        "c: {branch: w/c, run: 'true', setup: 'echo no compiler; exit 9'}",
    )
    answer = live.run("up")
    lines = {line.split()[1]: line for line in answer.out.splitlines()}
    assert answer.code == 1
    assert f"started  p_a  {live.worktree('a')}  tmux attach -t '=p_a'" in lines["a"]
    assert "waiting" in lines["b"] and "a to be done" in lines["b"]
    assert "failed" in lines["c"]
    again = live.run("up", "a")
    assert (again.code, again.out) == (0, "nothing to do: 1 running\n")


def test_looking_and_talking(live: Project) -> None:
    live.workstreams(LONG, SHELL)
    live.ok("up")
    eventually(lambda: "hello" in live.ok("logs", "a").out, message="the log")
    eventually(lambda: "hello" in live.ok("peek", "a").out, message="the pane")
    live.ok("send", "s", "echo typed-$((20+22))")
    eventually(lambda: "typed-42" in live.ok("logs", "s").out, message="what was typed")
    live.ok("send", "s", "--no-enter", "echo never")
    assert "STATE" in live.ok("status").out
    assert live.status("a")["state"] == "running"

    inside = live.ok("exec", "a", "--", "sh", "-c", 'echo "$PWD $COLOUR $ORCHESTRATOR_WORKSTREAM"').out
    assert inside == f"{live.worktree('a')} blue a\n"
    assert live.status("a")["port"] == int(live.ok("exec", "a", "--", "printenv", "ORCHESTRATOR_PORT").out)
    assert live.run("exec", "a", "--", "sh", "-c", "exit 7").code == 7
    assert live.run("exec", "a", "--", "no-such-program").code == 127

    shown = spawn(live, "attach", "a")
    shown.expect("hello")
    shown.send("\x02d")
    shown.expect(pexpect.EOF)
    shown.close()
    assert shown.exitstatus == 0
    assert live.state_of("a") == "running"


def test_a_foreign_session_of_the_planned_name_is_neither_entered_nor_shown(live: Project) -> None:
    live.workstreams(LONG, SHELL)
    live.tmux("new-session", "-d", "-s", "p_a", "echo secret; sleep 60")
    eventually(lambda: "secret" in live.screen("p_a"), message="the foreign pane")
    shown = live.ok("peek").out
    assert "secret" not in shown
    assert "a tmux session p_a exists that is not ours" in shown and "no session" in shown

    entered = spawn(live, "attach", "a")
    said = entered.read()
    entered.close()
    assert entered.exitstatus == 1
    assert "secret" not in said and "not ours" in said and "tmux attach -t '=p_a'" in said
    assert live.tmux("list-clients") == ""


def listens(pid: int) -> bool:
    """Whether a process has a socket: a command that says nothing yet is known by that."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if str(descriptor.readlink()).startswith("socket:"):
                return True
    return False


def test_ctrl_c_in_what_follows_harms_nobody(live: Project) -> None:
    live.workstreams(LONG)
    live.ok("up")
    pid = live.daemon_pid()
    for typed in (("wait", "a"), ("logs", "a", "-f"), ("status", "--watch")):
        process = live.start(*typed)
        if typed[0] == "wait":
            eventually(lambda pid=process.pid: listens(pid), message="wait asks the daemon")
        else:
            assert process.stdout is not None and process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, "Traceback" in out + err) == (130, False)
    assert (live.daemon_pid(), live.state_of("a")) == (pid, "running")


def test_stopping_and_starting_again(live: Project) -> None:
    live.workstreams(LONG, SHELL)
    live.ok("up")
    assert live.ok("stop", "a").out == "stopped a\n"
    assert live.state_of("a") == "stopped"
    assert live.ok("stop", "a").out == "nothing to stop: none runs\n"
    assert "now running" in live.ok("restart", "a").out
    assert live.run("resume", "a").code == 1
    assert live.ok("done", "s").out == "done: s\n"
    assert live.run("wait", "a", "--for", "done", "--timeout", "1s").code == 1
    assert live.ok("wait", "s").out == "s: done\n"
    pid = live.daemon_pid()
    assert "the daemon has ended" in live.ok("down").out
    assert not Path(f"/proc/{pid}").exists()
    assert live.ok("status", "--json").json["daemon"] == {"running": False, "pid": None, "held": ""}
    live.ok("up", "a")
    assert live.state_of("a") == "running"


def test_down_finds_workers_whose_daemon_was_killed(live: Project) -> None:
    live.workstreams(LONG)
    live.ok("up")
    live.kill_daemon()
    assert live.state_of("a") == "running"
    answer = live.ok("down")
    assert "stopped a" in answer.out
    assert "no daemon runs" in answer.err
    assert live.state_of("a") == "stopped"


def test_two_ups_at_once_share_one_daemon(live: Project) -> None:
    live.workstreams(LONG)
    both = [live.start("up"), live.start("up")]
    ends = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert len(live.events("Launched")) == 1


def test_a_running_daemon_keeps_its_plan(live: Project) -> None:
    live.workstreams(LONG)
    live.ok("up")
    other = live.root / "other.yaml"
    other.write_text((live.root / "waves.yaml").read_text())
    answer = live.run("up", "--plan", str(other))
    assert answer.code == 2
    assert f"{live.root}/waves.yaml" in answer.err


def test_a_daemon_in_the_foreground_leaves_by_ctrl_c_and_its_workers_stay(live: Project) -> None:
    live.workstreams(LONG)
    process = live.start("up", "--foreground")
    assert process.stdout is not None
    assert "started" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    found = live.ok("status", "--json").json
    assert (found["daemon"]["running"], found["workstreams"][0]["state"]) == (False, "running")


def test_gates_and_landing(live: Project) -> None:
    live.workstreams(
        "a: {branch: w/a, run: 'echo x > x; git add x; git commit -qm x', gates: [fine]}",
        head="gates: {fine: {run: 'test -f x'}, bad: {run: 'echo broken; exit 4'}}",
    )
    assert "no branch to check" in live.run("gate", "run").err
    live.ok("up")
    live.ok("wait", "a", "--for", "done")
    ran = live.ok("gate", "run", "--no-cache", "--json").json
    assert [(g["gate"], g["workstream"], g["ok"], g["cached"]) for g in ran["gates"]] == [
        ("fine", "a", True, False)
    ]
    assert "cached" in live.ok("gate", "run", "a").out
    live.ok("down")
    checked = live.ok("wave", "check", "1", "--json").json
    assert (checked["ok"], checked["landed"], checked["would_land"]) == (True, [], ["a"])
    before = live.git("rev-parse", "main")
    assert "would land: a" in live.ok("wave", "merge", "1", "--dry-run").out
    assert live.git("rev-parse", "main") == before
    landed = live.ok("wave", "merge", "1", "--json").json
    assert (landed["base_before"], landed["base_after"]) == (before, live.git("rev-parse", "main"))
    assert "already landed" in live.ok("wave", "merge", "1").out
    assert "merged" in live.ok("wave", "list").out


PART_IS_BAD = """\
version: 1
project: p
gates: {sound: {run: 'test ! -e bad'}}
waves:
  1:
    gates: [sound]
    workstreams:
      a: {branch: w/a, run: 'echo x > good; git add good; git commit -qm x'}
      b: {branch: w/b, run: 'echo x > bad; git add bad; git commit -qm x'}
"""


def test_part_of_a_wave_lands_and_the_rest_is_told(live: Project) -> None:
    live.plan(PART_IS_BAD)
    live.ok("up")
    live.ok("wait", "--for", "done")
    before = live.git("rev-parse", "main")
    refused = live.run("wave", "merge", "1")
    assert refused.code == 1 and live.git("rev-parse", "main") == before
    assert "b: sound is red with it alone" in refused.out
    assert "green without them: a; orchestrator wave merge 1 --partial lands that" in refused.out
    assert "run 2, repeat: a b" in refused.err
    partial = live.ok("wave", "merge", "1", "--partial")
    assert "b: sound is red with it alone" in partial.out
    assert "wave 1 landed in part: a (" in partial.out
    assert "→ orchestrator wave merge 1, when the rest is mended" in partial.out
    states = {w["name"]: w["state"] for w in live.ok("status", "--json").json["workstreams"]}
    assert states == {"a": "merged", "b": "done"}
    shown = live.ok("wave", "show", "1", "--json").json
    assert (shown["state"], shown["landed"]) == ("ready", ["a"])
    told = live.ok("events").out
    assert "PartTried" in told and "WaveIsolated" in told


def test_a_red_gate_is_told_with_its_log(live: Project) -> None:
    live.workstreams(
        "a: {branch: w/a, run: 'git commit -q --allow-empty -m x', gates: [bad]}",
        head="gates: {bad: {run: 'echo broken; exit 4'}}",
    )
    live.ok("up")
    live.ok("wait", "a", "--for", "done")
    answer = live.run("gate", "run")
    assert answer.code == 1
    log = re.search(r"→ see (\S+)", answer.out)
    assert log is not None
    assert "broken" in Path(log[1]).read_text()
    assert live.run("wave", "check", "1").code == 1
    merged = live.run("wave", "merge", "1")
    assert merged.code == 1
    assert "bad is red" in merged.out
    assert "nothing was changed" in merged.out
