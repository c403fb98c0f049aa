"""A landed wave is taken out of base and brought back, or it is said why not and nothing has changed."""

from __future__ import annotations

import pickle
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.cleaning import clean
from orchestrator.core import facts as f
from orchestrator.core.facts import Fact
from orchestrator.core.gating import Tips, WaveState, wave_state
from orchestrator.core.plan import Needs, WaveNumber
from orchestrator.core.state import Done, Merged
from orchestrator.errors import UsageError
from orchestrator.land import LandingReport, RollbackReport, merge_wave, recover, rollback_wave
from orchestrator.reports.story import in_words
from tests.support.killing import killed, killing_git
from tests.support.landing import Desk, Scene, gate, landing_scene, merge, scene_fixture, workstream

__all__ = ["scene_fixture"]


def roll_back(desk: Desk, wave: int = 1, **options: Any) -> RollbackReport:
    return rollback_wave(desk, wave, by="ada", **options)


def reland(desk: Desk, wave: int = 1, **options: Any) -> LandingReport:
    return merge_wave(desk, wave, by="ada", again=True, **options)


def state_of(desk: Desk, wave: int = 1) -> WaveState:
    return wave_state(desk.plan, desk.state, Tips(), WaveNumber(wave))


def landed(scene: Scene, *gates: Any, **fields: Any) -> Desk:
    """Wave 1 of `a`, which edits `a.txt` and adds `a.new`, and `b`, which adds `b.new`; landed."""
    scene.work("a", {"a.new": "new\n", "a.txt": "ONE\ntwo\nthree\n"})
    scene.work("b", {"b.new": "new\n"})
    desk = scene.desk(workstream("a"), workstream("b"), waves={1: {"gates": gates}}, **fields)
    assert merge(desk).ok
    return desk


def two_landed(scene: Scene, files: dict[str, str], **later: Any) -> Desk:
    """Wave 1 as above with `a` alone, and wave 2 of `c` with `files` on top of it."""
    scene.work("a", {"a.new": "new\n", "a.txt": "ONE\ntwo\nthree\n"})
    desk = scene.desk(
        workstream("a"),
        workstream("c", wave=2),
        done=False,
        waves={1: {"gates": (gate("tests", "true"),)}, 2: later},
    )
    desk.finish("a")
    assert merge(desk).ok
    scene.work("c", files)
    desk.finish("c")
    assert merge(desk, 2).ok
    return desk


def refused(scene: Scene, desk: Desk, wave: int = 1) -> RollbackReport:
    """The report of a rollback that must change nothing."""
    refs, status = scene.refs(), scene.status()
    report = roll_back(desk, wave)
    assert not report.ok and report.base_after == report.base_before == scene.tip("main")
    assert (scene.refs(), scene.status()) == (refs, status)
    assert desk.of_kind(f.WaveRolledBack) == [] and desk.state.wave(wave).rollback is None
    assert desk.of_kind(f.RollbackRefused)[-1].reasons == report.reasons
    return report


def tree(scene: Scene, name: str = "main") -> str:
    return scene.tip(f"{name}^{{tree}}")


def bare_remote(scene: Scene) -> Path:
    remote = scene.root.parent / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(remote)], check=True)
    scene.repo.git("remote", "add", "origin", str(remote))
    scene.repo.git("push", "--quiet", "origin", "main")
    return remote


# --- base goes back -------------------------------------------------------------------------------


def test_what_nobody_has_is_taken_back_without_a_trace_in_base(scene: Scene) -> None:
    before = scene.tip("main")
    desk = landed(scene)
    tag = scene.tip("p/wave1")
    report = roll_back(desk)
    assert (report.ok, report.form, report.rolled_back) == (True, "reset", ("a", "b"))
    assert scene.tip("main") == report.base_after == before
    assert scene.status() == "" and not (scene.root / "a.new").exists()
    refs = scene.refs()
    assert refs["refs/orchestrator/waves/1/rollbacks/1/wave1"] == tag
    assert "refs/tags/p/wave1" not in refs and "refs/heads/integration/wave1" not in refs


