"""Results pulled by the real daemon through a real sshd: while a worker runs, over cuts, after its end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.eventually import eventually
from tests.support.project import Project
from tests.support.sshd import Sshd


@pytest.fixture
def remote(project: Project, sshd: Sshd) -> Project:
    """The project, with a host `gpu` for its plans."""
    project.env["ORCHESTRATOR_SSH_CONFIG"] = str(sshd.config)
    (sshd.home / ".gitconfig").write_text("[user]\n\tname = Remote\n\temail = remote@example.org\n")
    return project


def head(sshd: Sshd, sync: str) -> str:
    host = f"{{ssh: gpu, root: {sshd.home}/clones, python: {sys.executable}}}"
    return f"hosts: {{gpu: {host}}}\ndefaults: {{host: gpu, sync: {sync}}}"


def synced(project: Project, name: str, file: str) -> str | None:
    path = project.root / "synced" / name / "results" / file
    return path.read_text() if path.exists() else None


def manifest(project: Project, name: str) -> dict[str, Any]:
    path = project.root / "synced" / ".orchestrator" / name / "manifest.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_results_come_while_it_runs_and_all_of_them_after_its_end(remote: Project, sshd: Sshd) -> None:
    gate = remote.folder / "gate"
    finish = "echo 2 > results/m; echo w > results/w"
    run = f"while [ ! -e {gate} ]; do sleep 0.1; done; {finish}"
    assert remote.repository is not None
    remote.repository.commit_files("there from the start", {"results/m": "1\n"})
    remote.workstreams(f"a: {{branch: w/a, run: '{run}'}}", head=head(sshd, "{every: 1h}"))
    remote.ok("up")
    eventually(lambda: synced(remote, "a", "m") == "1\n", 20, "the first pull")
    eventually(lambda: remote.status("a")["synced"], 20, "the status tells of it")
    gate.touch()
    remote.until("a", "done")
    # An hour is far: the end itself calls for them.
    eventually(lambda: synced(remote, "a", "w") == "w\n", 20, "the last pull")
    eventually(lambda: synced(remote, "a", "m") == "2\n", 20, "what was pulled before, anew")
    eventually(lambda: remote.events("ResultsSynced")[-1]["final"], 10, "the end of it is noted")
    assert len(remote.events("ResultsSynced")) == 2
    assert remote.git("status", "--porcelain") == "?? waves.yaml"
    entry = manifest(remote, "a")["files"]["results/m"]
    assert (entry["attempt"], entry["stage"], entry["size"]) == (1, "run", 2)
    assert entry["earlier"] == ["m.~before~"] and synced(remote, "a", "m.~before~") == "1\n"
    _checked(remote, Path(remote.status("a")["worktree"]))


def _checked(remote: Project, worktree: Path) -> None:
    """Byte for byte, on both ends; with the daemon, and without."""
    with (worktree / "results" / "HEARTBEAT.txt").open("a") as beats:
        beats.write("one more\n")
    found = remote.ok("sync", "--check", "a", "--json")
    assert {file["path"] for file in found.json["files"] if file["state"] == "moving"} == {
        "results/HEARTBEAT.txt"
    }
    (worktree / "results" / "m").write_text("3\n")
    (remote.root / "synced/a/results/w").write_text("W\n")
    found = remote.run("sync", "--check", "--json")
    states = {file["path"]: file["state"] for file in found.json["files"]}
    assert found.code == 1
    assert (states["results/m"], states["results/w"]) == ("changed", "damaged")
    (remote.root / "synced/a/results/w").unlink()
    assert remote.ok("sync", "a", "--json").json["workstreams"][0]["fetched"] == 3
    remote.ok("down")
    (worktree / "results" / "m").write_text("4\n")
    assert remote.ok("sync", "--json").json["workstreams"][0]["ok"] is True
    assert (synced(remote, "a", "m"), synced(remote, "a", "w")) == ("4\n", "w\n")
    assert remote.status("a")["synced"]["files"] > 2
    assert remote.ok("sync", "--check").code == 0


def test_a_frozen_host_delays_no_other_and_what_was_cut_goes_on(remote: Project, sshd: Sshd) -> None:
    big = "head -c 6000000 /dev/urandom > results/big"
    remote.workstreams(
        f"a: {{branch: w/a, run: '{big}; sleep 90'}}",
        "b: {branch: w/b, host: local, run: 'while :; do date +%s%N > results/now; sleep 0.2; done'}",
        head=head(sshd, "{every: 1s, bandwidth: 1MB}"),
    )
    remote.ok("up")
    staged = remote.root / "synced/.orchestrator/a/staging/results/big"
    eventually(lambda: staged.exists() and staged.stat().st_size > 500_000, 30, "it is on its way")
    sshd.freeze()
    try:
        before = synced(remote, "b", "now")
        eventually(lambda: synced(remote, "b", "now") != before, 20, "the other host's results")
        assert not (remote.root / "synced/a/results/big").exists()
        came = staged.stat().st_size
        sshd.kill_connections()
    finally:
        sshd.thaw()
    here = remote.root / "synced/a/results/big"
    eventually(here.exists, 60, "it goes on when the host is back")
    assert came > 500_000
    there = Path(remote.status("a")["worktree"], "results/big")
    assert here.read_bytes() == there.read_bytes()


def test_a_link_in_the_way_is_said_once_and_mended_by_itself(remote: Project, tmp_path: Path) -> None:
    (remote.root / "synced").mkdir()
    (remote.root / "synced/a").symlink_to(tmp_path)
    remote.workstreams(
        "a: {branch: w/a, run: 'echo 1 > results/m; sleep 90'}", head="defaults: {sync: {every: 1s}}"
    )
    remote.ok("up")
    eventually(lambda: remote.events("SyncFailed"), 20, "it is refused")
    said = remote.run("sync", "a")
    assert said.code == 1 and "is a link" in said.err
    assert "is a link" in remote.ok("status").out
    assert not (tmp_path / "results").exists()
    (remote.root / "synced/a").unlink()
    eventually(lambda: synced(remote, "a", "m") == "1\n", 30, "it is pulled again")
    eventually(lambda: remote.status("a")["synced"]["reason"] == "", 10, "nothing is wrong any more")
    assert [event["cause"] for event in remote.events("SyncFailed")] == ["refused", "refused"]
    assert len(remote.events("ResultsSynced")) == 1


def test_work_in_progress_is_committed_while_it_runs(project: Project) -> None:
    run = "echo more >> a.txt; echo {} > results/metrics.json; sleep 90"
    project.workstreams(
        f"a: {{branch: w/a, run: '{run}', sync: {{commit: 2s}}}}",
        "b: {branch: w/b, run: 'echo x >> a.txt; sleep 90'}",
    )
    project.ok("up")
    eventually(lambda: project.events("WorkCommitted"), 20, "it is committed")
    assert project.git("log", "-1", "--format=%s", "w/a") == "a: work in progress, stage run, attempt 1"
    assert project.git("show", "--format=", "--name-only", "w/a").split() == ["a.txt", "results/metrics.json"]
    assert project.git("log", "-1", "--format=%s", "w/b") == "first"
