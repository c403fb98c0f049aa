from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.core import facts as f
from orchestrator.core.plan import Gate
from orchestrator.core.state import Done, Merged
from orchestrator.errors import CommandFailed, Refused, UsageError
from orchestrator.land import recover
from orchestrator.land.following import hold_index
from orchestrator.land.moving import NotMoved, carry_out
from orchestrator.land.recovery import INTERRUPTED, landing_lock, move_of
from orchestrator.site import find_home
from tests.core.plans import plan_of
from tests.support.landing import Desk, Scene, check, gate, merge, scene_fixture, workstream

__all__ = ["scene_fixture"]


def one_ready(scene: Scene, *gates: Gate, **fields: object) -> Desk:
    """A wave of one finished workstream, `a`, whose branch adds `a.new` and edits `a.txt`."""
    scene.work("a", {"a.new": "new\n", "a.txt": "ONE\ntwo\nthree\n"})
    return scene.desk(workstream("a", *gates), **fields)


def refused(scene: Scene, desk: Desk) -> tuple[str, ...]:
    """The reasons of a merge that must change nothing."""
    refs, status, head = scene.refs(), scene.status(), scene.tip("HEAD")
    report = merge(desk)
    assert not report.ok and report.landed == ()
    assert (scene.refs(), scene.status(), scene.tip("HEAD")) == (refs, status, head)
    assert desk.of_kind(f.WaveLanded) == [] and desk.state.wave(1).landing is None
    return report.reasons


# --- landing --------------------------------------------------------------------------------------


def test_three_branches_land_in_the_plans_order(scene: Scene) -> None:
    names = ("zeta", "alpha", "mid")
    for name in names:
        scene.work(name, {f"{name}.txt": name})
    before = scene.tip("main")
    ok = gate("tests", "test -f README.md")
    together = gate("all", "ls zeta.txt alpha.txt mid.txt")
    desk = scene.desk(
        *(workstream(name, ok, gate("clean-merge")) for name in names),
        waves={1: {"goal": "three", "gates": (together,)}},
    )

    report = merge(desk)

    assert report.ok and report.landed == names, report.reasons
    assert (report.base_before, report.base_after) == (before, scene.tip("main"))
    assert scene.graph().splitlines() == [
        "wave 1: merge mid (p/mid)",
        "wave 1: merge alpha (p/alpha)",
        "wave 1: merge zeta (p/zeta)",
        "first",
    ]
    assert scene.status() == ""
    assert (scene.root / "zeta.txt").read_text() == "zeta"
    assert scene.tip("integration/wave1") == scene.tip("main") == scene.tip("p/wave1^{commit}")
    assert all(isinstance(desk.state.of(name).phase, Merged) for name in names)
    assert "refs/orchestrator/candidates/wave1" not in scene.refs()


def test_the_tag_says_what_landed_and_what_proved_it(scene: Scene) -> None:
    desk = one_ready(scene, gate("tests", "true"), waves={1: {"goal": "a goal"}})
    merge(desk)
    said = scene.repo.git("cat-file", "tag", "p/wave1")
    assert "tagger orchestrator <orchestrator@localhost>" in said
    body = said.partition("\n\n")[2]
    assert body.splitlines() == ["wave 1: a goal", "", f"a {scene.tip('p/a')}", "", "tests of a: green"]


def test_the_document_has_what_the_interface_promises(scene: Scene) -> None:
    document = merge(one_ready(scene, gate("tests", "true"))).document()
    assert document["wave"] == 1 and document["ok"] is True and document["landed"] == ["a"]
    assert document["left_out"] == [] and document["reasons"] == []
    (one,) = document["gates"]
    assert (one["gate"], one["workstream"], one["ok"], one["cached"]) == ("tests", "a", True, False)
    assert Path(one["log"]).is_absolute() and one["seconds"] >= 0
    assert re.fullmatch(r"[0-9a-f]{40}", document["base_before"])
    assert document["base_after"] == document["candidate"] == scene.tip("main")
    assert document["tag"] == "p/wave1"