def test_its_workstreams_are_done_again(scene: Scene) -> None:
    desk = landed(scene)
    assert isinstance(desk.state.of("a").phase, Merged) and state_of(desk) is WaveState.MERGED
    roll_back(desk)
    assert isinstance(desk.state.of("a").phase, Done) and state_of(desk) is WaveState.ROLLED_BACK
    assert [type(fact).__name__ for fact in desk.facts][-3:] == [
        "RollbackAsked",
        "RollbackBegun",
        "WaveRolledBack",
    ]


def test_base_goes_back_without_gates(scene: Scene) -> None:
    desk = landed(scene, gate("tests", "test -e a.new"))
    assert roll_back(desk).gates == ()


def test_the_document_has_what_programs_need(scene: Scene) -> None:
    document = roll_back(landed(scene)).document()
    assert (document["ok"], document["form"], document["rolled_back"]) == (True, "reset", ["a", "b"])
    assert {"wave", "dependents", "conflicts", "gates", "base_before", "base_after", "reasons"} <= set(
        document
    )


def test_twice_is_once(scene: Scene) -> None:
    desk = landed(scene)
    roll_back(desk)
    refs = scene.refs()
    again = roll_back(desk)
    assert again.ok and again.already_rolled_back and scene.refs() == refs
    assert len(desk.of_kind(f.WaveRolledBack)) == 1


def test_a_wave_that_has_not_landed_stays_as_it_is(scene: Scene) -> None:
    desk = scene.desk(workstream("a"))
    assert roll_back(desk).reasons == ("wave 1 has not landed",)
    with pytest.raises(UsageError, match="no wave 7"):
        roll_back(desk, 7)


def test_a_dry_run_says_how_and_moves_nothing(scene: Scene) -> None:
    desk = landed(scene)
    refs, facts = scene.refs(), list(desk.facts)
    report = roll_back(desk, dry_run=True)
    assert (report.ok, report.form, report.dry_run) == (True, "reset", True)
    assert scene.refs() == refs and desk.facts == facts


@pytest.mark.parametrize("archived", [False, True])
def test_branches_that_were_cleaned_are_there_again(scene: Scene, archived: bool) -> None:
    desk = landed(scene)
    tip = scene.tip("p/a")
    assert clean(desk, ["a"]).document()["ok"] and "refs/heads/p/a" not in scene.refs()
    if not archived:
        scene.repo.git("update-ref", "-d", "refs/orchestrator/waves/1/tips/a")
    roll_back(desk)
    assert scene.tip("p/a") == tip
    assert reland(desk).ok


def test_a_tag_that_somebody_moved_is_left_alone(scene: Scene) -> None:
    desk = landed(scene)
    scene.repo.git("tag", "--force", "p/wave1", "main~1")
    assert roll_back(desk).ok
    assert "refs/tags/p/wave1" in scene.refs()


def test_an_integration_branch_that_is_checked_out_stays(scene: Scene) -> None:
    desk = landed(scene)
    scene.repo.git("worktree", "add", "--quiet", str(scene.root.parent / "mine"), "integration/wave1")
    assert roll_back(desk).ok
    assert "refs/heads/integration/wave1" in scene.refs()


def test_the_users_changes_in_the_way_are_named_and_others_survive(scene: Scene) -> None:
    desk = landed(scene)
    (scene.root / "README.md").write_text("mine\n")
    (scene.root / "a.txt").write_text("mine\n")
    report = refused(scene, desk)
    assert report.reasons == (f"{scene.root}: your uncommitted changes are in the way: a.txt",)
    scene.repo.git("checkout", "a.txt")
    assert roll_back(desk).ok
    assert scene.status() == "M README.md"


# --- a commit takes it out ------------------------------------------------------------------------


def test_what_was_pushed_is_taken_out_by_a_commit_with_the_old_tree(scene: Scene) -> None:
    old = tree(scene)
    remote = bare_remote(scene)
    desk = landed(scene, remote="origin")
    before = scene.tip("main")
    report = roll_back(desk)
    assert (report.ok, report.form, report.pushed) == (True, "commit", True)
    assert tree(scene) == old and scene.tip("main^") == before
    assert scene.repo.git("rev-parse", "main", cwd=remote) == scene.tip("main")
    assert "refs/tags/p/wave1" in scene.refs() and scene.status() == ""
    again = reland(desk)
    assert (again.ok, again.tag, again.pushed) == (True, "p/wave1.2", True)
    assert tree(scene) == scene.tip(f"{before}^{{tree}}")


