"""Waves land, or the answer says why not and nothing has changed."""

from __future__ import annotations

import signal
import subprocess

from tests.support.eventually import eventually
from tests.support.project import COMMAND, Project

PLAN = """\
version: 1
project: p
gates:
  tests: {{run: "{gate}", timeout: 1m}}
waves:
  1:
    gates: [tests]
    workstreams:
      a: {{branch: w/a, run: "{a}", gates: [tests]}}
      b: {{branch: w/b, run: "{b}", gates: [tests]}}
  2:
    needs: [1]
    workstreams:
      c: {{branch: w/c, run: "cat a.new b.new && {c}"}}
"""


def commits(name: str, text: str = "1") -> str:
    return f"echo {text} > {name}; git add {name}; git commit -qm {name}"


def wave_of_two(project: Project, gate: str = "true", a: str = "a.new", b: str = "b.new") -> None:
    project.plan(PLAN.format(gate=gate, a=commits(a, "fromA"), b=commits(b, "fromB"), c=commits("c.new")))
    project.ok("up")
    project.until("a", "done")
    project.until("b", "done")


def test_two_waves_land_and_the_second_starts_on_the_first(project: Project) -> None:
    wave_of_two(project)
    assert project.state_of("c") == "waiting"
    merged = project.ok("wave", "merge", "1", "--json").json
    assert (merged["ok"], merged["landed"], merged["left_out"]) == (True, ["a", "b"], [])
    assert merged["base_after"] == project.git("rev-parse", "main")
    assert {(g["gate"], g["workstream"]) for g in merged["gates"]} == {
        ("tests", "a"),
        ("tests", "b"),
        ("tests", None),
    }
    assert (project.root / "a.new").read_text() == "fromA\n"
    assert project.git("status", "--porcelain", "--untracked-files=no") == ""
    assert project.state_of("a") == "merged"
    project.until("c", "done")
    project.ok("wave", "merge", "2")
    assert (project.root / "c.new").exists()
    again = project.ok("wave", "merge", "1")
    assert "already landed" in again.out + again.err


def test_a_wave_that_is_not_done_says_who_is_missing(project: Project) -> None:
    project.plan(PLAN.format(gate="true", a="sleep 60", b=commits("b.new"), c="true"))
    project.ok("up")
    project.until("b", "done")
    before = project.git("for-each-ref")
    answer = project.run("wave", "merge", "1", "--json")
    assert answer.code == 1
    assert [left["name"] for left in answer.json["left_out"]] == ["a"] or "a" in str(answer.json)
    assert project.git("for-each-ref") == before


def test_a_conflict_names_both_sides_and_the_file(project: Project) -> None:
    wave_of_two(project, a="same.new", b="same.new")
    before = project.git("rev-parse", "main")
    answer = project.run("wave", "merge", "1")
    assert answer.code == 1
    text = answer.out + answer.err
    assert "same.new" in text
    assert "a" in text
    assert "b" in text
    assert project.git("rev-parse", "main") == before


def test_a_red_gate_stops_the_wave(project: Project) -> None:
    wave_of_two(project, gate="! test -e b.new")
    before = project.git("rev-parse", "main")
    answer = project.run("wave", "merge", "1")
    assert answer.code == 1
    assert "tests" in answer.out + answer.err
    assert project.git("rev-parse", "main") == before


def test_uncommitted_work_in_a_worktree_stops_the_wave(project: Project) -> None:
    wave_of_two(project)
    (project.worktree("a") / "a.txt").write_text("changed\n")
    answer = project.run("wave", "merge", "1")
    assert answer.code == 1
    assert "a.txt" in answer.out + answer.err


def test_the_users_own_changes_survive_a_landing(project: Project) -> None:
    wave_of_two(project)
    (project.root / "a.txt").write_text("my own work\n")
    project.ok("wave", "merge", "1")
    assert (project.root / "a.txt").read_text() == "my own work\n"
    assert (project.root / "b.new").exists()
    assert project.git("diff", "--name-only") == "a.txt"


def test_ctrl_c_in_a_merge_lands_nothing(project: Project) -> None:
    wave_of_two(project, gate="sleep 4")
    before = project.git("for-each-ref", "refs/heads", "refs/tags")
    merge = subprocess.Popen([*COMMAND, "wave", "merge", "1"], cwd=project.root, env=project.env)
    eventually(lambda: project.events("LandingAsked"), message="the daemon was asked")
    merge.send_signal(signal.SIGINT)
    assert merge.wait(timeout=20) == 130
    eventually(lambda: not candidates(project), 40, "the daemon has given up the landing")
    assert project.git("for-each-ref", "refs/heads", "refs/tags") == before
    assert project.events("WaveLanded") == []
    project.ok("wave", "merge", "1")


def candidates(project: Project) -> str:
    return project.git("for-each-ref", "refs/orchestrator/candidates")


def test_a_wave_becomes_ready_by_itself(project: Project) -> None:
    wave_of_two(project)

    def state() -> str:
        waves = project.ok("status", "--json").json["waves"]
        return str(next(w["state"] for w in waves if w["wave"] == 1))

    eventually(lambda: state() == "ready", 30, "gates ran without being asked for")
    check = project.ok("wave", "check", "1", "--json").json
    assert all(gate["cached"] for gate in check["gates"] if gate["workstream"])


def test_a_landed_wave_has_documents_a_story_and_a_report(project: Project) -> None:
    assert project.repository is not None
    project.repository.commit_files("sessions", {"docs/sessions/README.md": "Sessions.\n"})
    fragment = "mkdir -p changelog.d; echo quicker > changelog.d/a.fixed.md; git add changelog.d; "
    plan = PLAN.format(gate="true", a=fragment + commits("a.new"), b=commits("b.new"), c="true")
    project.plan(plan)
    project.ok("up")
    project.until("a", "done")
    project.until("b", "done")
    before = project.git("rev-parse", "main")
    landed = project.ok("wave", "merge", "1", "--json").json["base_after"]
    assert (
        project.root / "CHANGELOG.md"
    ).read_text() == "# Changelog\n\n## Wave 1\n\n### Fixed\n\n- quicker\n"
    assert "| tests | a | green |" in (project.root / "docs/sessions/wave-1.md").read_text()
    assert not (project.root / "changelog.d").exists()
    project.ok("down")

    story = project.ok("events", "--wave", "1").out
    assert "asked to land it" in story
    for ref, old in (("main", before[:12]), ("integration/wave1", None)):
        moved = f"{old} → {landed[:12]}" if old else f"made at {landed[:12]}"
        assert f"refs/heads/{ref} {moved}" in story
    assert story.count(f"tests on {landed[:12]}: green") == 1
    assert "c.new" not in story and "LaunchChosen" in story

    report = project.ok("report", "--json").json
    assert (report["wave"], report["landed"], report["metrics"]["commits"]) == (1, ["a", "b"], 2)
    assert report["metrics"]["speed_up"] > 0
    assert {(g["gate"], g["workstream"]) for g in report["gates"]} == {
        ("tests", "a"),
        ("tests", "b"),
        ("tests", None),
    }
    assert "| tests | the wave | green, " in project.ok("report", "--wave", "1").out