def test_facts_tell_the_landing_from_asking_to_its_end(scene: Scene) -> None:
    desk = one_ready(scene, gate("tests", "true"))
    merge(desk)
    kinds = [type(fact).__name__ for fact in desk.facts]
    assert kinds == [
        "DoneAsked",
        "LandingAsked",
        "WaveProposed",
        "GateFinished",
        "LandingBegun",
        "WaveLanded",
    ]
    assert "tests of a: green (0 s)" in desk.said


def test_a_landed_wave_is_landed_already(scene: Scene) -> None:
    desk = one_ready(scene)
    first = merge(desk)
    again = merge(desk)
    assert again.ok and again.already_landed
    assert (again.landed, again.base_after) == (first.landed, first.base_after)


def test_a_done_workstream_without_commits_lands_as_nothing(scene: Scene) -> None:
    scene.repo.git("branch", "p/idle", "main")
    scene.work("a", {"a.new": "new"})
    report = merge(scene.desk(workstream("idle"), workstream("a")))
    assert report.ok and report.landed == ("idle", "a")
    assert report.notes == ("idle: no commits that main lacks; nothing to merge",)
    assert scene.graph().splitlines() == ["wave 1: merge a (p/a)", "first"]


def test_a_wave_that_brings_nothing_is_tagged_where_base_is(scene: Scene) -> None:
    scene.repo.git("branch", "p/idle", "main")
    before = scene.tip("main")
    report = merge(scene.desk(workstream("idle")))
    assert report.ok and report.base_before == report.base_after == before
    assert scene.tip("p/wave1^{commit}") == before


def test_a_dry_run_proves_and_moves_nothing(scene: Scene) -> None:
    desk = one_ready(scene, gate("tests", "true"))
    refs = scene.refs()
    report = merge(desk, dry_run=True)
    assert report.ok and report.dry_run and report.landed == ("a",)
    assert report.base_before == report.base_after == scene.tip("main")
    assert scene.refs() == refs
    assert [type(fact) for fact in desk.facts] == [f.DoneAsked, f.GateFinished]


def test_waves_land_one_after_the_other(scene: Scene) -> None:
    scene.work("a", {"a.new": "new"})
    scene.work("b", {"b.new": "new"})
    desk = scene.desk(workstream("a"), workstream("b", wave=2), workstream("c", wave=3))
    assert merge(desk, 2).reasons == ("wave 1 lands first: waves land in ascending order",)
    assert merge(desk, 3).reasons[0] == "waves 1 and 2 land first: waves land in ascending order"
    assert merge(desk, 1).ok
    assert merge(desk, 2).ok
    assert scene.graph().splitlines() == ["wave 2: merge b (p/b)", "wave 1: merge a (p/a)", "first"]


def test_hooks_neither_run_nor_veto(scene: Scene) -> None:
    desk = one_ready(scene)
    for name in ("reference-transaction", "post-merge", "post-checkout", "pre-push", "post-index-change"):
        hook = scene.root / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch '{scene.root}/{name}.ran'\nexit 1\n")
        hook.chmod(0o755)
    report = merge(desk)
    for hook in (scene.root / ".git" / "hooks").iterdir():
        hook.unlink()
    assert report.ok
    assert list(scene.root.glob("*.ran")) == []


def test_names_with_spaces_and_letters_of_any_script(scene: Scene) -> None:
    desk = scene.desk(workstream("a"))
    scene.work("a", {"data set/übung [1]*.txt": "α", "日本.txt": "語"})
    assert merge(desk).ok
    assert (scene.root / "data set" / "übung [1]*.txt").read_text() == "α"
    assert scene.status() == ""


# --- refusals -------------------------------------------------------------------------------------


def test_an_unknown_wave_is_wrong_usage(scene: Scene) -> None:
    with pytest.raises(UsageError, match="no wave 7"):
        merge(one_ready(scene), 7)