def test_a_push_by_hand_counts_too(scene: Scene) -> None:
    bare_remote(scene)
    desk = landed(scene)
    scene.repo.git("push", "--quiet", "origin", "main")
    report = roll_back(desk)
    assert (report.form, report.notes) == ("commit", ("it was pushed already: others may have it",))


def test_a_landing_that_could_not_be_pushed_is_taken_back(scene: Scene) -> None:
    remote = bare_remote(scene)
    remote.rename(remote.with_name("away.git"))
    desk = landed(scene, remote="origin")
    (remote.with_name("away.git")).rename(remote)
    assert roll_back(desk).form == "reset"


def test_a_remote_that_does_not_answer_may_have_it(scene: Scene) -> None:
    remote = bare_remote(scene)
    desk = landed(scene, remote="origin")
    remote.rename(remote.with_name("away.git"))
    report = roll_back(desk)
    assert (report.ok, report.form, report.pushed) == (True, "commit", False)
    assert report.push_error and "origin may have it already" in report.notes[0]


def test_a_rollback_that_could_not_be_pushed_is_pushed_when_asked_again(scene: Scene) -> None:
    remote = bare_remote(scene)
    desk = landed(scene, remote="origin")
    remote.rename(remote.with_name("away.git"))
    assert roll_back(desk).push_cause == "failed"
    assert roll_back(desk, dry_run=True).pushed is None
    remote.with_name("away.git").rename(remote)
    again = roll_back(desk)
    assert (again.already_rolled_back, again.pushed) == (True, True)
    assert scene.repo.git("rev-parse", "main", cwd=remote) == scene.tip("main")
    assert roll_back(desk).pushed is True
    story = [in_words(fact) for fact in desk.facts if isinstance(fact, f.WavePushed | f.WavePushRefused)]
    assert story[1] is not None and story[1].startswith(
        f"origin did not take {scene.tip('main')[:12]} (failed)"
    )
    assert story[2:] == [f"pushed {scene.tip('main')[:12]} to origin"]


def test_a_rollback_that_the_remote_refuses_is_told_from_one_that_failed(scene: Scene) -> None:
    remote = bare_remote(scene)
    desk = landed(scene, remote="origin")
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert roll_back(desk).push_cause == "rejected"


def test_a_remote_that_went_on_is_not_overwritten(scene: Scene) -> None:
    remote = bare_remote(scene)
    desk = landed(scene, remote="origin")
    clone = scene.root.parent / "clone"
    scene.repo.git("clone", "--quiet", str(remote), str(clone))
    theirs = scene.repo.commit_files("theirs", {"theirs": "1"}, cwd=clone)
    scene.repo.git("push", "--quiet", cwd=clone)
    report = roll_back(desk)
    assert (report.ok, report.pushed) == (True, False)
    assert report.push_error == "origin has commits on main that are not here"
    assert report.push_cause == "moved"
    assert scene.repo.git("rev-parse", "main", cwd=remote) == theirs


def test_a_persons_commits_on_top_stay(scene: Scene) -> None:
    desk = landed(scene)
    scene.repo.commit_files("on top", {"mine": "1\n"})
    report = roll_back(desk)
    assert (report.ok, report.form) == (True, "commit")
    assert scene.repo.git("ls-files").split() == ["README.md", "a.txt", "mine"]
    assert scene.status() == "" and (scene.root / "a.txt").read_text() == "one\ntwo\nthree\n"


def test_a_branch_that_contains_it_would_bring_it_back(scene: Scene) -> None:
    desk = two = scene.desk(workstream("a"), workstream("c", wave=2), done=False)
    scene.work("a", {"a.new": "new\n"})
    desk.finish("a")
    assert merge(desk).ok
    scene.work("c", {"c.new": "new\n"})
    report = roll_back(desk)
    assert (report.form, report.notes) == ("commit", ("these branches contain it: c",))
    two.finish("c")
    assert merge(two, 2).ok
    assert scene.repo.git("ls-files").split() == ["README.md", "a.txt", "c.new"]


