"""What people and scripts are told of gates."""

from __future__ import annotations

from tests.support.project import Project

PLAN = """\
version: 1
project: demo
gates:
  size: {run: "true", scope: diff, inputs: [src/], retries: 2, timeout: 90s}
  lint: {run: "exit 3", severity: warn}
  lost: {run: "kill -9 $$"}
  red: {run: "echo x >> a.txt"}
  merged: {run: "true", scope: wave}
waves:
  1: {workstreams: {a: {branch: work/a, gates: [size, lint, merged, clean-merge]}}}
  2: {workstreams: {b: {branch: work/b, gates: lost}}}
  3: {workstreams: {c: {branch: work/c, gates: [lost, red]}}}
"""


def planned(project: Project) -> Project:
    project.plan(PLAN)
    for name in "abc":
        project.git("branch", f"work/{name}")
    return project


def test_the_list_says_what_each_depends_on_and_does(project: Project) -> None:
    lines = planned(project).ok("gate", "list").out.splitlines()
    rows = {line.split()[0]: line.split() for line in lines}
    assert rows["GATE"][:5] == ["GATE", "SCOPE", "SEVERITY", "TIMEOUT", "RETRIES"]
    assert rows["size"] == ["size", "diff", "src/", "block", "1m30s", "2", "a", "true"]
    assert rows["merged"][-3:] == ["wave", "1", "true"]
    assert rows["clean-merge"][1] == "-"
    found = {gate["gate"]: gate for gate in project.ok("gate", "list", "--json").json["gates"]}
    assert (found["size"]["inputs"], found["lint"]["severity"], found["merged"]["workstreams"]) == (
        ["src/"],
        "warn",
        [],
    )


def test_a_warning_is_shown_and_is_no_no(project: Project) -> None:
    answer = planned(project).ok("gate", "run", "a")
    assert "! a  lint" in answer.out and "exit status 3" in answer.out
    verdicts = {gate["gate"]: gate for gate in project.ok("gate", "run", "a", "--json").json["gates"]}
    assert (verdicts["lint"]["ok"], verdicts["lint"]["outcome"]) == (True, "red")
    assert verdicts["size"]["cached"] is True


def test_no_verdict_is_3_and_a_red_beside_it_1(project: Project) -> None:
    answer = planned(project).run("gate", "run", "b")
    assert (answer.code, answer.out.split("\n")[0][:9]) == (3, "? b  lost")
    assert "red" not in answer.out.split("\n")[0]
    assert project.run("wave", "check", "2").code == 3
    answer = project.run("gate", "run", "c", "--json")
    red = next(gate for gate in answer.json["gates"] if gate["gate"] == "red")
    assert (answer.code, red["outcome"]) == (1, "red")
    assert project.run("wave", "check", "3").code == 1
    assert f"git apply {red['proposal']}" in project.run("gate", "run", "c").out


def test_nothing_to_run_is_no_no_but_nothing_to_look_at_is(project: Project) -> None:
    project.plan(PLAN.replace("gates: [size, lint, merged, clean-merge]", "gates: [merged]"))
    nothing = {"ok": False, "gates": [], "findings": []}
    answer = project.run("gate", "run", "a", "--json")
    assert (answer.code, answer.json) == (1, nothing) and "no branch to check" in answer.err
    project.git("branch", "work/a")
    assert project.ok("gate", "run", "a", "--json").json == {**nothing, "ok": True}
    answer = project.run("gate", "run", "a", "--gate", "merged", "--json")
    assert (answer.code, answer.json) == (1, nothing) and "left to the wave" in answer.err