def test_workstreams_that_are_not_done_are_all_named(scene: Scene) -> None:
    scene.work("a", {"a.new": "new"})
    desk = scene.desk(workstream("a"), workstream("b"), workstream("c"), done=False)
    desk.finish("a")
    desk.record(f.StartAsked(workstream="c", by="test"))
    report = merge(desk)
    assert report.reasons == (
        "b: is waiting (not started: orchestrator up), not done",
        "c: is waiting, not done",
        "b: its branch p/b does not exist",
        "c: its branch p/c does not exist",
    )
    assert [one.name for one in report.left_out] == ["b", "c"]
    assert desk.of_kind(f.LandingRefused)[0].reasons == report.reasons


def test_a_conflict_names_both_sides_and_the_files(scene: Scene) -> None:
    scene.work("a", {"a.txt": "A\ntwo\nthree\n"})
    scene.work("b", {"a.txt": "B\ntwo\nthree\n"})
    desk = scene.desk(workstream("a"), workstream("b"))
    assert refused(scene, desk) == ("b: conflicts with a in a.txt (content)",)


def test_a_red_gate_is_named_with_its_end_and_log(scene: Scene) -> None:
    desk = one_ready(scene, gate("tests", "echo it broke; exit 3"), gate("types", "true"))
    (reason,) = refused(scene, desk)
    assert reason.startswith("a: tests is red: exit status 3; see ")
    assert Path(reason.rpartition("see ")[2]).read_text() == "it broke\n"


def test_a_red_wave_gate_is_the_waves(scene: Scene) -> None:
    """Each branch passes alone; together they do not."""
    scene.work("a", {"left": "1"})
    scene.work("b", {"right": "1"})
    alone = gate("alone", "test ! -e left -o ! -e right")
    desk = scene.desk(workstream("a", alone), workstream("b", alone), waves={1: {"gates": (alone,)}})
    (reason,) = refused(scene, desk)
    together = "b: alone is red with it and a together (3 of 3 runs), and green with each alone; see "
    assert reason.startswith(together)


def test_uncommitted_changes_in_a_worktree_are_named_and_untracked_files_only_listed(scene: Scene) -> None:
    desk = one_ready(scene)
    path = scene.worktrees / "a"
    (path / "a.txt").write_text("edited\n")
    (path / "README.md").write_text("staged\n")
    scene.repo.git("add", "README.md", cwd=path)
    (path / "notes").write_text("mine\n")
    assert refused(scene, desk) == (f"a: uncommitted changes in {path}: README.md, a.txt",)
    scene.repo.git("reset", "--quiet", "--hard", cwd=path)
    report = merge(desk)
    assert report.ok and report.notes == ("a: untracked, not part of the landing: notes",)


def test_an_operation_under_way_in_a_worktree_refuses(scene: Scene) -> None:
    desk = one_ready(scene)
    path = scene.worktrees / "a"
    (path / ".git").read_text()
    folder = Path(scene.repo.git("rev-parse", "--absolute-git-dir", cwd=path))
    (folder / "MERGE_HEAD").write_text(scene.tip("main") + "\n")
    assert refused(scene, desk) == (f"a: a merge is under way in {path}",)


def test_all_reasons_that_can_be_known_together_are_given_together(scene: Scene) -> None:
    scene.work("a", {"a.txt": "A\n"})
    scene.work("b", {"a.txt": "B\n"})
    (scene.worktrees / "a" / "README.md").write_text("edited\n")
    scene.repo.git("tag", "p/wave1")
    desk = scene.desk(workstream("a"), workstream("b"), workstream("c"), done=False)
    desk.finish("a", "b")
    said = " | ".join(refused(scene, desk))
    for part in ("c: is waiting", "p/c does not exist", "README.md", "b: conflicts with", "tag p/wave1"):
        assert part in said


def test_a_tag_that_exists_is_left_alone(scene: Scene) -> None:
    desk = one_ready(scene)
    scene.repo.git("tag", "p/wave1")
    assert refused(scene, desk) == (
        "the tag p/wave1 exists already; rename or delete it: git tag -d p/wave1",
    )


