"""Workers from `up` to their end, as their user sees them."""

from __future__ import annotations

import json
import os
import signal

from tests.support.eventually import eventually
from tests.support.project import Project

FIRST = "a: {branch: w/a, run: 'echo hello; sleep 60'}"


def test_up_starts_everything_and_again_changes_nothing(project: Project) -> None:
    project.workstreams(FIRST, "b: {branch: w/b, run: 'sleep 60'}")
    project.ok("up")
    assert project.sessions() == ["p_a", "p_b"]
    before = (project.sessions(), project.git("worktree", "list"), project.status("a")["attempt"])
    again = project.ok("up")
    assert (project.sessions(), project.git("worktree", "list"), project.status("a")["attempt"]) == before
    assert [event["workstream"] for event in project.events("Launched")] == ["a", "b"]
    assert "nothing to do" in again.out + again.err


def test_a_worker_that_ends_at_once_is_done_and_its_pane_shows_it(project: Project) -> None:
    project.workstreams("a: {branch: w/a, run: 'echo finished early'}")
    project.ok("up")
    status = project.until("a", "done")
    assert (status["exit_code"], status["stage"], status["attempt"]) == (0, "run", 1)
    eventually(lambda: "ended: exit 0" in project.screen("p_a"), message="the pane shows how it ended")
    assert "finished early" in project.ok("logs", "a").out


def test_a_command_that_does_not_exist_fails_with_its_code(project: Project) -> None:
    project.workstreams("a: {branch: w/a, run: no-such-program, restart: {limit: 0}}")
    project.ok("up")
    status = project.until("a", "failed")
    assert status["exit_code"] == 127
    assert "127" in status["reason"]
    assert "no-such-program" in project.ok("logs", "a").out


def test_a_killed_worker_is_started_again_and_resumes(project: Project) -> None:
    run = "echo attempt $ORCHESTRATOR_ATTEMPT; sleep 60"
    project.workstreams(
        f"a: {{branch: w/a, run: '{run}', resume: 'echo resumed; sleep 60', restart: {{backoff: 1s}}}}"
    )
    project.ok("up")
    beat = project.worktree("a") / "results" / "heartbeat.json"
    eventually(beat.exists, message="a first beat")
    pid = json.loads(beat.read_text())["pid"]
    os.killpg(os.getpgid(pid), signal.SIGKILL)
    eventually(lambda: project.status("a")["attempt"] == 2, 15, "a second attempt")
    project.until("a", "running")
    eventually(lambda: "resumed" in project.ok("logs", "a").out, message="the resume command ran")
    assert "attempt 1" in project.ok("logs", "a").out


def test_stop_restart_and_up_again(project: Project) -> None:
    project.workstreams("a: {branch: w/a, run: 'trap \"echo saving; exit 0\" TERM; sleep 60 & wait'}")
    project.ok("up")
    project.ok("stop", "a")
    assert project.state_of("a") == "stopped"
    assert "saving" in project.ok("logs", "a").out
    project.ok("restart", "a")
    assert project.until("a", "running")["attempt"] == 2
    project.ok("stop", "a")
    project.ok("up")
    assert project.until("a", "running")["attempt"] == 3


def test_down_leaves_nothing_running_but_the_worktrees(project: Project) -> None:
    project.workstreams("a: {branch: w/a, run: 'setsid sleep 61 & sleep 60'}")
    project.ok("up")
    project.ok("down")
    assert project.ok("status", "--json").json["daemon"]["running"] is False
    assert project.state_of("a") == "stopped"
    assert project.worktree("a").is_dir()


def test_needs_order_time(project: Project) -> None:
    project.workstreams("a: {branch: w/a, run: 'sleep 1.5'}", "b: {branch: w/b, run: 'true', needs: [a]}")
    up = project.ok("up")
    assert "waits for a" in up.out + up.err
    project.until("b", "done")
    order = [event["workstream"] for event in project.events("Launched")]
    assert order == ["a", "b"]


def test_a_shell_is_typed_into_and_declared_done(project: Project) -> None:
    project.workstreams("a: {branch: w/a}")
    project.ok("up")
    project.ok("send", "a", "echo typed-$((40+2))")
    eventually(lambda: "typed-42" in project.ok("peek", "a").out, message="the shell answered")
    project.ok("done", "a")
    assert project.state_of("a") == "done"


def test_setup_that_fails_refuses_the_launch_and_up_tries_again(project: Project) -> None:
    project.workstreams(
        "a: {branch: w/a, setup: 'test -e ../ready || { echo not ready; exit 4; }', run: 'true'}"
    )
    refused = project.run("up")
    assert refused.code == 1
    assert "not ready" in refused.out + refused.err
    assert project.state_of("a") == "failed"
    (project.worktree("a").parent / "ready").touch()
    project.ok("up")
    project.until("a", "done")


def test_a_branch_checked_out_elsewhere_is_refused_by_name(project: Project) -> None:
    project.git("worktree", "add", "-q", "-b", "w/a", "../mine")
    project.workstreams("a: {branch: w/a, run: 'true'}", "b: {branch: w/b, run: 'true'}")
    up = project.run("up")
    assert up.code == 1
    assert "w/a" in up.out + up.err
    assert "mine" in up.out + up.err
    project.until("b", "done")


def test_a_stage_that_misses_its_requirement_is_held_and_goes_on_when_told(project: Project) -> None:
    metrics = '{"loss": 0.5}'
    write = f"echo {json_quoted(metrics)} > results/validation_metrics.json"
    project.plan(
        f"""\
version: 1
project: p
waves:
  1:
    workstreams:
      a:
        branch: w/a
        stages:
          - {{name: validation, run: "{write}", require: [loss < 0.1]}}
          - {{name: full, run: "echo second stage"}}
"""
    )
    project.ok("up")
    held = project.until("a", "held")
    assert "loss is 0.5, required < 0.1" in held["reason"]
    assert held["metrics"] == {"loss": 0.5}
    project.ok("resume", "a")
    assert project.until("a", "done")["stage"] == "full"


def json_quoted(text: str) -> str:
    return "'" + text.replace('"', '\\"') + "'"
