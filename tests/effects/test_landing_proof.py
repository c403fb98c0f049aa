"""The proof after a landing, and the push after the proof, on real commits and a real remote."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core import facts as f
from orchestrator.errors import Refused
from orchestrator.land import recover
from orchestrator.land.landing import begin
from orchestrator.land.moving import carry_out, take_back
from orchestrator.land.proof import Claim, claim_of, disproved
from orchestrator.land.proposal import propose
from orchestrator.land.recovery import move_of
from tests.support.landing import Desk, Scene, merge, scene_fixture, workstream

__all__ = ["scene_fixture"]


def two_ready(scene: Scene, **fields: object) -> Desk:
    scene.work("a", {"a.new": "new\n", "a.txt": "ONE\ntwo\nthree\n"})
    scene.work("b", {"b.new": "b\n"})
    return scene.desk(workstream("a"), workstream("b"), **fields)


def moved(scene: Scene, desk: Desk, tree: str | None = None) -> f.LandingBegun:
    """A landing whose refs have moved, and whose end is not recorded; to another tree than was gated."""
    proposal = propose(desk, desk.plan.workstream("a").wave)
    assert proposal.candidate is not None
    candidate = proposal.candidate
    if tree is not None:
        parents = [part for tip in proposal.tips.values() for part in ("-p", tip)]
        made = scene.repo.git("commit-tree", tree, "-p", proposal.base, *parents, "-m", "not what was gated")
        candidate = replace(candidate, commit=made)
    begun = begin(desk, proposal, candidate, ())
    desk.record(begun)
    carry_out(desk.home, move_of(begun))
    return begun


def claim(scene: Scene, desk: Desk, begun: f.LandingBegun) -> Claim:
    return claim_of(begun, begun.tree)


def test_a_sound_landing_is_proved(scene: Scene) -> None:
    desk = two_ready(scene)
    begun = moved(scene, desk)
    assert disproved(desk.home.git, claim(scene, desk, begun)) == ()


def test_base_renamed_what_a_branch_edits(scene: Scene) -> None:
    desk = two_ready(scene)
    scene.repo.git("mv", "a.txt", "moved.txt")
    scene.repo.commit("moved")
    report = merge(desk)
    assert report.ok, report.reasons
    assert (scene.root / "moved.txt").read_text() == "ONE\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("more\n", "README.md changed, and no workstream changed it"),
        (None, "README.md is gone, and no workstream deleted it"),
    ],
)
def test_what_nobody_changed_disproves_and_undoes_it(scene: Scene, content: str | None, said: str) -> None:
    desk = two_ready(scene)
    place = scene.root.parent / "elsewhere"
    scene.repo.git("worktree", "add", "--quiet", "--detach", str(place), "main")
    scene.repo.git("merge", "--quiet", "--no-edit", "p/a", "p/b", cwd=place)
    (place / "README.md").unlink()
    if content is not None:
        (place / "README.md").write_text(content)
    scene.repo.git("commit", "--quiet", "-am", "smuggled in", cwd=place)
    tree = scene.repo.git("rev-parse", "HEAD^{tree}", cwd=place)
    refs, status = scene.refs(), scene.status()
    begun = moved(scene, desk, tree)
    assert scene.refs()["refs/heads/main"] == begun.candidate
    recover(desk)
    assert scene.refs() == refs and scene.status() == status
    (undone,) = desk.of_kind(f.LandingUndone)
    assert said in undone.reasons
    assert any("the gates ran on" in reason for reason in undone.reasons)
    assert desk.state.wave(1).landing is None and desk.of_kind(f.WaveLanded) == []
    assert merge(desk).ok


def test_a_tip_that_is_not_in_base_disproves_it(scene: Scene) -> None:
    desk = two_ready(scene)
    begun = moved(scene, desk)
    more = scene.work("a", {"later": "1\n"})
    told = disproved(desk.home.git, replace(claim(scene, desk, begun), tips={"a": more}))
    assert f"a: its commit {more} is not in main" in told


def test_base_that_lost_the_landing_is_said(scene: Scene) -> None:
    desk = two_ready(scene)
    begun = moved(scene, desk)
    scene.repo.git("reset", "--quiet", "--hard", begun.base_before)
    assert "does not contain what landed" in disproved(desk.home.git, claim(scene, desk, begun))[0]
    with pytest.raises(Refused, match="not undone"):
        take_back(desk.home, move_of(begun))


# --- the push -------------------------------------------------------------------------------------


def bare_remote(scene: Scene) -> Path:
    remote = scene.root.parent / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(remote)], check=True)
    scene.repo.git("remote", "add", "origin", str(remote))
    scene.repo.git("push", "--quiet", "origin", "main")
    return remote


def remote_refs(scene: Scene, remote: Path) -> list[str]:
    return scene.repo.git("for-each-ref", "--format=%(refname)", cwd=remote).splitlines()


def test_a_push_that_a_hook_refuses_can_be_repeated(scene: Scene) -> None:
    remote = bare_remote(scene)
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    desk = two_ready(scene, remote="origin")
    report = merge(desk)
    assert report.ok and (report.pushed, report.push_cause) == (False, "rejected")
    assert remote_refs(scene, remote) == ["refs/heads/main"]
    (refused,) = desk.of_kind(f.WavePushRefused)
    assert refused.cause == "rejected" and "pre-receive hook declined" in refused.reason
    hook.unlink()
    again = merge(desk)
    assert again.ok and again.already_landed and again.pushed is True
    assert remote_refs(scene, remote) == ["refs/heads/main", "refs/tags/p/wave1"]
    assert [fact.commit for fact in desk.of_kind(f.WavePushed)] == [report.base_after]
    assert merge(desk).pushed is True and len(desk.of_kind(f.WavePushed)) == 1


def test_a_remote_that_cannot_be_asked_is_a_failure_and_no_refusal(scene: Scene) -> None:
    remote = bare_remote(scene)
    desk = two_ready(scene, remote="origin")
    away = remote.rename(remote.with_name("away.git"))
    report = merge(desk)
    assert report.ok and (report.pushed, report.push_cause) == (False, "failed")
    away.rename(remote)
    assert merge(desk).pushed is True


def test_a_remote_that_others_moved_is_never_overwritten(scene: Scene) -> None:
    remote = bare_remote(scene)
    clone = scene.root.parent / "clone"
    scene.repo.git("clone", "--quiet", str(remote), str(clone))
    theirs = scene.repo.commit_files("theirs", {"theirs": "1"}, cwd=clone)
    scene.repo.git("push", "--quiet", cwd=clone)
    desk = two_ready(scene, remote="origin")
    report = merge(desk)
    assert (report.pushed, report.push_cause) == (False, "moved")
    assert scene.repo.git("rev-parse", "main", cwd=remote) == theirs
    scene.repo.git("pull", "--quiet", "--no-rebase", "--no-edit", "origin", "main")
    scene.repo.git("push", "--quiet", "origin", "main")
    assert merge(desk).pushed is True
    assert remote_refs(scene, remote) == ["refs/heads/main", "refs/tags/p/wave1"]


def test_a_tag_of_somebody_else_over_there_is_left_alone(scene: Scene) -> None:
    remote = bare_remote(scene)
    scene.repo.git("tag", "p/wave1", cwd=remote)
    report = merge(two_ready(scene, remote="origin"))
    assert (report.pushed, report.push_cause) == (False, "moved")
    assert "refs/tags/p/wave1: the remote has another" in (report.push_error or "")
    assert scene.repo.git("rev-parse", "main", cwd=remote) == report.base_before
