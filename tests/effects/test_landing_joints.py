"""Where one part of a landing meets another: words, warnings, isolation, cleaning, forecast."""

from __future__ import annotations

import pytest
import typer

from orchestrator.cleaning import clean
from orchestrator.cli.landing_report import tell_landing
from orchestrator.core import facts as f
from orchestrator.core.gating import Tips
from orchestrator.core.observation import Observation
from orchestrator.core.status import DaemonStatus, status
from orchestrator.forecast import make_forecast
from orchestrator.land import rollback_wave
from tests.support.landing import Desk, Scene, check, gate, merge, scene_fixture, workstream

__all__ = ["scene_fixture"]

WARNS = gate("warns", "exit 1", severity="warn")


def one_bad(scene: Scene) -> Desk:
    """`b` is red together with anything, and by itself; another gate of the wave only warns."""
    scene.work("a", {"a.new": "a\n"})
    scene.work("b", {"bad": "b\n"})
    waves = {1: {"gates": (gate("sound", "! test -e bad"), WARNS)}}
    own = workstream("b", gate("own", "true"))
    return scene.desk(workstream("a", gate("own", "true")), own, waves=waves)


def test_a_gate_that_only_warns_is_not_run_on_parts(scene: Scene) -> None:
    desk = one_bad(scene)
    report = merge(desk, partial=True)
    assert report.landed == ("a",)
    runs = [fact.gate for fact in desk.of_kind(f.GateFinished) if fact.workstream is None]
    assert runs.count("warns") == 2 < runs.count("sound")
    assert [(v.gate, v.is_red) for v in report.gates if v.workstream is None] == [
        ("sound", False),
        ("warns", True),
    ]


def test_the_tag_of_a_part_names_the_gates_of_what_landed(scene: Scene) -> None:
    assert merge(one_bad(scene), partial=True).ok
    message = scene.repo.git("tag", "--list", "--format=%(contents)", "p/wave1")
    assert "own of a: green" in message and "warns of wave 1: red, only a warning" in message
    assert "own of b" not in message


def test_a_merged_workstream_shows_the_tip_that_landed(scene: Scene) -> None:
    desk = one_bad(scene)
    assert merge(desk, partial=True).ok
    stale = Tips(commits={"a": "0" * 40, "b": scene.tip("p/b")})
    daemon = DaemonStatus(running=False, pid=None)
    found = status(desk.plan, desk.state, Observation(), stale, daemon, 0.0)
    assert [w.tip for w in found.workstreams] == [scene.tip("p/a"), scene.tip("p/b")]


def test_everyone_who_is_left_out_is_told(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    report = check(scene.desk(workstream("a"), workstream("b"), done=False))
    with pytest.raises(typer.Exit):
        tell_landing(report.document(), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "does not exist yet" in line] == [
        "· a: its branch does not exist yet",
        "· b: its branch does not exist yet",
    ]


def test_the_forecast_knows_what_was_cleaned(scene: Scene) -> None:
    desk = one_bad(scene)
    assert merge(desk, partial=True).ok
    assert clean(desk).document()["ok"]
    (left_out,) = make_forecast(desk).left_out
    assert (left_out.name, left_out.reason) == ("a", "its branch p/a has landed and was cleaned away")


def test_a_wave_that_was_taken_out_is_no_conflict_with_base(scene: Scene) -> None:
    scene.work("a", {"a.new": "1\n"})
    desk = scene.desk(workstream("a"))
    assert merge(desk).ok
    scene.repo.commit_files("later", {"later.txt": "x\n"})
    assert rollback_wave(desk, 1, by="ada").form == "commit"
    scene.work("a", {"a.new": "2\n"})
    forecast = make_forecast(desk)
    assert not forecast.conflict
    assert any("orchestrator wave check 1" in note for note in forecast.notes)
    assert check(desk).ok and merge(desk, again=True).ok
    assert not make_forecast(desk).notes
