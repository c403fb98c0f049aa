from __future__ import annotations

import threading
from pathlib import Path

import pytest

from orchestrator.core import facts as f
from orchestrator.core.plan import CommitId, Gate
from orchestrator.errors import Refused
from orchestrator.gates import (
    GateVerdict,
    gates_document,
    green_gates,
    run_gates,
    run_wave_gates,
    run_workstream_gates,
)
from tests.support.landing import Desk, Scene, gate, scene_fixture, workstream

__all__ = ["scene_fixture"]


def desk_of(scene: Scene, *gates: Gate, **fields: object) -> Desk:
    scene.work("a", {"a.new": "new\n"})
    return scene.desk(workstream("a", *gates, **fields))


def run(scene: Scene, desk: Desk, name: str = "a", **options: bool) -> tuple[GateVerdict, ...]:
    return run_workstream_gates(desk, desk.plan.workstream(name), scene.tip(f"p/{name}"), **options)


def test_a_gate_runs_on_the_committed_tip_and_nothing_else(scene: Scene) -> None:
    desk = desk_of(scene, gate("tests", "cat a.new; ls; git rev-parse HEAD"))
    (scene.worktrees / "a" / "a.new").write_text("uncommitted\n")
    (scene.worktrees / "a" / "untracked").touch()
    (verdict,) = run(scene, desk)
    tip = scene.tip("p/a")
    assert verdict.log is not None
    assert Path(verdict.log).read_text() == f"new\nREADME.md\na.new\na.txt\n{tip}\n"
    assert (verdict.ok, verdict.cached, verdict.commit) == (True, False, tip)
    assert verdict.tree == scene.tip("p/a^{tree}")


def test_set_up_copies_and_environment_reach_it(scene: Scene) -> None:
    (scene.root / ".env").write_text("secret")
    desk = desk_of(
        scene,
        gate("tests", 'test "$(cat .env) $(cat made) $MODE $ORCHESTRATOR_WORKSTREAM" = "secret yes off a"'),
        setup="echo yes > made",
        copy=(".env",),
        env={"MODE": "off"},
    )
    (verdict,) = run(scene, desk)
    assert verdict.ok, verdict.message


def test_a_set_up_that_fails_makes_every_gate_red(scene: Scene) -> None:
    desk = desk_of(scene, gate("tests", "true"), gate("types", "true"), setup="echo no venv; exit 4")
    verdicts = run(scene, desk)
    assert [(v.gate, v.ok) for v in verdicts] == [("tests", False), ("types", False)]
    assert verdicts[0].message == "not run: the set-up failed (exit status 4)\nno venv"


def test_a_red_gate_says_why_and_ends_with_its_last_lines(scene: Scene) -> None:
    desk = desk_of(scene, gate("tests", "seq 100; exit 3"), gate("types", "true"))
    red, green = run(scene, desk)
    assert red.why == "exit status 3" and red.message.endswith("\n99\n100")
    assert len(red.message.splitlines()) == 13
    assert green.ok
    assert desk.said == ["tests of a: red (0 s): exit status 3", "types of a: green (0 s)"]


def test_a_gate_that_changes_tracked_files_is_red_and_the_next_one_sees_none_of_it(scene: Scene) -> None:
    desk = desk_of(scene, gate("format", "echo x >> a.txt; rm README.md"), gate("tests", "test -e README.md"))
    red, green = run(scene, desk)
    assert red.why == "it changed tracked files: README.md, a.txt"
    assert green.ok


def test_a_gate_that_takes_too_long_is_red(scene: Scene) -> None:
    desk = desk_of(scene, gate("tests", "echo begun; sleep 60", timeout_s=0.5))
    (verdict,) = run(scene, desk)
    assert verdict.why == "not done after 0.5 s" and verdict.message.endswith("begun")
    assert verdict.seconds < 20


def test_a_gate_that_reads_gets_the_end_of_its_input(scene: Scene) -> None:
    desk = desk_of(scene, gate("tests", "cat; test ! -t 0"))
    (verdict,) = run(scene, desk)
    assert verdict.ok


def test_verdicts_are_recorded(scene: Scene) -> None:
    desk = desk_of(scene, gate("tests", "true"))
    (verdict,) = run(scene, desk)
    (fact,) = desk.of_kind(f.GateFinished)
    assert (fact.wave, fact.workstream, fact.gate, fact.ok) == (1, "a", "tests", True)
    assert (fact.commit, fact.tree, fact.log) == (verdict.commit, verdict.tree, verdict.log)