def test_from_under_a_later_wave_with_the_gates_of_both(scene: Scene) -> None:
    desk = two_landed(
        scene,
        {"c.new": "new\n"},
        gates=(gate("later", "test -e c.new && ! test -e a.new || git rev-parse -q --verify main"),),
    )
    before = scene.tip("main")
    report = roll_back(desk)
    assert report.ok and [one.how for one in report.dependents] == ["landed on top of wave 1"]
    assert {(g.wave, g.gate, g.commit) for g in report.gates} == {
        (1, "tests", report.base_after),
        (2, "later", report.base_after),
    }
    assert scene.tip("main^") == before
    assert scene.repo.git("ls-files").split() == ["README.md", "a.txt", "c.new"]
    assert state_of(desk, 2) is WaveState.MERGED


def test_a_conflict_names_the_files_and_who_depends_on_it(scene: Scene) -> None:
    desk = two_landed(scene, {"a.txt": "ONE!\ntwo\nthree\n"}, needs=Needs(waves=(WaveNumber(1),)))
    report = refused(scene, desk)
    assert [(file.path, file.kind) for file in report.conflicts] == [("a.txt", "content")]
    assert report.reasons == (
        "taking wave 1 out conflicts with what came after it, in a.txt (content)",
        "wave 2 needs wave 1 and has landed on top of it",
    )


def test_a_red_gate_keeps_it_in(scene: Scene) -> None:
    desk = two_landed(
        scene,
        {"c.new": "new\n"},
        needs=Needs(waves=(WaveNumber(1),)),
        gates=(gate("needs-a", "test -e a.new"),),
    )
    report = refused(scene, desk)
    assert "needs-a is red" in report.reasons[0]
    assert report.reasons[1] == "wave 2 needs wave 1 and has landed on top of it"


def test_built_in_checks_of_what_is_taken_out_are_not_asked(scene: Scene) -> None:
    desk = landed(scene, gate("paths"))
    scene.repo.commit_files("on top", {"mine": "1\n"})
    report = roll_back(desk)
    assert report.ok and report.gates == ()
    assert report.notes[-1] == "not run, they check what the wave brought: paths"


def test_later_waves_without_a_gate_are_said_to_be_unproved(scene: Scene) -> None:
    scene.work("a", {"a.new": "new\n"})
    desk = scene.desk(workstream("a"), workstream("c", wave=2))
    assert merge(desk).ok
    scene.work("c", {"c.new": "new\n"})
    assert merge(desk, 2).ok
    assert roll_back(desk).notes[-1] == "no gate shows that what landed later works without it"


def test_base_moved_by_a_gate_is_not_overwritten(scene: Scene) -> None:
    there = f"git -C '{scene.root}' -c user.name=x -c user.email=x commit -q --allow-empty -m meanwhile"
    desk = two_landed(scene, {"c.new": "new\n"}, gates=(gate("moves", f"test -e a.new || {there}"),))
    report = roll_back(desk)
    assert not report.ok and "moved meanwhile" in report.reasons[0]
    assert scene.graph().splitlines()[0] == "meanwhile" and (scene.root / "a.new").exists()


def test_base_that_lost_the_landing_has_nothing_to_roll_back(scene: Scene) -> None:
    desk = landed(scene)
    scene.repo.git("reset", "--quiet", "--hard", "main~2")
    assert "no longer contains" in refused(scene, desk).reasons[0]


# --- bringing it back -----------------------------------------------------------------------------


def test_merging_it_again_is_refused_with_the_right_command(scene: Scene) -> None:
    desk = landed(scene)
    assert reland(desk).already_landed
    roll_back(desk)
    assert "orchestrator wave reland 1" in merge(desk).reasons[0]
    fresh = scene.desk(workstream("z"))
    assert "orchestrator wave merge 1" in reland(fresh).reasons[0]


def test_twice_brought_back_is_once(scene: Scene) -> None:
    desk = landed(scene)
    roll_back(desk)
    first = reland(desk)
    assert first.ok and first.tag == "p/wave1" and state_of(desk) is WaveState.MERGED
    refs = scene.refs()
    assert reland(desk).already_landed and scene.refs() == refs