def test_a_tag_that_leaves_no_room_is_named(scene: Scene) -> None:
    desk = one_ready(scene)
    scene.repo.git("tag", "p")
    assert refused(scene, desk) == ("the tag p leaves no room for the tag p/wave1; rename it",)


def test_an_integration_branch_of_somebody_else_is_left_alone(scene: Scene) -> None:
    desk = one_ready(scene)
    scene.repo.branch("integration/wave1", own="work")
    assert refused(scene, desk) == (
        "the branch integration/wave1 has commits of its own; rename or delete it",
    )


def test_an_integration_branch_that_is_checked_out_is_named(scene: Scene) -> None:
    desk = one_ready(scene)
    where = scene.root.parent / "elsewhere"
    scene.repo.git("worktree", "add", "--quiet", "-b", "integration/wave1", str(where), "main")
    assert refused(scene, desk) == (
        f"the branch integration/wave1 is checked out in {where}; switch that to another",
    )


def test_base_moved_by_a_gate_is_not_overwritten(scene: Scene) -> None:
    move = f"git -C '{scene.root}' commit --quiet --allow-empty -m theirs"
    desk = one_ready(scene, gate("tests", f"env -u GIT_DIR {move}"))
    report = merge(desk)
    (reason,) = report.reasons
    there = scene.refs()["refs/heads/main"]
    assert reason.startswith("main moved meanwhile, from ")
    assert reason.endswith(f" to {there[:12]}; run it again")
    assert scene.graph().splitlines() == ["theirs", "first"]
    assert report.base_after == scene.tip("main")
    assert "refs/tags/p/wave1" not in scene.refs()


def test_a_tip_moved_by_a_gate_is_not_landed(scene: Scene) -> None:
    move = f"git -C '{scene.worktrees}/a' commit --quiet --allow-empty -m more"
    desk = one_ready(scene, gate("tests", move))
    report = merge(desk)
    assert report.reasons == ("a: its branch moved meanwhile; run it again",)
    assert scene.graph() == "first"


def test_one_landing_at_a_time(scene: Scene) -> None:
    desk = one_ready(scene)
    with landing_lock(desk.home), pytest.raises(Refused, match="another landing"):
        merge(desk)


# --- base checked out -----------------------------------------------------------------------------


def test_the_users_own_changes_elsewhere_survive_as_they_were(scene: Scene) -> None:
    desk = one_ready(scene)
    scene.repo.commit_files("more", {"staged.txt": "s\n", "unstaged.txt": "u\n"})
    (scene.root / "staged.txt").write_text("mine\n")
    scene.repo.git("add", "staged.txt")
    (scene.root / "unstaged.txt").write_text("mine too\n")
    (scene.root / "untracked.txt").write_text("and this\n")
    before = subprocess.check_output(["git", "status", "--porcelain"], cwd=scene.root)
    assert merge(desk).ok
    assert subprocess.check_output(["git", "status", "--porcelain"], cwd=scene.root) == before
    assert before.decode().splitlines() == ["M  staged.txt", " M unstaged.txt", "?? untracked.txt"]
    assert (scene.root / "unstaged.txt").read_text() == "mine too\n"
    assert (scene.root / "a.new").read_text() == "new\n"


@pytest.mark.parametrize("staged", [False, True])
def test_the_users_own_changes_in_the_way_are_named(scene: Scene, staged: bool) -> None:
    desk = one_ready(scene)
    (scene.root / "a.txt").write_text("mine\n")
    if staged:
        scene.repo.git("add", "a.txt")
    assert refused(scene, desk) == (f"{scene.root}: your uncommitted changes are in the way: a.txt",)
    assert (scene.root / "a.txt").read_text() == "mine\n"


