"""Waves whose gates are red together: who is blamed, and what lands all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core import facts as f
from orchestrator.core.plan import Needs, WorkstreamName
from orchestrator.core.state import Done, Merged
from orchestrator.land import LandingReport, recover
from tests.support.landing import Desk, Scene, gate, merge, scene_fixture, workstream

__all__ = ["scene_fixture"]

NO_BAD = gate("sound", "! ls | grep bad")
"""Red where any branch brought a file called bad…"""


def wave_of(scene: Scene, files: dict[str, str], run: str, **needs: str) -> Desk:
    """Finished workstreams that each bring a file, and one gate for the wave."""
    for name, file in files.items():
        scene.work(name, {file: f"{name}\n"})
    streams = (
        workstream(name, needs=Needs(workstreams=tuple(WorkstreamName(n) for n in needs.get(name, ""))))
        for name in files
    )
    return scene.desk(*streams, waves={1: {"gates": (gate("together", run),)}})


def three(scene: Scene, bad: str = "b", run: str = "! ls | grep bad", **needs: str) -> Desk:
    return wave_of(scene, {n: f"bad-{n}" if n in bad else f"{n}.new" for n in "abc"}, run, **needs)


def runs(desk: Desk) -> list[tuple[str, str, str]]:
    return [(" ".join(t.workstreams), t.purpose, t.outcome) for t in desk.of_kind(f.PartTried)]


def gate_runs(desk: Desk) -> int:
    """How often a gate was really run."""
    return sum(not fact.cached for fact in desk.of_kind(f.GateFinished))


def out(report: LandingReport) -> dict[str, str]:
    return {one.name: one.reason for one in report.left_out}


def brought(scene: Scene, start: str) -> set[str]:
    """The files that base has now and had not at `start`."""
    return set(scene.repo.git("diff", "--name-only", start, "main").splitlines())


def refused(scene: Scene, desk: Desk, **options: bool) -> LandingReport:
    refs, status = scene.refs(), scene.status()
    report = merge(desk, **options)
    assert not report.ok and report.landed == ()
    assert (scene.refs(), scene.status()) == (refs, status)
    assert desk.of_kind(f.WaveLanded) == [] and desk.state.wave(1).landing is None
    return report


# --- a culprit --------------------------------------------------------------------------------------


def test_a_culprit_is_named_with_the_runs_that_prove_it_and_nothing_lands(scene: Scene) -> None:
    desk = three(scene)
    report = refused(scene, desk)
    (reason,) = report.reasons
    assert reason.startswith("b: together is red with it alone (2 of 2 runs) and green with a c; see ")
    assert Path(reason.partition("; see ")[2]).read_text().endswith("bad-b\n")
    assert list(out(report)) == ["b"]
    assert report.notes == ("green without them: a c; orchestrator wave merge 1 --partial lands that",)
    assert runs(desk) == [
        ("a b c", "whole", "red"),
        ("a b c", "repeat", "red"),
        ("a b", "search", "red"),
        ("a c", "search", "green"),
        ("b", "accused", "red"),
        ("b", "accused", "red"),
    ]
    assert gate_runs(desk) == 6
    (found,) = desk.of_kind(f.WaveIsolated)
    assert (found.verdict, found.left_out, found.proven) == ("culprits", ("b",), ("a", "c"))
    assert isinstance(desk.state.of("a").phase, Done)


def test_the_document_tells_every_run_with_its_log(scene: Scene) -> None:
    isolation = refused(scene, three(scene)).document()["isolation"]
    assert isolation["verdict"] == "culprits" and isolation["proven"] == ["a", "c"]
    (cause,) = isolation["causes"]
    assert (cause["kind"], cause["workstreams"], cause["left_out"]) == ("culprit", ["b"], "b")
    logs = [log for run in isolation["runs"] for log in run["logs"]]
    assert [run["run"] for run in isolation["runs"]] == [1, 2, 3, 4, 5, 6]
    assert len(set(logs)) == 5 and all(Path(log).is_file() for log in logs)


def test_partial_lands_the_rest_and_nothing_of_the_culprit(scene: Scene) -> None:
    desk = three(scene)
    start = scene.tip("main")
    report = merge(desk, partial=True)
    assert report.ok and report.landed == ("a", "c") and list(out(report)) == ["b"], report.reasons
    assert brought(scene, start) == {"a.new", "c.new"} and scene.status() == ""
    assert scene.tip("p/wave1^{commit}") == scene.tip("main") == report.base_after
    assert "b " not in scene.repo.git("cat-file", "tag", "p/wave1")
    (landed,) = desk.of_kind(f.WaveLanded)
    assert (landed.landed, landed.left_out) == (("a", "c"), ("b",))
    phases = [type(desk.state.of(name).phase) for name in "abc"]
    assert phases == [Merged, Done, Merged]
    assert gate_runs(desk) == 6, "what lands had been run, and was not run again"
    assert not [ref for ref in scene.refs() if "candidates" in ref]


def test_the_repaired_one_lands_with_the_next_merge(scene: Scene) -> None:
    desk = three(scene)
    first = merge(desk, partial=True)
    scene.repo.git("mv", "bad-b", "b.new", cwd=scene.worktrees / "b")
    scene.repo.git("commit", "--quiet", "-m", "mended", cwd=scene.worktrees / "b")
    second = merge(desk)
    assert second.ok and second.landed == ("b",) and second.tag == "p/wave1.2", second.reasons
    assert second.base_before == first.base_after
    assert brought(scene, first.base_after or "") == {"b.new"}
    assert scene.tip("p/wave1^{commit}") == first.base_after
    third = merge(desk)
    assert third.already_landed and set(third.landed) == {"a", "b", "c"}
    assert (third.base_before, third.base_after) == (first.base_before, second.base_after)


def test_unrepaired_the_rest_stays_out(scene: Scene) -> None:
    desk = three(scene)
    merge(desk, partial=True)
    again = merge(desk, partial=True)
    assert not again.ok and list(out(again)) == ["b"]
    assert "green with main alone" in again.reasons[0]


def test_two_culprits(scene: Scene) -> None:
    desk = three(scene, bad="ac")
    start = scene.tip("main")
    report = merge(desk, partial=True)
    assert report.ok and report.landed == ("b",) and set(out(report)) == {"a", "c"}
    assert brought(scene, start) == {"b.new"}


def test_whoever_needs_a_culprit_stays_out_with_it(scene: Scene) -> None:
    report = merge(three(scene, c="b"), partial=True)
    assert report.ok and report.landed == ("a",)
    assert out(report)["c"] == "cannot land without b, which is left out"


def test_a_branch_made_from_a_culprits_stays_out_with_it(scene: Scene) -> None:
    scene.work("a", {"a.new": "a"})
    scene.work("b", {"bad-b": "b"})
    scene.work("c", {"c.new": "c"}, start="p/b")
    desk = scene.desk(*(workstream(n) for n in "abc"), waves={1: {"gates": (NO_BAD,)}})
    report = merge(desk, partial=True)
    assert report.ok and report.landed == ("a",)
    assert out(report)["c"] == "cannot land without b, which is left out"


def test_a_dry_run_finds_out_and_moves_nothing(scene: Scene) -> None:
    desk = three(scene)
    refs = scene.refs()
    report = merge(desk, partial=True, dry_run=True)
    assert report.ok and report.landed == ("a", "c") and report.document()["landed"] == []
    assert scene.refs() == refs and desk.of_kind(f.LandingBegun) == []


# --- an interaction ---------------------------------------------------------------------------------

CLASH = "test ! -e a.new -o ! -e c.new"


def test_two_that_are_red_together_are_a_pair_and_the_later_one_waits(scene: Scene) -> None:
    desk = three(scene, bad="", run=CLASH)
    report = refused(scene, desk)
    (reason,) = report.reasons
    said = "c: together is red with it and a together (3 of 3 runs), and green with each alone; see "
    assert reason.startswith(said)
    assert report.isolation is not None and report.isolation.document()["causes"][0]["kind"] == "interaction"
    start = scene.tip("main")
    partial = merge(desk, partial=True)
    assert partial.ok and partial.landed == ("a", "b")
    assert brought(scene, start) == {"a.new", "b.new"}


# --- nobody to blame --------------------------------------------------------------------------------


def sometimes_red(scene: Scene, *red_runs: int) -> str:
    """A gate that is red in these of its runs, counted in a file outside of every checkout."""
    count = scene.root.parent / "count"
    count.write_text("0")
    pattern = "|".join(map(str, red_runs))
    return f"n=$(($(cat '{count}')+1)); echo $n > '{count}'; case $n in {pattern}) exit 1;; esac"


def test_a_repeat_runs_every_gate_anew(scene: Scene) -> None:
    gates = (gate("fine", "true"), gate("together", sometimes_red(scene, 1)))
    scene.work("a", {"a.new": "a"})
    desk = scene.desk(workstream("a"), waves={1: {"gates": gates}})
    assert merge(desk).ok
    first, repeat, known = [
        [fact.cached for fact in desk.of_kind(f.GateFinished)][n : n + 2] for n in (0, 2, 4)
    ]
    assert (first, repeat, known) == ([False, False], [False, False], [True, True])


@pytest.mark.parametrize("partial", [False, True])
def test_a_flake_is_said_and_the_wave_lands(scene: Scene, partial: bool) -> None:
    desk = three(scene, bad="", run=sometimes_red(scene, 1))
    report = merge(desk, partial=partial)
    assert report.ok and report.landed == ("a", "b", "c") and report.left_out == ()
    (note,) = report.notes
    assert note.startswith("flaky: together of a b c was red in 1 of 2 runs of the same commit; see ")
    assert runs(desk) == [("a b c", "whole", "red"), ("a b c", "repeat", "green")]
    assert desk.of_kind(f.WaveIsolated)[0].verdict == "flaky"
    assert desk.of_kind(f.WaveLanded)[0].left_out == ()


def test_reds_that_cannot_be_repeated_park_the_wave_and_accuse_nobody(scene: Scene) -> None:
    desk = three(scene, bad="", run=sometimes_red(scene, 1, 2))
    report = refused(scene, desk, partial=True)
    assert report.left_out == () and "nobody is accused" in report.reasons[0]
    assert desk.of_kind(f.WaveIsolated)[0].verdict == "inconclusive"
    assert any(note.startswith("flaky: ") for note in report.notes)
    assert merge(desk).ok


def test_red_on_base_too_is_nobodys(scene: Scene) -> None:
    report = refused(scene, three(scene, bad="", run="false"), partial=True)
    assert report.left_out == ()
    assert report.reasons[0].startswith("together is red on main without any of them, too; see ")


def test_a_gate_that_is_killed_is_no_verdict(scene: Scene) -> None:
    report = refused(scene, three(scene, run="kill -9 $PPID"), partial=True)
    assert report.left_out == () and report.isolation is not None
    assert report.isolation.document()["verdict"] == "infrastructure"
    assert report.reasons[0].startswith("its gates came to no verdict: ")


def test_nothing_proven_lands_nothing(scene: Scene) -> None:
    desk = wave_of(scene, {"a": "bad-a", "b": "bad-b"}, "! ls | grep bad")
    assert set(out(refused(scene, desk, partial=True))) == {"a", "b"}


# --- other reasons to be left out -------------------------------------------------------------------


def test_partial_leaves_out_who_is_not_done_conflicts_or_has_red_gates_of_its_own(scene: Scene) -> None:
    start = scene.tip("main")
    scene.work("a", {"a.txt": "A\n"})
    scene.work("b", {"a.txt": "B\n"})
    scene.work("c", {"c.new": "c"})
    scene.work("d", {"bad-d": "d"})
    scene.work("e", {"e.new": "e"})
    names = ("a", "b", "c", "d", "e", "f")
    needs = Needs(workstreams=(WorkstreamName("d"),))
    streams = (workstream(n, NO_BAD, needs=needs if n == "e" else Needs()) for n in names)
    desk = scene.desk(*streams, done=False)
    desk.finish("a", "b", "d", "e")
    report = merge(desk, partial=True)
    assert report.ok and report.landed == ("a",), report.reasons
    assert brought(scene, start) == {"a.txt"}
    reasons = out(report)
    assert reasons["b"].startswith("conflicts with a in a.txt")
    assert reasons["c"] == "is waiting (not started: orchestrator up), not done"
    assert reasons["d"].startswith("sound is red: exit status 1")
    assert reasons["e"] == "cannot land without d, which is left out"
    assert "its branch p/f does not exist" in reasons["f"]
    assert desk.of_kind(f.WaveLanded)[0].left_out == ("b", "c", "d", "e", "f")
    proof = scene.repo.git("cat-file", "tag", "p/wave1").splitlines()
    assert "sound of a: green" in proof and not any("sound of d" in line for line in proof)


def test_what_stands_against_all_of_it_stops_a_partial_landing_too(scene: Scene) -> None:
    desk = three(scene)
    scene.repo.git("tag", "p/wave1")
    refs = scene.refs()
    report = merge(desk, partial=True)
    assert not report.ok and "the tag p/wave1 exists already" in report.reasons[0]
    assert scene.refs() == refs and desk.of_kind(f.GateFinished) == []


def test_a_later_wave_waits_for_those_left_out(scene: Scene) -> None:
    scene.work("a", {"a.new": "a"})
    scene.work("b", {"bad-b": "b"})
    scene.work("z", {"z.new": "z"})
    desk = scene.desk(workstream("a", NO_BAD), workstream("b", NO_BAD), workstream("z", wave=2))
    assert merge(desk, partial=True).landed == ("a",)
    assert merge(desk, 2).reasons == ("wave 1 lands first: waves land in ascending order",)


def test_an_interrupted_partial_landing_is_finished_as_one(scene: Scene) -> None:
    desk = three(scene)
    report = merge(desk, partial=True)
    (begun,) = desk.of_kind(f.LandingBegun)
    earlier = [fact for fact in desk.facts if not isinstance(fact, f.WaveLanded)]
    again = scene.desk(*desk.plan.workstreams.values(), done=False)
    again.record(*earlier)
    recover(again)
    assert begun.left_out == ("b",) and again.of_kind(f.WaveLanded) == desk.of_kind(f.WaveLanded)
    assert again.of_kind(f.WaveLanded)[0].left_out == ("b",)
    assert scene.tip("main") == report.base_after


def test_it_ends_when_whoever_asked_has_gone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = three(scene)

    def gone() -> None:
        if len(desk.of_kind(f.PartTried)) >= 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(desk, "require_asker", gone)
    refs = scene.refs()
    with pytest.raises(KeyboardInterrupt):
        merge(desk, partial=True)
    assert scene.refs() == refs and len(desk.of_kind(f.PartTried)) == 2


def test_what_a_killed_search_left_pinned_goes(scene: Scene) -> None:
    desk = three(scene)
    refs = scene.refs()
    left = scene.repo.git("commit-tree", "-m", "a part", "main^{tree}")
    scene.repo.git("update-ref", "refs/orchestrator/candidates/wave1-part", left)
    whole = "refs/orchestrator/candidates/wave2"  # somebody checks that wave now
    scene.repo.git("update-ref", whole, left)
    recover(desk)
    assert scene.refs() == {**refs, whole: left}