@pytest.mark.parametrize("pushed", [False, True])
def test_repairs_come_with_it(scene: Scene, pushed: bool) -> None:
    bare_remote(scene)
    desk = landed(scene)
    if pushed:
        scene.repo.git("push", "--quiet", "origin", "main")
    roll_back(desk)
    scene.work("a", {"a.new": "mended\n", "a.more": "more\n"})
    report = reland(desk)
    assert report.ok and report.notes == ()
    files = {name: (scene.root / name).read_text() for name in ("a.new", "a.more", "b.new", "a.txt")}
    assert files == {"a.new": "mended\n", "a.more": "more\n", "b.new": "new\n", "a.txt": "ONE\ntwo\nthree\n"}
    assert isinstance(desk.state.of("a").phase, Merged)
    assert scene.refs()["refs/orchestrator/waves/1/tips/a"] == scene.tip("p/a")


def test_a_branch_made_anew_is_not_brought_back_by_half(scene: Scene) -> None:
    desk = two_landed(scene, {"c.new": "new\n"})
    assert roll_back(desk).ok
    scene.repo.git("commit", "--quiet", "--amend", "-m", "other", cwd=scene.worktrees / "a")
    report = reland(desk)
    assert not report.ok and "no longer contains" in report.reasons[0]


def test_a_conflict_with_what_came_since_is_named(scene: Scene) -> None:
    desk = two_landed(scene, {"c.new": "new\n"})
    assert roll_back(desk).ok
    scene.repo.commit_files("mine", {"a.txt": "mine\ntwo\nthree\n"})
    report = reland(desk)
    assert report.reasons == ("a: conflicts with main in a.txt (content)",)
    assert state_of(desk) is WaveState.ROLLED_BACK


def test_it_passes_the_gates_again(scene: Scene) -> None:
    desk = landed(scene, gate("tests", "test ! -e broken"))
    scene.repo.commit_files("broken", {"mine": "1"})
    roll_back(desk)
    scene.repo.commit_files("broken", {"broken": "1"})
    report = reland(desk)
    assert not report.ok and "tests is red" in report.reasons[0]


def test_a_wave_that_needs_one_that_is_out_waits(scene: Scene) -> None:
    needs = {2: {"needs": Needs(waves=(WaveNumber(1),))}}
    desk = scene.desk(
        workstream("a"), workstream("c", wave=2), workstream("d", wave=3), done=False, waves=needs
    )
    for name in ("a", "c", "d"):
        scene.work(name, {f"{name}.new": "new\n"})
    desk.finish()
    assert merge(desk).ok and roll_back(desk).ok
    assert merge(desk, 2).reasons == ("wave 1, which it needs, was rolled back",)
    assert "wave 2 lands first" in merge(desk, 3).reasons[0]
    assert reland(desk).ok and merge(desk, 2).ok


def test_a_rolled_back_wave_holds_nobody_up_who_does_not_need_it(scene: Scene) -> None:
    desk = scene.desk(workstream("a"), workstream("c", wave=2))
    for name in ("a", "c"):
        scene.work(name, {f"{name}.new": "new\n"})
    assert merge(desk).ok and roll_back(desk).ok and merge(desk, 2).ok and reland(desk).ok
    assert scene.repo.git("ls-files").split() == ["README.md", "a.new", "a.txt", "c.new"]


LINES = [f"line {number}" for number in range(12)]
# One line of one file, and what becomes of it: waves rewrite, add or drop lines far enough apart or not.
EDIT = st.tuples(st.sampled_from("fgh"), st.integers(0, 11), st.sampled_from(["new", ""]))
EDITS = st.lists(EDIT, min_size=1, max_size=3)