@pytest.mark.parametrize("ignored", [False, True])
def test_files_git_does_not_track_are_never_overwritten(scene: Scene, ignored: bool) -> None:
    desk = one_ready(scene)
    if ignored:
        (scene.root / ".git" / "info" / "exclude").write_text("*.new\n")
    (scene.root / "a.new").write_text("mine\n")
    assert refused(scene, desk) == (f"{scene.root}: untracked or ignored files are in the way: a.new",)
    assert (scene.root / "a.new").read_text() == "mine\n"


@pytest.mark.parametrize(("mine", "theirs"), [("data", "data/set"), ("data/set", "data")])
def test_files_and_folders_in_each_others_way_are_named(scene: Scene, mine: str, theirs: str) -> None:
    scene.work("a", {theirs: "theirs"})
    (scene.root / ".git" / "info" / "exclude").write_text("data\n")
    (scene.root / mine).parent.mkdir(exist_ok=True)
    (scene.root / mine).write_text("mine")
    desk = scene.desk(workstream("a"))
    assert refused(scene, desk) == (f"{scene.root}: untracked or ignored files are in the way: {mine}",)
    assert (scene.root / mine).read_text() == "mine"


def test_a_touched_file_is_no_change(scene: Scene) -> None:
    desk = one_ready(scene)
    (scene.root / "a.txt").touch()
    assert merge(desk).ok
    assert (scene.root / "a.txt").read_text() == "ONE\ntwo\nthree\n"


def test_base_in_a_linked_worktree_follows(scene: Scene) -> None:
    desk = one_ready(scene)
    linked = scene.root.parent / "linked base"
    scene.repo.git("checkout", "--quiet", "-b", "other")
    scene.repo.git("worktree", "add", "--quiet", str(linked), "main")
    assert merge(desk).ok
    assert scene.status(linked) == "" and (linked / "a.new").exists()
    assert not (scene.root / "a.new").exists() and scene.status() == ""


def test_base_that_is_checked_out_nowhere_moves_alone(scene: Scene) -> None:
    desk = one_ready(scene)
    scene.repo.git("checkout", "--quiet", "--detach")
    assert merge(desk).ok
    assert not (scene.root / "a.new").exists()
    assert scene.repo.git("show", "main:a.new") == "new"


def test_a_bare_repository_lands(scene: Scene) -> None:
    scene.work("a", {"a.new": "new"})
    bare = scene.root.parent / "bare.git"
    scene.repo.git("clone", "--quiet", "--bare", str(scene.root), str(bare))
    plan = plan_of(bare, workstream("a", gate("tests", "test -e a.new"), gate("clean-merge")))
    desk = Desk(plan, find_home(bare))
    desk.finish()
    report = merge(desk)
    assert report.reasons == () and len(report.gates) == 2
    assert scene.repo.git("show", "main:a.new", cwd=bare) == "new"


@pytest.mark.parametrize("operation", ["merge", "rebase"])
def test_base_in_the_middle_of_something_refuses(scene: Scene, operation: str) -> None:
    desk = one_ready(scene)
    scene.repo.branch("side", README__md="side")
    scene.repo.commit("on base", README__md="base")
    subprocess.run(["git", operation, "side"], cwd=scene.root, capture_output=True, check=False)
    report = merge(desk)
    what = "a rebase of main" if operation == "rebase" else "a merge"
    assert report.reasons == (f"{scene.root}: {what} is under way",)


@pytest.mark.parametrize("standing", [False, True])
def test_a_checkout_that_cannot_follow_after_all_takes_everything_back(scene: Scene, standing: bool) -> None:
    """What came into the way after the last look: the second of two checkouts refuses."""
    desk = one_ready(scene)
    if standing:
        scene.repo.git("branch", "integration/wave1", "main")
    linked = scene.root.parent / "linked"
    scene.repo.git("worktree", "add", "--quiet", "--force", str(linked), "main")
    fact = begun(scene, desk)
    (linked / "a.txt").write_text("mine\n")
    refs = scene.refs()
    with pytest.raises(NotMoved, match="could not follow"):
        carry_out(desk.home, move_of(fact))
    assert scene.refs() == refs
    assert (scene.status(), scene.status(linked)) == ("", "M a.txt")
    assert not (scene.root / "a.new").exists()


