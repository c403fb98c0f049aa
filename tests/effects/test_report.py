"""The report of a landed wave, held against a history that was made by hand."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from orchestrator.core import facts as f
from orchestrator.core.facts import Fact, LaunchId
from orchestrator.errors import Refused
from orchestrator.git import Git
from orchestrator.journal import Entry
from orchestrator.land.rollback import rollback_wave
from orchestrator.reports.landed import find_landed
from orchestrator.reports.report import document, page_of, wave_report
from orchestrator.reports.story import in_words
from tests.support.landing import Desk, Scene, gate, merge, scene_fixture, workstream

__all__ = ["scene_fixture"]

START_S = 1_700_000_000.0
ERRORS = "echo 'Found 2 errors in 1 file (checked 3 source files)'; exit 1"
NO_ERRORS = "echo 'Success: no issues found in 3 source files'"


def entries(timed: list[tuple[float, Fact]]) -> list[Entry]:
    def stamp(seconds: float) -> str:
        return datetime.fromtimestamp(START_S + seconds, timezone.utc).isoformat(timespec="milliseconds")

    return [Entry(id=i, at=stamp(seconds), fact=fact) for i, (seconds, fact) in enumerate(timed)]


def ran(name: str, start_s: float, end_s: float, elapsed_s: float) -> list[tuple[float, Fact]]:
    launch = LaunchId(name)
    chosen = f.LaunchChosen(workstream=name, launch=launch, host="local", stage="run", attempt=1)
    end = f.LaunchEnded(
        workstream=name,
        launch=launch,
        exit_code=0,
        signal=None,
        cause="exited",
        ended=0.0,
        elapsed_s=elapsed_s,
    )
    return [(start_s, chosen), (end_s, end)]


def landed_by_hand(scene: Scene) -> Desk:
    """Wave 1 of `a` and `b`: first a conflict and red types, then it lands with a document."""
    scene.repo.commit_files(
        "start",
        {
            "docs/sessions/README.md": "x\n",
            "tests/test_old.py": "def test_old(): pass\n",
            "gone.txt": "1\n2\n",
        },
    )
    scene.work("a", {"tests/test_a.py": "def test_a(): pass\ndef test_b(): pass\n", "a.txt": "A\n"})
    scene.work("b", {"a.txt": "B\n"})
    desk = scene.desk(
        workstream("a", gate("types", ERRORS)),
        workstream("b"),
        waves={1: {"goal": "by hand", "gates": (gate("all", "true"),)}},
    )
    assert not merge(desk).ok  # b collides with a
    scene.repo.git("reset", "--quiet", "--hard", "main", cwd=scene.worktrees / "b")
    scene.repo.git("rm", "--quiet", "gone.txt", cwd=scene.worktrees / "b")
    scene.repo.git("commit", "--quiet", "-m", "feat(b)!: no more gone.txt", cwd=scene.worktrees / "b")
    assert not merge(desk).ok  # types are red
    again = scene.desk(
        workstream("a", gate("types", NO_ERRORS)),
        workstream("b"),
        waves={1: {"goal": "by hand", "gates": (gate("all", "true"),)}},
    )
    report = merge(again)
    assert report.ok, report.reasons
    again.facts = [*desk.facts, *again.facts]
    return again


def reported(desk: Desk, wave: int | None = None) -> tuple[dict[str, Any], str]:
    timed: list[tuple[float, Fact]] = [*ran("a", 0, 50, 49.0), *ran("b", 10, 100, 81.0)]
    timed += [(200.0, fact) for fact in desk.facts]
    report = wave_report(Git(desk.home.root), desk.plan, find_landed(entries(timed), wave))
    page = page_of(report)
    return document(report, page), page


def test_the_measures_are_those_of_the_history(scene: Scene) -> None:
    found, page = reported(landed_by_hand(scene))
    measures = found["metrics"]
    (conflict,) = measures.pop("conflicts")
    assert conflict.startswith("b: conflicts with a in a.txt")
    assert measures == {
        "duration_s": 200.0,
        "commits": 2,
        "files": 3,
        "insertions": 3,
        "deletions": 5,
        "tests_added": 2,
        "type_errors_before": 2,
        "type_errors_after": 0,
        "breaking_changes": ["feat(b)!: no more gone.txt"],
        "active_s": {"a": 49.0, "b": 81.0},
        "wall_s": 100.0,
        "speed_up": 1.3,
    }
    for row in (
        "| duration, first start to landing | 200.0 s |",
        "| tests added | 2 |",
        "| type errors, before and after | 2, 0 |",
        "| breaking changes | 1; feat(b)!: no more gone.txt |",
        "| speed-up over one after another | 1.3 |",
    ):
        assert row in page.splitlines()


def test_it_tells_the_same_work_as_the_landed_document_and_the_waves_own_gates(scene: Scene) -> None:
    desk = landed_by_hand(scene)
    found, page = reported(desk)
    landed = (scene.root / "docs/sessions/wave-1.md").read_text()
    for heading in ("## Summary", "## Work", "## Git operations", "## Files changed"):
        section = landed.partition(heading)[2].partition("\n## ")[0]
        assert section and f"{heading}{section}\n" in page
    assert [(g["gate"], g["workstream"], g["ok"]) for g in found["gates"]] == [
        ("types", "a", True),
        ("all", None, True),
    ]
    assert "| all | the wave | green, " in page
    assert (found["base_after"], found["tag"]) == (scene.tip("main"), "p/wave1")
    assert {file["path"] for file in found["files"]} == {"a.txt", "gone.txt", "tests/test_a.py"}


def test_the_story_names_who_asked_what_was_seen_each_gate_and_each_ref(scene: Scene) -> None:
    before = scene.tip("main")
    scene.work("a", {"changelog.d/a.md": "- a\n"})
    desk = scene.desk(workstream("a", gate("tests", "true")))
    assert merge(desk).ok
    asked = next(i for i, fact in enumerate(desk.facts) if isinstance(fact, f.LandingAsked))
    story = [in_words(fact) or "" for fact in desk.facts[asked:]]
    tip, landed, tag = (scene.tip(name)[:12] for name in ("p/a", "main", "p/wave1"))
    assert story[0] == "ada asked to land it"
    assert story[1] == f"saw main at {before[:12]}, a at {tip}; would write CHANGELOG.md changelog.d/a.md"
    assert story[2].startswith(f"tests on {tip}: green (")
    moved = story[3].removeprefix("begins to move ").split("; ")
    assert f"refs/tags/p/wave1 made at {tag}" in moved
    assert f"refs/heads/integration/wave1 made at {landed}" in moved
    assert moved[-1] == f"refs/heads/main {before[:12]} → {landed}"
    assert story[4] == f"landed a: refs/heads/main {before[:12]} → {landed}; tag p/wave1"


def test_why_a_gate_was_red_is_in_the_journal(scene: Scene) -> None:
    scene.work("a", {"a": "1"})
    desk = scene.desk(workstream("a", gate("tests", "echo so it was; exit 3")))
    merge(desk)
    (fact,) = desk.of_kind(f.GateFinished)
    assert fact.message == "exit status 3\nso it was"


def test_without_a_landing_there_is_no_report() -> None:
    with pytest.raises(Refused, match="no wave has landed yet"):
        find_landed([], None)
    with pytest.raises(Refused, match="wave 2 has not landed yet"):
        find_landed([], 2)


def test_the_last_landing_is_the_one_and_each_can_be_named(scene: Scene) -> None:
    scene.work("a", {"a": "1"})
    scene.work("b", {"b": "1"})
    desk = scene.desk(workstream("a"), workstream("b", wave=2))
    assert merge(desk).ok and merge(desk, 2).ok
    assert [reported(desk, wave)[0]["landed"] for wave in (None, 1, 2)] == [["b"], ["a"], ["b"]]


def test_a_wave_that_the_plan_has_forgotten_is_told_from_the_journal(scene: Scene) -> None:
    scene.work("a", {"a": "1"})
    desk = scene.desk(workstream("a"))
    assert merge(desk).ok
    other = scene.desk(workstream("z", wave=9))
    other.facts = desk.facts
    found, page = reported(other)
    assert (found["wave"], found["landed"], found["metrics"]["commits"]) == (1, ["a"], 1)
    assert page.startswith("# Wave 1\n")


def test_a_wave_that_landed_in_parts_is_told_as_one_with_every_landing(scene: Scene) -> None:
    scene.repo.commit_files("start", {"docs/sessions/README.md": "x\n"})
    before = scene.tip("main")
    scene.work("a", {"a": "1\n"})
    scene.work("b", {"b": "1\n", "bad": "1\n"})
    desk = scene.desk(
        workstream("a", gate("own", "exit 1", severity="warn")),
        workstream("b", gate("clean", "test ! -e bad")),
    )
    assert merge(desk, partial=True).landed == ("a",)
    found, page = reported(desk)
    assert (found["landed"], found["left_out"], found["rolled_back"]) == (["a"], ["b"], False)
    assert "- b of this wave has not landed" in page
    assert "| own | a | red, only a warning, " in page
    scene.work("b", {"b": "2\n"})
    scene.repo.git("rm", "--quiet", "bad", cwd=scene.worktrees / "b")
    scene.repo.git("commit", "--quiet", "-m", "mended", cwd=scene.worktrees / "b")
    assert merge(desk).ok
    found, page = reported(desk)
    assert (found["landed"], found["left_out"]) == (["a", "b"], [])
    assert (found["base_before"], found["base_after"]) == (before, scene.tip("main"))
    assert [(one["what"], one["workstreams"], one["tag"]) for one in found["landings"]] == [
        ("landed", ["a"], "p/wave1"),
        ("landed", ["b"], "p/wave1.2"),
    ]
    assert {file["path"] for file in found["files"]} == {"a", "b"}
    assert "has not landed" not in page and "## Landings" in page
    second = (scene.root / "docs/sessions/wave-1.md").read_text().partition("\n---\n")[2]
    assert "- 1 workstream: b" in second
    assert "not part of it" not in second and "has not landed" not in second


def test_a_wave_that_was_rolled_back_says_so(scene: Scene) -> None:
    scene.work("a", {"a": "1"})
    desk = scene.desk(workstream("a"))
    assert merge(desk).ok and rollback_wave(desk, 1, by="ada").ok
    found, page = reported(desk)
    assert (found["rolled_back"], found["landed"]) == (True, ["a"])
    assert "rolled back a, base went back: refs/heads/main" in page.partition("## Landings")[2]
    assert merge(desk, again=True).ok
    again, _ = reported(desk)
    assert [one["what"] for one in again["landings"]] == ["landed", "rolled-back", "landed"]
    assert not again["rolled_back"] and again["landed"] == ["a"]