def edit(scene: Scene, place: Path, edits: list[tuple[str, int, str]], word: str) -> dict[str, str]:
    texts: dict[str, list[str]] = {}
    for name, number, what in edits:
        path = place / name
        lines = texts.setdefault(name, path.read_text().split("\n") if path.exists() else list(LINES))
        if number < len(lines):
            lines[number : number + 1] = [f"{word} {number}"] if what else []
    return {name: "\n".join(lines) for name, lines in texts.items()}


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=EDITS, later=st.none() | EDITS, since=st.none() | EDITS, pushed=st.booleans())
def test_out_and_back_gives_the_landed_tree_again(
    first: list[Any], later: list[Any] | None, since: list[Any] | None, pushed: bool
) -> None:
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory() as folder,
        landing_scene(Path(folder), patch) as scene,
    ):
        _out_and_back(scene, first, later, since, pushed)


def _out_and_back(
    scene: Scene, first: list[Any], later: list[Any] | None, since: list[Any] | None, pushed: bool
) -> None:
    scene.repo.commit_files("start", {"f": "\n".join(LINES), "g": "\n".join(LINES)})
    desk = scene.desk(workstream("a"), workstream("c", wave=2))
    scene.work("a", edit(scene, scene.root, first, "first"))
    assert merge(desk).ok
    if pushed:
        bare_remote(scene)
    if later is not None:
        scene.work("c", edit(scene, scene.root, later, "later"))
        assert merge(desk, 2).ok
    if since is not None:
        scene.repo.commit_files("since", edit(scene, scene.root, since, "since"))
    before, refs = tree(scene), scene.refs()
    report = roll_back(desk)
    if not report.ok:
        assert report.conflicts and (scene.refs(), scene.status()) == (refs, "")
        return
    assert scene.status() == ""
    if later is None and since is None:
        assert tree(scene) == scene.tip(f"{desk.of_kind(f.WaveLanded)[0].base_before}^{{tree}}")
    assert reland(desk).ok
    assert (tree(scene), scene.status()) == (before, "")


# --- interrupted ----------------------------------------------------------------------------------


class Journaled(Desk):
    """A desk whose facts outlive the process that records them."""

    def __init__(self, desk: Desk, path: Path) -> None:
        super().__init__(desk.plan, desk.home)
        self._path = path
        path.touch()
        for fact in desk.facts:
            super().record(fact)

    def record(self, *facts: Fact) -> None:
        with self._path.open("ab") as file:
            file.write(pickle.dumps(facts))
        super().record(*facts)

    def replay(self) -> None:
        """Learn what a process that is gone had written."""
        with self._path.open("rb") as file:
            while file.peek(1):
                super().record(*pickle.load(file))


@pytest.fixture(params=["reset", "commit"])
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


def test_killed_anywhere_it_is_finished_or_undone(scene: Scene, form: str, tmp_path: Path) -> None:
    desk = landed(scene)
    if form == "commit":
        scene.repo.commit_files("on top", {"mine": "1\n"})
    start, facts = scene.refs(), tuple(desk.facts)
    outcomes, number, cut_short = set(), 0, True
    while cut_short:
        number += 1 if form == "reset" else 3  # a commit is made by many more commands
        child = Journaled(desk, tmp_path / f"facts{number}")
        cut_short = killed(
            lambda child=child: roll_back(child), killing_git(tmp_path / f"bin{number}", number)
        )
        child.replay()
        recover(child)
        out = child.state.wave(1).rolled_back is not None
        outcomes.add(out)
        if not out:
            assert scene.refs() == {**start, **pins(scene)} and (scene.root / "a.new").exists()
            assert roll_back(child).ok
        assert scene.status() == "" and not (scene.root / "a.new").exists()
        assert "refs/orchestrator/waves/1/rollbacks/1/wave1" in scene.refs()
        again(scene, start)
    assert outcomes == {False, True} and number > 8
    assert tuple(desk.facts) == facts


def pins(scene: Scene) -> dict[str, str]:
    """What a killed process may leave: a candidate that is pinned, until the next one."""
    return {ref: commit for ref, commit in scene.refs().items() if "/candidates/" in ref}


def again(scene: Scene, start: dict[str, str]) -> None:
    """Everything as it was before the rollback."""
    for ref in set(scene.refs()) - set(start):
        scene.repo.git("update-ref", "-d", ref)
    for ref, commit in start.items():
        scene.repo.git("update-ref", ref, commit)
    scene.repo.git("reset", "--quiet", "--hard")