# --- the remote -----------------------------------------------------------------------------------


def bare_remote(scene: Scene) -> Path:
    remote = scene.root.parent / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(remote)], check=True)
    scene.repo.git("remote", "add", "origin", str(remote))
    scene.repo.git("push", "--quiet", "origin", "main")
    return remote


def test_base_and_tag_are_pushed(scene: Scene) -> None:
    remote = bare_remote(scene)
    report = merge(one_ready(scene, remote="origin"))
    assert report.pushed is True and report.push_error is None
    assert scene.repo.git("rev-parse", "main", "p/wave1^{commit}", cwd=remote).splitlines() == [
        scene.tip("main"),
        scene.tip("main"),
    ]


def test_a_push_that_is_rejected_is_told_and_the_landing_stays(scene: Scene) -> None:
    remote = bare_remote(scene)
    clone = scene.root.parent / "clone"
    scene.repo.git("clone", "--quiet", str(remote), str(clone))
    scene.repo.commit_files("theirs", {"theirs": "1"}, cwd=clone)
    scene.repo.git("push", "--quiet", cwd=clone)
    theirs = scene.repo.git("rev-parse", "main", cwd=remote)
    report = merge(one_ready(scene, remote="origin"))
    assert report.ok and report.pushed is False
    assert "refs/heads/main" in (report.push_error or "")
    assert scene.repo.git("for-each-ref", "--format=%(objectname)", cwd=remote) == theirs


# --- interrupted ----------------------------------------------------------------------------------


