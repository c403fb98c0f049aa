"""Several hosts behind real servers: one that hangs delays nobody, and two daemons never share one."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.eventually import eventually
from tests.support.project import Project
from tests.support.sshd import Sshd, run_sshd

HOSTS = ("one", "two", "three")
Farm = dict[str, Sshd]


@pytest.fixture
def farm(project: Project, tmp_path: Path) -> Iterator[Farm]:
    """Three hosts, each a server of its own, named in one client configuration."""
    with ExitStack() as opened:
        servers = {name: opened.enter_context(run_sshd(tmp_path / name, name)) for name in HOSTS}
        config = tmp_path / "ssh_config"
        config.write_text("\n".join(server.config.read_text() for server in servers.values()))
        project.env["ORCHESTRATOR_SSH_CONFIG"] = str(config)
        yield servers


def hosts(farm: Farm) -> str:
    lines = (
        f"  {name}: {{ssh: {name}, root: {server.home}/clones, python: {sys.executable}}}"
        for name, server in farm.items()
    )
    return "hosts:\n" + "\n".join(lines)


def host(project: Project, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(h for h in project.ok("status", "--json").json["hosts"] if h["name"] == name)
    return found


def test_a_frozen_host_delays_nobody(project: Project, farm: Farm) -> None:
    project.workstreams(
        *(
            f"{name}-{n}: {{branch: w/{name}{n}, host: {name}, run: 'sleep 300'}}"
            for name in HOSTS
            for n in "ab"
        ),
        "late: {branch: w/late, host: two, run: 'exit 0'}",
        head=hosts(farm),
    )
    project.ok("up", *(f"{name}-{n}" for name in HOSTS for n in "ab"))
    farm["one"].freeze()
    frozen_at = time.monotonic()
    try:
        # In the seconds in which nobody knows yet: launch, end, stop, peek on the others.
        project.ok("up", "late", within_s=15)
        project.until("late", "done", within_s=10)
        project.ok("stop", "two-a", "three-a", within_s=15)
        assert project.ok("status", "--json", within_s=10).json["daemon"]["running"]
        seen = {w["name"]: w for w in project.ok("peek", "--json", within_s=40).json["workstreams"]}
        assert seen["two-b"]["exists"] and seen["three-b"]["exists"] and seen["one-a"]["exists"] is None
        left_s = 20 - (time.monotonic() - frozen_at)
        eventually(lambda: host(project, "one")["reachable"] is False, max(left_s, 0.1), "known to be silent")
        assert project.run("conflicts", within_s=10).code == 0  # it is not asked once more
        # What was asked of the frozen host is told to be out of reach; the others' part is done.
        up = project.run("up", "one-a", "two-a", within_s=30)
        assert project.state_of("two-a") == "running"
        stopped = project.run("stop", "one-b", "three-b", within_s=30)
        assert stopped.code == 3 and "one-b" in stopped.err and project.state_of("three-b") == "stopped"
        assert up.code == 0 and project.state_of("one-a") == "running"
    finally:
        farm["one"].thaw()
    eventually(lambda: host(project, "one")["reachable"] is True, 10, "back")
    project.until("one-b", "stopped", within_s=20)
    assert project.status("one-a")["attempt"] == 1
    assert len([e for e in project.events("Launched") if e["workstream"] == "one-a"]) == 1


def test_a_frozen_host_does_not_keep_the_daemon_from_ending(project: Project, farm: Farm) -> None:
    project.workstreams(
        "a: {branch: w/a, host: one, run: 'sleep 300'}",
        "b: {branch: w/b, host: two, run: 'sleep 300'}",
        head=hosts(farm),
    )
    project.ok("up")
    farm["one"].freeze()
    try:
        down = project.run("down", within_s=40)
        assert down.code == 3 and "a" in down.err and "stopped b" in down.out
        assert project.daemon_pid() is None
    finally:
        farm["one"].thaw()


@pytest.fixture
def desk(project: Project, tmp_path: Path) -> Iterator[Project]:
    """Another clone of the same project, as on another machine."""
    other = Project(tmp_path / "desk", project.tmux_folder)
    other.env["ORCHESTRATOR_SSH_CONFIG"] = project.env["ORCHESTRATOR_SSH_CONFIG"]
    other.git("pull", "-q", str(project.root), "main")
    yield other
    other.end()


def test_two_daemons_never_share_a_host(project: Project, farm: Farm, desk: Project) -> None:
    """`a` is the same in both plans, `b` is not."""
    for side, seconds in ((project, 300), (desk, 301)):
        side.workstreams(
            "a: {branch: w/a, host: one, run: 'sleep 300'}",
            f"b: {{branch: w/b, host: one, run: 'sleep {seconds}'}}",
            head=hosts(farm),
        )
    project.ok("up")
    _the_second_is_refused_and_may_look(project, desk)
    taken = desk.run("up", "--take-over", "one")
    assert taken.code == 1 and "still runs the launch b-1-" in taken.err + taken.out
    assert "a  taken over in stage run" in taken.out
    (event,) = eventually(lambda: desk.events("HostTakenOver"), 20, "the change of hands is written down")
    assert event["before"].endswith(str(project.root))
    (adopted,) = desk.events("LaunchAdopted")
    assert adopted["launch"] == project.events("Launched")[0]["launch"] and desk.events("Launched") == []
    assert desk.status("a")["state"] == "running" and desk.status("a")["worktree"] == adopted["worktree"]
    _the_first_learns_that_it_lost(project, desk)
    # The worker is ended as the refusal says; who lost the host starts nothing in its place.
    farm["one"].tmux("kill-session", "-t", "=p_b")
    eventually(lambda: desk.run("up").code == 0, 20, "the new owner starts its own")
    assert desk.state_of("b") == "running" and len(project.events("Launched")) == 2
    # What was adopted is ended and begun like any other, and taken back as it is then.
    desk.ok("restart", "a")
    desk.until("a", "running")
    project.run("up", "--take-over", "one")
    eventually(lambda: "taken over" in host(desk, "one")["reason"], 20, "the other way round")
    back = eventually(lambda: project.events("LaunchAdopted"), 20, "what runs by now is adopted")
    assert [one["launch"] for one in back or ()] == [desk.events("Launched")[-1]["launch"]]
    assert project.until("a", "running")["attempt"] == 2


def _the_second_is_refused_and_may_look(first: Project, second: Project) -> None:
    refused = second.run("up")
    said = refused.out + refused.err
    assert refused.code == 3 and f":{first.root} since" in said and "last seen" in said
    assert "orchestrator up --take-over one" in said
    assert host(second, "one")["reachable"] is False and first.state_of("a") == "running"
    assert second.ok("peek", "a", "--json").json["workstreams"][0]["exists"] is True
    assert second.run("send", "a", "exit").code == 1
    assert second.run("up", "--take-over", "on").code == 2


def _the_first_learns_that_it_lost(first: Project, second: Project) -> None:
    def lost() -> bool:
        seen = host(first, "one")
        return seen["reachable"] is False and "taken over by" in seen["reason"]

    eventually(lost, 20, "it learns so")
    assert str(second.root) in host(first, "one")["reason"]
    assert first.state_of("a") == "running"
    first.run("restart", "a", within_s=30)
    assert len(first.events("Launched")) == 2
