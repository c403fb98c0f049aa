"""Where branches stand, here and on a host behind a real sshd; and landing what a host has made."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core import facts as f
from orchestrator.core.plan import Host, HostName
from orchestrator.errors import HostUnreachable
from orchestrator.site import Site
from orchestrator.tips import known_tips, read_tips
from tests.support.landing import Desk, Scene, gate, merge, scene_fixture, workstream
from tests.support.sshd import Sshd

__all__ = ["scene_fixture"]

GPU = HostName("gpu")
PLAN = """\
version: 1
project: p
hosts:
  gpu: {{ssh: gpu, root: "{root}"}}
waves:
  1: {{workstreams: {{a: {{host: gpu, run: "true", branch: p/a}}, b: {{branch: p/b}}}}}}
"""


class Away:
    """A wave with `a` on the host and `b` here. `clone` is the host's, `work` its worktree of `a`."""

    def __init__(self, scene: Scene, sshd: Sshd) -> None:
        self.scene = scene
        (scene.root / "waves.yaml").write_text(PLAN.format(root=sshd.home))
        tests = gate("tests", "pwd; test -e a.new -o -e b.new")
        streams = (workstream("a", tests, host=GPU), workstream("b", tests))
        self.desk: Desk = scene.desk(*streams, hosts=(sshd.host(),))
        self.clone = sshd.home / "p"
        self.work = sshd.home / "p.worktrees" / "a"

    def start(self) -> None:
        self.desk.site(GPU).send([self.scene.tip("main")], {})
        start = self.scene.tip("main")
        self.scene.repo.git("worktree", "add", "-b", "p/a", str(self.work), start, cwd=self.clone)
        self.commit({"a.new": "1"})

    def commit(self, files: dict[str, str]) -> str:
        return self.scene.repo.commit_files("over there", files, cwd=self.work)


@pytest.fixture
def away(scene: Scene, sshd: Sshd) -> Iterator[Away]:
    found = Away(scene, sshd)
    found.start()
    yield found


def test_local_branches_that_exist_count(scene: Scene) -> None:
    tip = scene.work("a", {"a": "1"})
    desk = scene.desk(workstream("a"), workstream("b"))
    assert read_tips(desk) == known_tips(desk.home, desk.plan) == {"a": tip}
    assert read_tips(desk, ["b"]) == {}


def test_a_hosts_branch_is_fetched_and_the_local_one_follows(away: Away) -> None:
    scene, desk = away.scene, away.desk
    for n in range(2):
        tip = away.commit({"n": str(n)})
        assert read_tips(desk) == {"a": tip}
        assert scene.refs()["refs/orchestrator/hosts/gpu/p/a"] == scene.tip("p/a") == tip
    assert known_tips(desk.home, desk.plan) == {"a": tip}


def test_a_local_branch_that_is_checked_out_or_went_its_own_way_is_left_alone(away: Away) -> None:
    scene, desk = away.scene, away.desk
    scene.repo.git("checkout", "--quiet", "-b", "p/a")
    mine = scene.tip("main")
    assert read_tips(desk)["a"] == scene.repo.git("rev-parse", "p/a", cwd=away.clone)
    assert scene.tip("p/a") == mine
    mine = scene.repo.commit("mine")
    scene.repo.git("checkout", "--quiet", "main")
    assert read_tips(desk)["a"] != mine and scene.tip("p/a") == mine


def test_a_branch_that_stands_only_here_counts_and_its_gates_run_over_there(scene: Scene, sshd: Sshd) -> None:
    away = Away(scene, sshd)
    tip = scene.work("a", {"a.new": "1"})
    assert read_tips(away.desk) == {"a": tip}
    scene.work("b", {"b.new": "1"})
    assert merge(away.desk).reasons == ()


def test_a_host_that_is_gone_refuses_or_is_left_out(away: Away, sshd: Sshd) -> None:
    here = away.scene.work("b", {"b.new": "1"})
    there = read_tips(away.desk)["a"]
    sshd.stop()
    away.desk.sites.close_all()
    with pytest.raises(HostUnreachable, match="gpu"):
        read_tips(away.desk)
    assert read_tips(away.desk, reachable_only=True) == {"b": here}
    assert known_tips(away.desk.home, away.desk.plan) == {"a": there, "b": here}
    assert read_tips(away.desk, ["b"]) == {"b": here}


def test_a_host_that_does_not_answer_delays_no_other(
    scene: Scene, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dead one is first in the plan, and gives up only after the other has been asked."""
    away, dead = Away(scene, sshd), HostName("dead")
    away.start()
    desk = scene.desk(
        workstream("c", host=dead),
        workstream("a", host=GPU),
        hosts=(Host(name=dead, ssh="dead"), sshd.host()),
    )
    other_asked, open_site = threading.Event(), desk.site

    def site(host: HostName) -> Site:
        if host == dead:
            assert other_asked.wait(20)
            raise HostUnreachable("dead did not answer")
        other_asked.set()
        return open_site(host)

    monkeypatch.setattr(desk, "site", site)
    assert list(read_tips(desk, reachable_only=True)) == ["a"] and desk.said == ["dead: dead did not answer"]
    with pytest.raises(HostUnreachable, match="dead"):
        read_tips(desk)


def test_a_wave_over_two_machines_lands(away: Away, sshd: Sshd) -> None:
    scene, desk = away.scene, away.desk
    scene.work("b", {"b.new": "1"})
    report = merge(desk)
    assert report.reasons == () and report.landed == ("a", "b")
    assert (scene.root / "a.new").exists() and (scene.root / "b.new").exists()
    log = next(v.log for v in report.gates if v.workstream == "a")
    assert log is not None and Path(log).is_relative_to(sshd.home)
    assert Path(log).read_text().startswith(str(sshd.home))


def test_uncommitted_changes_over_there_are_named(away: Away) -> None:
    away.scene.work("b", {"b.new": "1"})
    (away.work / "a.txt").write_text("edited")
    assert merge(away.desk).reasons == (f"a: uncommitted changes in {away.work}: a.txt",)


def test_a_tip_that_moved_over_there_meanwhile_is_not_landed(scene: Scene, sshd: Sshd) -> None:
    away = Away(scene, sshd)
    away.start()
    scene.work("b", {"b.new": "1"})
    move = f"git -C '{away.work}' -c user.name=a -c user.email=a@b commit -q --allow-empty -m more"
    streams = (workstream("a", gate("tests", move), host=GPU), workstream("b"))
    desk = scene.desk(*streams, hosts=(sshd.host(),))
    assert merge(desk).reasons == ("a: its branch moved meanwhile; run it again",)
    assert desk.of_kind(f.LandingBegun) == []