# --- what is known --------------------------------------------------------------------------------


def counting(scene: Scene, name: str = "tests", ends: str = "true") -> tuple[Gate, Path]:
    """A gate that leaves a line outside for each run."""
    runs = scene.root.parent / f"{name}.runs"
    runs.touch()
    return gate(name, f"echo run >> '{runs}'; {ends}"), runs


def test_a_green_is_not_run_again_on_the_same_tree(scene: Scene) -> None:
    counted, runs = counting(scene)
    desk = desk_of(scene, counted)
    first, again = run(scene, desk)[0], run(scene, desk)[0]
    assert (first.cached, again.cached, again.ok) == (False, True, True)
    assert (again.log, again.seconds) == (first.log, pytest.approx(first.seconds))
    scene.repo.git("commit", "--quiet", "--amend", "-m", "same tree", cwd=scene.worktrees / "a")
    assert run(scene, desk)[0].cached
    assert runs.read_text() == "run\n"
    assert desk.said[-1] == "tests of a: green (cached)"


def test_it_runs_again_when_asked_to(scene: Scene) -> None:
    counted, runs = counting(scene)
    desk = desk_of(scene, counted)
    run(scene, desk)
    assert not run(scene, desk, use_cache=False)[0].cached
    assert runs.read_text() == "run\nrun\n"


def test_a_red_is_always_run_again(scene: Scene) -> None:
    counted, runs = counting(scene, ends=f"test $(wc -l < '{scene.root.parent}/tests.runs') -gt 1")
    desk = desk_of(scene, counted)
    assert [run(scene, desk)[0].ok for _ in range(3)] == [False, True, True]
    assert runs.read_text() == "run\nrun\n"


@pytest.mark.parametrize(
    "change",
    [{"setup": "true"}, {"env": {"A": "1"}}, {"copy": (".env",)}],
    ids=lambda change: next(iter(change)),
)
def test_another_definition_is_another_question(scene: Scene, change: dict[str, object]) -> None:
    (scene.root / ".env").write_text("1")
    desk = desk_of(scene, gate("tests", "true"))
    run(scene, desk)
    assert not run(scene, scene.desk(workstream("a", gate("tests", "true"), **change)))[0].cached
    assert not run(scene, scene.desk(workstream("a", gate("tests", "test 1"))))[0].cached
    assert run(scene, scene.desk(workstream("a", gate("tests", "true", timeout_s=9.0))))[0].cached


def test_a_copied_file_that_changed_is_another_question(scene: Scene) -> None:
    (scene.root / ".env").write_text("1")
    desk = desk_of(scene, gate("tests", "true"), copy=(".env",))
    run(scene, desk)
    (scene.root / ".env").write_text("22")
    assert not run(scene, desk)[0].cached


def test_a_torn_result_is_no_result(scene: Scene) -> None:
    desk = desk_of(scene, gate("tests", "true"))
    run(scene, desk)
    (kept,) = (desk.home.state.gates / "results").rglob("*.json")
    kept.write_text('{"ok": tr')
    assert not run(scene, desk)[0].cached


def test_only_some_gates(scene: Scene) -> None:
    desk = desk_of(scene, gate("tests", "true"), gate("types", "true"), gate("clean-merge"))
    tips = {"a": scene.tip("p/a")}
    assert [v.gate for v in run_gates(desk, tips, only=("types", "clean-merge"))] == ["types", "clean-merge"]


