"""The daemon is killed, doubled, moved and starved; the workers do not notice."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.project import COMMAND, Project, project_in
from tests.support.repository import pin

LONG = "a: {branch: w/a, run: 'echo started; sleep 60'}"


def test_a_killed_daemon_finds_the_same_workers_again(project: Project) -> None:
    project.workstreams(LONG, "b: {branch: w/b, run: 'sleep 2; exit 3', restart: {limit: 0}}")
    project.ok("up")
    beat = project.worktree("a") / "results" / "heartbeat.json"
    before = json.loads(eventually(lambda: beat.exists() and beat.read_text(), message="a beat"))
    project.kill_daemon()
    exit_file = project.worktree("b") / "results" / "exit.json"
    eventually(exit_file.exists, message="b ended while nobody watched")
    project.ok("up")
    assert project.until("b", "failed")["exit_code"] == 3
    project.until("a", "running")
    assert json.loads(beat.read_text())["pid"] == before["pid"]
    assert [event["workstream"] for event in project.events("LaunchChosen")] == ["a", "b"]


def test_two_daemons_cannot_run(project: Project) -> None:
    project.workstreams(LONG)
    project.ok("up")
    second = subprocess.run(
        [*COMMAND[:2], "orchestrator.daemon", str(project.root / "waves.yaml")],
        env=project.env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert f"pid {project.daemon_pid()}" in second.stderr


def test_ctrl_c_in_the_foreground_leaves_the_workers(project: Project) -> None:
    project.workstreams(LONG)
    foreground = subprocess.Popen([*COMMAND, "up", "--foreground"], cwd=project.root, env=project.env)
    project.until("a", "running")
    foreground.send_signal(2)
    assert foreground.wait(timeout=20) in (0, 130)
    assert project.sessions() == ["p_a"]
    beat = json.loads((project.worktree("a") / "results" / "heartbeat.json").read_text())
    assert Path(f"/proc/{beat['pid']}").exists()


def test_a_plan_that_drops_a_running_workstream_is_refused(project: Project) -> None:
    project.workstreams(LONG, "b: {branch: w/b, run: 'true'}")
    project.ok("up")
    project.workstreams("b: {branch: w/b, run: 'true'}")
    refused = project.run("up")
    assert refused.code == 1
    assert "a" in refused.err
    project.workstreams(LONG, "b: {branch: w/b, run: 'true'}")


def test_a_key_that_is_not_built_stops_up_but_only_warns_in_validate(project: Project) -> None:
    project.workstreams("a: {branch: w/a, run: 'true'}", head="hosts: {far: {ssh: far, engine: slurm}}")
    assert project.ok("validate").code == 0
    up = project.run("up")
    assert up.code == 2
    assert "engine: slurm" in up.err
    assert project.sessions() == []


def test_a_socket_path_that_is_too_long_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(monkeypatch, tmp_path)
    with project_in(tmp_path, name="x" * 120) as project:
        assert project.repository is not None
        project.repository.commit("first", a__txt="one\n")
        project.workstreams("a: {branch: w/a, run: 'true'}")
        project.ok("up")
        project.until("a", "done")
        project.ok("down")


@pytest.mark.parametrize("name", ["with space", "größe-🚀"])
def test_repositories_with_unusual_names_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin(monkeypatch, tmp_path)
    with project_in(tmp_path, name=name) as project:
        assert project.repository is not None
        project.repository.commit("first", a__txt="one\n")
        project.workstreams("a: {branch: w/a, run: 'pwd; echo x > new; git add new; git commit -qm new'}")
        project.ok("up")
        project.until("a", "done")
        assert name in project.ok("logs", "a").out
        project.ok("wave", "merge", "1")
        assert (project.root / "new").read_text() == "x\n"


def test_a_repository_without_a_commit_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin(monkeypatch, tmp_path)
    with project_in(tmp_path) as project:
        project.workstreams("a: {branch: w/a, run: 'true'}")
        up = project.run("up")
        assert up.code in (1, 3)
        assert "commit" in up.out + up.err
        assert "Traceback" not in up.err


def test_a_worktree_deleted_by_hand_is_made_again(project: Project) -> None:
    project.workstreams("a: {branch: w/a, run: 'true'}")
    project.ok("up")
    project.until("a", "done")
    subprocess.run(["rm", "-rf", str(project.worktree("a"))], check=True)
    project.ok("restart", "a")
    project.until("a", "done")
    assert (project.worktree("a") / "a.txt").exists()


@pytest.mark.parametrize("how", ["kill-server", "kill-session"])
def test_a_worker_whose_session_was_killed_is_started_again(how: str, project: Project) -> None:
    project.workstreams("a: {branch: w/a, run: 'sleep 60', restart: {limit: 3, backoff: 1s}}")
    project.ok("up")
    project.until("a", "running")
    target = [] if how == "kill-server" else ["-t", "=p_a"]
    project.tmux(how, *target)
    eventually(lambda: project.status("a")["attempt"] == 2, 20, "a second attempt")
    project.until("a", "running")
    assert project.sessions() == ["p_a"]


def test_hostile_progress_is_shown_harmlessly(project: Project) -> None:
    text = '{"v":1,"seq":1,"step":1,"total":2,"message":"\\u001b[31mred","metrics":{"loss":NaN,"acc":0.5}}'
    (project.root / "progress.txt").write_text(text)
    project.git("add", "progress.txt")
    project.git("commit", "-qm", "progress")
    project.workstreams("a: {branch: w/a, run: 'cp progress.txt results/progress.json; sleep 60'}")
    project.ok("up")
    status = eventually(lambda: project.status("a") if project.status("a")["progress"] else None)
    assert status is not None
    assert status["metrics"] == {"acc": 0.5}
    assert "\x1b" not in project.ok("status").out
    (project.worktree("a") / "results" / "progress.json").write_bytes(b'{"v":1,"se')
    eventually(lambda: "progress" in project.status("a")["reason"], message="a reason for the torn file")
    assert project.state_of("a") == "running"


def test_branches_are_pushed_where_the_plan_names_a_remote(project: Project) -> None:
    bare = project.folder / "bare.git"
    project.git("init", "-q", "--bare", str(bare))
    project.git("remote", "add", "origin", str(bare))
    run = "echo 1 > results.txt; git add results.txt; git commit -qm results"
    project.workstreams(f"a: {{branch: w/a, run: '{run}'}}", head="remote: origin")
    project.ok("up")
    project.until("a", "done")
    eventually(lambda: project.events("BranchPushed"), 20, "the branch was pushed")
    pushed = project.git("ls-remote", str(bare), "refs/heads/w/a").split()[0]
    assert pushed == project.git("rev-parse", "w/a")


def test_a_repository_with_submodules_works_and_they_are_left_to_setup(project: Project) -> None:
    assert project.repository is not None
    library = type(project.repository)(project.folder / "library", "-b", "main")
    library.commit("first", lib__txt="library\n")
    project.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.path), "lib")
    project.git("commit", "-qm", "with a library")
    update = "git -c protocol.file.allow=always submodule update --init -q"
    project.workstreams(
        f"a: {{branch: w/a, setup: '{update}', run: 'cat lib/lib.txt'}}", "b: {branch: w/b, run: 'ls lib'}"
    )
    project.ok("up")
    project.until("a", "done")
    project.until("b", "done")
    assert "library" in project.ok("logs", "a").out


@pytest.mark.timeout(300)
def test_two_hundred_workstreams_come_up_and_go_down(project: Project) -> None:
    names = [f"w{number:03}" for number in range(200)]
    project.workstreams(*(f"{name}: {{branch: w/{name}, run: 'sleep 600'}}" for name in names))
    assert project.run("up", within_s=110).code == 0
    assert project.sessions() == [f"p_{name}" for name in names]
    states = {w["state"] for w in project.ok("status", "--json").json["workstreams"]}
    assert states <= {"running", "starting"}
    assert project.run("down", within_s=110).code == 0
    assert {w["state"] for w in project.ok("status", "--json").json["workstreams"]} == {"stopped"}


def test_a_daemon_that_leaves_while_a_gate_runs_is_soon_gone(project: Project) -> None:
    begun = project.folder / "gate-begun"
    project.workstreams(
        "a: {branch: w/a, run: 'true', gates: [slow]}",
        head=f"gates: {{slow: {{run: 'touch {begun}; sleep 3'}}}}",
    )
    project.ok("up")
    eventually(begun.exists, 30, "the gate of the finished worker runs")
    pid = project.daemon_pid()
    project.ok("down")
    assert not Path(f"/proc/{pid}").exists()
