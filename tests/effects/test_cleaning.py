"""`clean` on a whole project: who is cleaned, who is refused and why, and what is written down."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.cleaning import CleaningReport, clean
from orchestrator.core import facts as f
from orchestrator.core.state import Merged
from orchestrator.errors import Refused
from orchestrator.land import rollback_wave
from orchestrator.land.recovery import landing_lock
from tests.support.landing import Desk, Scene, merge, scene_fixture, workstream

__all__ = ["scene_fixture"]


def landed(scene: Scene, *names: str) -> Desk:
    for name in names:
        scene.work(name, {f"{name}.new": "new\n"})
    desk = scene.desk(*(workstream(name) for name in names))
    assert merge(desk).ok
    return desk


def outcomes(report: CleaningReport) -> dict[str, str]:
    return {one.name: one.outcome for one in report.outcomes}


def test_all_that_landed_is_cleaned_and_written_down(scene: Scene) -> None:
    desk = landed(scene, "a", "b")
    tip = scene.tip("p/a")
    report = clean(desk, by="ada")
    assert outcomes(report) == {"a": "cleaned", "b": "cleaned"} and report.document()["ok"]
    assert not (scene.worktrees / "a").exists()
    assert [ref for ref in scene.refs() if ref.startswith("refs/heads/p/")] == []
    assert desk.of_kind(f.CleaningAsked) == [f.CleaningAsked(workstreams=(), by="ada")]
    fact = desk.of_kind(f.WorkstreamCleaned)[0]
    assert (fact.workstream, fact.branch, fact.tip) == ("a", "p/a", tip)
    assert isinstance(desk.state.of("a").phase, Merged) and desk.state.of("a").cleaned


def test_a_second_clean_finds_nothing_and_writes_nothing_more(scene: Scene) -> None:
    desk = landed(scene, "a")
    clean(desk)
    assert outcomes(clean(desk)) == {"a": "clean"}
    assert len(desk.of_kind(f.WorkstreamCleaned)) == 1


def test_one_that_is_refused_does_not_hold_back_the_others(scene: Scene) -> None:
    desk = landed(scene, "a", "b")
    (scene.worktrees / "a" / "a.txt").write_text("mine")
    report = clean(desk)
    assert outcomes(report) == {"a": "refused", "b": "cleaned"} and not report.document()["ok"]
    why = f"uncommitted changes in {scene.worktrees / 'a'}: a.txt"
    assert desk.of_kind(f.CleaningRefused) == [f.CleaningRefused(workstream="a", reasons=(why,))]
    assert (scene.worktrees / "a" / "a.txt").read_text() == "mine" and scene.tip("p/a")


def test_commits_that_base_lacks_are_counted(scene: Scene) -> None:
    desk = landed(scene, "a")
    tip = scene.work("a", {"a.more": "more\n"})
    report = clean(desk)
    assert report.outcomes[0].found.reasons == (f"1 commit is not in main: git log main..{tip[:12]}",)
    assert scene.tip("p/a") == tip and (scene.worktrees / "a").exists()


def test_what_has_not_landed_is_not_touched_and_refused_by_name(scene: Scene) -> None:
    for name in ("a", "c"):
        scene.work(name, {f"{name}.new": "new\n"})
    desk = scene.desk(workstream("a"), workstream("c", wave=2))
    assert outcomes(clean(desk)) == {}
    assert merge(desk).ok
    assert outcomes(clean(desk)) == {"a": "cleaned"}
    named = clean(desk, ["c"])
    assert named.outcomes[0].found.reasons == ("wave 2 has not landed with it",)
    assert (scene.worktrees / "c").exists()


def test_a_rolled_back_wave_is_not_cleaned(scene: Scene) -> None:
    desk = landed(scene, "a")
    assert rollback_wave(desk, 1, by="ada").ok
    assert outcomes(clean(desk)) == {} and (scene.worktrees / "a").exists()


def test_a_dry_run_prints_what_a_clean_does(scene: Scene) -> None:
    desk = landed(scene, "a", "b")
    (scene.worktrees / "b" / "a.txt").write_text("mine")
    refs, facts = scene.refs(), list(desk.facts)
    said = clean(desk, dry_run=True)
    assert outcomes(said) == {"a": "cleanable", "b": "refused"}
    assert scene.refs() == refs and desk.facts == facts
    done = clean(desk)

    def found(report: CleaningReport) -> list[Any]:
        return [one.found for one in report.outcomes]

    assert found(done) == found(said)
    assert json.loads(json.dumps(said.document()))["workstreams"][0]["outcome"] == "cleanable"


def test_nothing_is_cleaned_while_a_wave_lands(scene: Scene) -> None:
    desk = landed(scene, "a")
    with landing_lock(desk.home), pytest.raises(Refused, match="under way"):
        clean(desk)
    assert (scene.worktrees / "a").exists()