def test_two_who_ask_at_once_run_it_once(scene: Scene) -> None:
    counted, runs = counting(scene)
    desk, other = desk_of(scene, counted), scene.desk(workstream("a", counted))
    threads = [threading.Thread(target=run, args=(scene, one)) for one in (desk, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert runs.read_text() == "run\n"
    assert sorted(fact.cached for one in (desk, other) for fact in one.of_kind(f.GateFinished)) == [
        False,
        True,
    ]


def test_green_gates_are_known_without_running_any(scene: Scene) -> None:
    desk = desk_of(scene, gate("tests", "true"), gate("types", "false"), gate("clean-merge"))
    tip = CommitId(scene.tip("p/a"))
    known = green_gates(desk.home, desk.plan, {"a": tip})
    assert known == {("a", "clean-merge", tip)}
    run(scene, desk)
    known = green_gates(desk.home, desk.plan, {"a": tip})
    assert known == {("a", "tests", tip), ("a", "clean-merge", tip)}
    assert green_gates(desk.home, desk.plan, {}) == frozenset()


# --- several, and waves ---------------------------------------------------------------------------


def test_workstreams_run_side_by_side_and_answer_in_order(scene: Scene) -> None:
    """Each gate waits for the other's file: one after the other, they would time out."""
    here = scene.root.parent
    meet = "touch '{here}/{mine}.on'; until test -e '{here}/{other}.on'; do sleep 0.02; done"
    streams = []
    for mine, other in (("a", "b"), ("b", "a")):
        scene.work(mine, {mine: "1"})
        streams.append(
            workstream(mine, gate("meet", meet.format(here=here, mine=mine, other=other), timeout_s=20))
        )
    desk = scene.desk(*streams)
    verdicts = run_gates(desk, {"a": scene.tip("p/a"), "b": scene.tip("p/b")})
    assert [(v.workstream, v.ok) for v in verdicts] == [("a", True), ("b", True)]


def wave_run(scene: Scene, desk: Desk) -> tuple[GateVerdict, ...]:
    return run_wave_gates(desk, desk.plan.workstream("a").wave, scene.tip("p/a"), base=scene.tip("main"))


def test_a_waves_gates_have_the_set_up_its_workstreams_agree_on(scene: Scene) -> None:
    (scene.root / ".env").write_text("1")
    scene.work("a", {"a": "1"})
    check = gate("all", 'test "$(cat made .env) $SAME-$MINE" = "yes\n1 s-"')
    common = {"setup": "echo yes > made", "copy": (".env",)}
    desk = scene.desk(
        workstream("a", **common, env={"SAME": "s", "MINE": "a"}),
        workstream("b", **common, env={"SAME": "s", "MINE": "b"}),
        waves={1: {"gates": (check,)}},
    )
    (verdict,) = wave_run(scene, desk)
    assert verdict.ok, verdict.message
    assert (verdict.workstream, verdict.subject) == (None, "wave 1")


def test_workstreams_that_disagree_leave_the_wave_without_a_set_up_and_it_is_said(scene: Scene) -> None:
    scene.work("a", {"a": "1"})
    streams = (workstream("a", setup="touch made"), workstream("b", copy=("x",)))
    check = gate("all", "test ! -e made")
    (verdict,) = wave_run(scene, scene.desk(*streams, waves={1: {"gates": (check,)}}))
    assert verdict.ok
    desk = scene.desk(*streams, waves={1: {"gates": (gate("all", "test -e made"),), "setup": "touch made"}})
    (verdict,) = wave_run(scene, desk)
    assert verdict.ok
    assert desk.said[0] == "wave 1: its workstreams differ in `copy`: nothing is copied"


# --- built-in checks ------------------------------------------------------------------------------


def test_clean_merge_names_the_files_that_conflict(scene: Scene) -> None:
    desk = desk_of(scene, gate("clean-merge"))
    assert run(scene, desk)[0].ok
    scene.work("a", {"a.txt": "A\n"})
    scene.repo.commit("base", a__txt="B\n")
    (verdict,) = run(scene, desk)
    assert verdict.why == "a.txt: conflicts with base (content)"
    document = gates_document([verdict])
    assert document["ok"] is False
    assert document["findings"] == [
        {
            "gate": "clean-merge",
            "workstream": "a",
            "path": "a.txt",
            "line": None,
            "rule": "content",
            "message": "conflicts with base (content)",
            "why": "the wave cannot be built from it",
            "mend": "merge or rebase onto base, and solve the conflict there",
        }
    ]
    scene.repo.git("revert", "--no-edit", "HEAD")
    assert run(scene, desk)[0].ok


def test_a_check_that_is_not_built_is_refused_before_anything_runs(scene: Scene) -> None:
    counted, runs = counting(scene)
    desk = desk_of(scene, counted, gate("no-such-check"))
    with pytest.raises(Refused, match="does not have"):
        run(scene, desk)
    assert runs.read_text() == "" and desk.of_kind(f.GateFinished) == []


def test_a_missing_file_to_copy_is_refused_by_name(scene: Scene) -> None:
    desk = desk_of(scene, gate("tests", "true"), copy=(".env",))
    with pytest.raises(Refused, match=r"no file \.env"):
        run(scene, desk)
