"""The same daemon with its workers on an SSH host: a real sshd on loopback."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.project import Project
from tests.support.sshd import Sshd, make_key


@pytest.fixture
def remote(project: Project, sshd: Sshd) -> Project:
    """The project, with a host `gpu` for its plans."""
    project.env["ORCHESTRATOR_SSH_CONFIG"] = str(sshd.config)
    (sshd.home / ".gitconfig").write_text("[user]\n\tname = Remote\n\temail = remote@example.org\n")
    return project


def head(sshd: Sshd) -> str:
    host = f"{{ssh: gpu, root: {sshd.home}/clones, python: {sys.executable}}}"
    return f"hosts: {{gpu: {host}}}\ndefaults: {{host: gpu}}"


def commit(name: str) -> str:
    return f"echo from-$ORCHESTRATOR_WORKSTREAM > {name}; git add {name}; git commit -qm {name}; echo done-$0"


def test_a_wave_is_built_on_the_host_and_lands_here(remote: Project, sshd: Sshd) -> None:
    (remote.root / ".env").write_text("SECRET=1\n")
    remote.git("config", "core.excludesFile", ".env")
    remote.workstreams(
        f"a: {{branch: w/a, copy: [.env], run: 'test -e .env; {commit('a.new')}'}}",
        f"b: {{branch: w/b, run: '{commit('b.new')}'}}",
        head=head(sshd),
    )
    remote.ok("up")
    a = remote.until("a", "done")
    remote.until("b", "done")
    assert Path(a["worktree"]).is_relative_to(sshd.home)
    assert not remote.worktree("a").exists()
    assert "done-" in remote.ok("logs", "a").out
    assert remote.ok("exec", "a", "--", "cat", "a.new").out == "from-a\n"
    merged = remote.ok("wave", "merge", "1", "--json").json
    assert merged["landed"] == ["a", "b"]
    assert (remote.root / "a.new").read_text() == "from-a\n"
    _clean_and_out_and_back(remote, Path(a["worktree"]))


def _clean_and_out_and_back(remote: Project, worktree: Path) -> None:
    """What the wave left is taken away on the host and here; the wave needs none of it to come back."""
    (found, _) = remote.ok("clean", "--json").json["workstreams"]
    assert (found["outcome"], found["host"], worktree.exists()) == ("cleaned", "gpu", False)
    kept = Path(found["kept"])
    assert kept.is_relative_to(worktree.parent.with_name("p")) and (kept / ".env").read_text() == "SECRET=1\n"
    assert (kept / "results" / "exit.json").exists() and (kept / "manifest.json").exists()
    assert remote.git("for-each-ref", "refs/heads/w", "refs/orchestrator/hosts") == ""
    assert remote.git("branch", "--list", "w/*", cwd=worktree.parent.with_name("p")) == ""
    assert remote.ok("wave", "rollback", "1", "--json").json["form"] == "reset"
    assert not (remote.root / "a.new").exists() and remote.state_of("a") == "done"
    remote.ok("wave", "reland", "1")
    assert (remote.root / "a.new").read_text() == "from-a\n"


def test_a_silent_host_is_unreachable_and_its_workers_keep_their_state(remote: Project, sshd: Sshd) -> None:
    remote.workstreams("a: {branch: w/a, run: 'sleep 90'}", head=head(sshd))
    remote.ok("up")
    before = remote.until("a", "running")
    sshd.freeze()
    try:
        eventually(lambda: reachable(remote) is False, 20, "the host is known to be silent")
        assert remote.state_of("a") == "running"
    finally:
        sshd.thaw()
    eventually(lambda: reachable(remote) is True, 30, "the host is back")
    after = remote.until("a", "running")
    assert after["attempt"] == before["attempt"] == 1


def reachable(project: Project) -> bool | None:
    hosts = project.ok("status", "--json").json["hosts"]
    found: bool | None = next(h["reachable"] for h in hosts if h["name"] == "gpu")
    return found


def test_a_cut_connection_restarts_nothing(remote: Project, sshd: Sshd) -> None:
    remote.workstreams("a: {branch: w/a, run: 'sleep 90'}", head=head(sshd))
    remote.ok("up")
    remote.until("a", "running")
    for _ in range(3):
        sshd.kill_connections()
        eventually(lambda: reachable(remote) is True, 30, "reconnected")
    assert remote.status("a")["attempt"] == 1
    assert len(remote.events("Launched")) == 1


def test_an_unknown_host_key_is_said_with_what_to_type(remote: Project, sshd: Sshd) -> None:
    sshd.known_hosts.write_text("")
    remote.workstreams("a: {branch: w/a, run: 'true'}", head=head(sshd))
    up = remote.run("up")
    assert up.code == 3
    assert "known" in (up.out + up.err)
    assert remote.state_of("a") == "waiting"
    sshd.know("host_key")
    remote.until("a", "done", within_s=60)


def test_keys_change_under_a_running_daemon(remote: Project, sshd: Sshd) -> None:
    remote.workstreams("a: {branch: w/a, run: 'sleep 90'}", head=head(sshd))
    remote.ok("up")
    for name in ("id", "id.pub"):
        (sshd.folder / name).unlink()
    make_key(sshd.folder / "id")
    sshd.kill_connections()
    eventually(lambda: f"tried {sshd.folder}/id" in reason(remote), 20, "our new key is not known there yet")
    shutil.copy(sshd.folder / "id.pub", sshd.folder / "authorized_keys")
    eventually(lambda: reachable(remote) is True, 20, "the new key is taken without a restart")
    sshd.rotate_host_key()
    sshd.kill_connections()
    eventually(lambda: "THE HOST KEY OF gpu" in reason(remote), 20, "the host shows another key")
    assert f"ssh-keygen -f {sshd.known_hosts} -R" in reason(remote)
    sshd.know("host_key")
    eventually(lambda: reachable(remote) is True, 20, "its new key is known, without a restart")
    assert remote.state_of("a") == "running" and len(remote.events("Launched")) == 1


def reason(project: Project) -> str:
    hosts = project.ok("status", "--json").json["hosts"]
    return str(next(h["reason"] for h in hosts if h["name"] == "gpu"))


def test_one_host_refused_does_not_delay_the_other(remote: Project, sshd: Sshd) -> None:
    remote.workstreams(
        "a: {branch: w/a, run: 'true'}", "b: {branch: w/b, run: 'true', host: local}", head=head(sshd)
    )
    sshd.stop()
    up = remote.run("up")
    assert up.code == 3
    remote.until("b", "done")


def test_two_projects_share_a_host_and_the_same_project_is_refused(
    remote: Project, sshd: Sshd, tmp_path: Path
) -> None:
    remote.workstreams("a: {branch: w/a, run: 'sleep 60'}", head=head(sshd))
    remote.ok("up")
    other = Project(tmp_path / "other", remote.tmux_folder)
    assert other.repository is not None
    other.env["ORCHESTRATOR_SSH_CONFIG"] = str(sshd.config)
    other.repository.commit("first", a__txt="one\n")
    try:
        other.workstreams("a: {branch: w/a, run: 'true'}", head=head(sshd))
        refused = other.run("up")
        assert refused.code in (1, 3)
        assert "another" in refused.out + refused.err
        text = (other.root / "waves.yaml").read_text().replace("project: p\n", "project: q\n")
        other.plan(text)
        other.ok("down")
        other.ok("up")
        other.until("a", "done")
        assert remote.state_of("a") == "running"
    finally:
        other.run("down")
