"""Long commands on a host, and the scripts around them: a real sshd, links that break, terminals that go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.project import COMMAND, Project
from tests.support.sshd import Sshd

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def remote(project: Project, sshd: Sshd) -> Project:
    """The project, with a host `gpu` in its plan, and `orchestrator` on its PATH."""
    project.env["ORCHESTRATOR_SSH_CONFIG"] = str(sshd.config)
    project.env["LC_ALL"] = "C.UTF-8"
    host = f"{{ssh: gpu, root: {sshd.home}/clones, python: {sys.executable}}}"
    project.workstreams("a: {branch: w/a}", head=f"hosts: {{gpu: {host}}}")
    return project


def begin(project: Project, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        argv, cwd=project.root, env=project.env, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def script(project: Project, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPTS / name), *arguments], cwd=project.root, env=project.env, text=True,
        capture_output=True, timeout=60, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def test_it_outlives_links_and_terminals_and_its_status_comes_here(remote: Project, sshd: Sshd) -> None:
    go_on = sshd.home / "go-on"
    text = f"echo begun; while [ ! -e {go_on} ]; do sleep 0.1; done; echo $PWD; exit 7"
    argv = [str(SCRIPTS / "run_on_ec2_with_keepalive.sh"), "gpu", "--name", "long", "--", "sh", "-c", text]
    first = begin(remote, *argv)
    assert first.stdout is not None and first.stdout.readline() == "begun\n"
    sshd.kill_connections()
    eventually(lambda: len(sshd.connections()) > 0, 20, "it is connected again")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate(timeout=20)
    second = begin(remote, *argv)
    assert second.stdout is not None and second.stdout.readline() == "begun\n"
    refused = remote.run("keepalive", "--on", "gpu", "--name", "long", "--", "true")
    assert refused.code == 1 and "is another command" in refused.err
    go_on.touch()
    out, err = second.communicate(timeout=30)
    assert (second.returncode, out) == (7, f"{sshd.home}\n"), err
    assert "goes on" in err
    # Its end was told: the name is free.
    assert remote.ok("keepalive", "--on", "gpu", "--name", "long", "--", "echo", "new").out == "new\n"


def test_an_end_that_nobody_heard_of_is_told_to_the_next(remote: Project, sshd: Sshd) -> None:
    done = sshd.home / "done"
    argv = (
        *COMMAND,
        "keepalive",
        "--on",
        "gpu",
        "--",
        "sh",
        "-c",
        f"echo out; sleep 1; touch {done}; exit 3",
    )
    first = begin(remote, *argv)
    assert first.stdout is not None and first.stdout.readline() == "out\n"
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate(timeout=20)
    eventually(done.exists, 20, "it went on")
    again = remote.run(*argv[len(COMMAND) :])
    assert (again.code, again.out) == (3, "out\n")


def test_ctrl_c_ends_it_there(remote: Project, sshd: Sshd) -> None:
    text = 'trap "echo saving; exit 5" TERM; echo begun; while :; do sleep 0.1; done'
    running = begin(remote, *COMMAND, "keepalive", "--on", "gpu", "--", "sh", "-c", text)
    assert running.stdout is not None and running.stdout.readline() == "begun\n"
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=40)
    assert running.returncode == 5, err
    assert out.endswith("saving\n")  # some shells say before that what ended their child


def test_what_cannot_begin_says_why(remote: Project, sshd: Sshd) -> None:
    assert remote.run("keepalive", "--on", "nowhere", "--", "true").code == 2
    assert "no folder" in remote.run("keepalive", "--on", "gpu", "--in", "no/such", "--", "true").err
    assert remote.run("keepalive", "--on", "gpu", "--", "no-such-command").code == 127
    assert remote.run("keepalive", "--name", "x", "--", "true").code == 2
    assert remote.run("keepalive", "--on", "gpu", "--name", "../x", "--", "true").code == 2
    killed = remote.run("keepalive", "--on", "gpu", "--", "sh", "-c", "kill -9 $$")
    assert killed.code == 137
    sshd.stop()
    assert remote.run("keepalive", "--on", "gpu", "--", "true").code == 3


def test_the_scripts_call_it_and_pass_its_status_on(remote: Project) -> None:
    report = '{"v": 1, "seq": 1, "step": 3, "total": 10, "unit": "epoch", "eta_s": 3720, '
    report += '"metrics": {"accuracy": 0.75, "loss": 0.5, "mae": 0.125}}'
    run = 'echo 1 > results/m; echo "$REPORT" > results/progress.json; sleep 90'
    head = (remote.root / "waves.yaml").read_text().split("waves:")[0]
    remote.plan(
        f"{head}waves:\n  1:\n    workstreams:\n"
        f"      a: {{branch: w/a, host: gpu, env: {{REPORT: '{report}'}}, run: '{run}'}}\n"
    )
    remote.ok("up")
    eventually(lambda: remote.status("a")["metrics"], 20, "it reported")
    kept = script(remote, "run_with_keepalive.sh", "--every", "5s", "sh", "-c", "echo here; exit 9")
    assert (kept.returncode, kept.stdout) == (9, "here\n")
    pulled = script(remote, "sync_worker_results.sh", "a")
    assert pulled.returncode == 0, pulled.stderr
    assert (remote.root / "synced/a/results/m").read_text() == "1\n"
    seen = script(remote, "monitor_all_branches.sh")
    rows = [line.split() for line in seen.stdout.splitlines()]
    assert rows == [
        ["BRANCH", "STATE", "EPOCH", "ACCURACY", "LOSS", "MAE", "ETA"],
        ["w/a", "running", "3/10", "0.75", "0.5", "0.125", "1h02m"],
    ], seen.stderr
    assert script(remote, "monitor_all_branches.sh", "nobody").returncode == 2
    for name in ("run_with_keepalive.sh", "run_on_ec2_with_keepalive.sh"):
        assert script(remote, name).returncode == 2
        assert script(remote, name, "--help").stdout.startswith("usage: ")
