"""After a landing: waves are rolled back, brought back, and what they left is cleaned."""

from __future__ import annotations

from tests.support.project import Project

PLAN = """\
version: 1
project: p
gates:
  tests: {run: "true", timeout: 1m}
waves:
  1:
    gates: [tests]
    workstreams:
      a: {branch: w/a, ports: 1, run: "echo a > a.new; git add a.new; git commit -qm a; echo > results/w.pt"}
      b: {branch: w/b, run: "echo b > b.new; git add b.new; git commit -qm b"}
"""


def landed(project: Project) -> str:
    """Wave 1 has landed; where base was before."""
    before = project.repository.commit_files("ignore", {".gitignore": "*.pt\nwaves.yaml\n"})  # type: ignore[union-attr]
    project.plan(PLAN)
    project.ok("up")
    project.ok("wait", "a", "b")
    project.ok("wave", "merge", "1")
    return before


def wave(project: Project) -> str:
    state: str = project.ok("wave", "list", "--json").json["waves"][0]["state"]
    return state


def test_a_landed_project_is_cleaned_once_and_up_makes_nothing_again(project: Project) -> None:
    landed(project)
    said = project.ok("clean", "--dry-run")
    assert "a: can be cleaned" in said.out and project.worktree("a").exists()
    (project.worktree("b") / "b.new").write_text("mine\n")
    answer = project.run("clean", "--json")
    found = {one["name"]: one for one in answer.json["workstreams"]}
    assert answer.code == 1 and not answer.json["ok"]
    assert (found["a"]["outcome"], found["b"]["outcome"]) == ("cleaned", "refused")
    assert project.sessions() == ["p_b"] and not project.worktree("a").exists()
    assert (project.state / "kept" / "a" / "results" / "w.pt").read_text() == "\n"
    project.git("checkout", "--", "b.new", cwd=project.worktree("b"))
    assert "b: cleaned" in project.ok("clean").out
    assert "nothing is left of it" in project.ok("clean", "b").out
    assert project.sessions() == [] and project.git("branch", "--list", "w/*") == ""
    assert project.status("a")["state"] == "merged" and project.status("a")["worktree"] is None
    assert "a was cleaned" in project.run("exec", "a", "--", "ls").err
    project.ok("up")
    assert not project.worktree("a").exists() and project.git("worktree", "list").count("\n") == 0
    assert [event["workstream"] for event in project.events("WorkstreamCleaned")] == ["a", "b"]


def test_a_wave_goes_out_and_comes_back(project: Project) -> None:
    before = landed(project)
    tip = project.git("rev-parse", "main")
    report = project.ok("wave", "rollback", "1", "--json").json
    assert (report["ok"], report["form"], report["base_after"]) == (True, "reset", before)
    assert project.git("rev-parse", "main") == before and not (project.root / "a.new").exists()
    assert (wave(project), project.state_of("a")) == ("rolled-back", "done")
    assert "already rolled back" in project.ok("wave", "rollback", "1").out
    refused = project.run("wave", "merge", "1")
    assert refused.code == 1 and "orchestrator wave reland 1" in refused.out
    project.kill_daemon()
    assert project.ok("wave", "reland", "1", "--json").json["base_after"] == tip
    assert (wave(project), project.state_of("a")) == ("merged", "merged")
    assert (project.root / "a.new").read_text() == "a\n"
    assert project.run("wave", "rollback", "7").code == 2