def begun(scene: Scene, desk: Desk) -> f.LandingBegun:
    """Record a landing as begun, with its objects made; no ref has moved."""
    candidate = merge(desk, dry_run=True).candidate
    assert candidate is not None
    tag = subprocess.run(
        ["git", "mktag"],
        input=f"object {candidate}\ntype commit\ntag p/wave1\ntagger o <o@o> 1 +0000\n\nwave 1\n",
        cwd=scene.root, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    fact = f.LandingBegun(
        wave=1,
        base="main",
        base_before=scene.tip("main"),
        candidate=candidate,
        tag="p/wave1",
        tag_object=tag,
        tips={"a": scene.tip("p/a")},
    )
    desk.record(fact)
    return fact


def test_interrupted_before_base_moved_is_withdrawn(scene: Scene) -> None:
    desk = one_ready(scene)
    fact = begun(scene, desk)
    scene.repo.git("update-ref", "refs/tags/p/wave1", fact.tag_object)
    recover(desk)
    assert desk.of_kind(f.LandingRefused)[0].reasons == (INTERRUPTED,)
    assert "refs/tags/p/wave1" not in scene.refs() and scene.graph() == "first"
    assert merge(desk).ok


@pytest.mark.parametrize("synced", [False, True])
def test_interrupted_after_base_moved_is_finished(scene: Scene, synced: bool) -> None:
    desk = one_ready(scene)
    fact = begun(scene, desk)
    (scene.root / "README.md").write_text("mine\n")
    scene.repo.git("update-ref", "refs/tags/p/wave1", fact.tag_object)
    scene.repo.git("update-ref", "refs/heads/main", fact.candidate)
    if synced:
        scene.repo.git("read-tree", "-m", "-u", fact.base_before, fact.candidate)
    report = merge(desk)
    assert report.ok and report.already_landed
    assert scene.status() == "M README.md"
    assert (scene.root / "a.new").exists()
    assert desk.of_kind(f.WaveLanded)[0].landed == ("a",)


def test_interrupted_and_built_upon_is_landed(scene: Scene) -> None:
    desk = one_ready(scene)
    fact = begun(scene, desk)
    scene.repo.git("read-tree", "-m", "-u", fact.base_before, fact.candidate)
    scene.repo.git("update-ref", "refs/heads/main", fact.candidate)
    scene.repo.commit("on top", top="1")
    recover(desk)
    assert scene.tip("p/wave1^{commit}") == fact.candidate
    assert desk.state.wave(1).landed is not None and scene.status() == ""


def test_interrupted_and_base_went_elsewhere_needs_a_person(scene: Scene) -> None:
    desk = one_ready(scene)
    fact = begun(scene, desk)
    tree = scene.tip("main^{tree}")
    elsewhere = scene.repo.git("commit-tree", "-m", "other", tree)
    scene.repo.git("update-ref", "refs/heads/main", elsewhere)
    with pytest.raises(Refused, match="somebody moved on") as caught:
        merge(desk)
    assert elsewhere in caught.value.message and fact.base_before in caught.value.message
    assert desk.state.wave(1).landing is not None


def test_interrupted_and_the_checkout_cannot_follow_needs_a_person(scene: Scene) -> None:
    desk = one_ready(scene)
    fact = begun(scene, desk)
    scene.repo.git("update-ref", "refs/heads/main", fact.candidate)
    (scene.root / "a.new").write_text("mine\n")
    with pytest.raises(Refused, match="cannot follow"):
        recover(desk)
    assert (scene.root / "a.new").read_text() == "mine\n"
    (scene.root / "a.new").unlink()
    recover(desk)
    assert scene.status() == "" and desk.state.wave(1).landed is not None


# --- check ----------------------------------------------------------------------------------------


def test_check_reports_conflicts_and_gates_of_unfinished_work_and_moves_nothing(scene: Scene) -> None:
    scene.work("a", {"a.txt": "A\n"})
    scene.work("b", {"a.txt": "B\n"})
    tests = gate("tests", "grep -q A a.txt")
    desk = scene.desk(workstream("a", tests), workstream("b", tests), workstream("c", tests), done=False)
    refs = scene.refs()
    report = check(desk)
    assert not report.ok and scene.refs() == refs
    assert [(v.workstream, v.ok) for v in report.gates] == [("a", True), ("b", False)]
    assert report.reasons[0] == "b: conflicts with a in a.txt (content)"
    assert report.reasons[1].startswith("b: tests is red: exit status 1")
    assert [one.name for one in report.left_out] == ["b", "c"]
    assert len(report.notes) == 3 and report.notes[0].startswith("not ready to land: a: is waiting")


def test_check_of_sound_but_unfinished_work_says_yes(scene: Scene) -> None:
    scene.work("a", {"a.new": "1"})
    every = gate("tests", "test -e a.new")
    desk = scene.desk(workstream("a", every), done=False, waves={1: {"gates": (every,)}})
    report = check(desk)
    assert report.ok and [v.workstream for v in report.gates] == ["a", None]
    assert not isinstance(desk.state.of("a").phase, Done)


def test_check_of_nothing_says_no(scene: Scene) -> None:
    report = check(scene.desk(workstream("a"), done=False))
    assert report.reasons == ("none of its branches exists yet",)


def test_an_index_that_cannot_be_held_refuses_before_anything_moves(scene: Scene) -> None:
    lock = scene.root / ".git" / "index.lock"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # as on a full disk, nothing can be written
    try:
        with (
            pytest.raises(CommandFailed, match="lock cannot be written"),
            hold_index(scene.root, "c"),
        ):
            raise AssertionError("it was held")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not lock.exists()


def test_a_check_that_knows_every_gate_merges_each_branch_once_and_checks_nothing_out(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, git = tmp_path / "git.log", tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {shutil.which("git")} "$@"\n')
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}:{os.environ['PATH']}")
    every = gate("tests", "true")
    for name in ("a", "b"):
        scene.work(name, {f"{name}.new": "1"})
    desk = scene.desk(workstream("a", every), workstream("b", every), waves={1: {"gates": (every,)}})
    check(desk)
    log.write_text("")
    assert all(verdict.cached for verdict in check(desk).gates)
    asked = log.read_text()
    assert asked.count(" merge-tree ") == 2 and " checkout " not in asked and " status " not in asked
