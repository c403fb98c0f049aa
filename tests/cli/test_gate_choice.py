"""`gate run --gate`: what is named is run, or it is no green."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import PLAN
from tests.support.project import Project


@pytest.fixture
def branched(planned: Project) -> Project:
    planned.plan(PLAN.replace('tests: {run: "true"', 'red: {run: "exit 3"}\n  tests: {run: "true"'))
    planned.git("branch", "work/i3d")
    planned.git("branch", "work/slowfast")
    return planned


def ran(project: Project, *arguments: str) -> list[tuple[str, str, bool]]:
    document = project.run("gate", "run", *arguments, "--json").json
    return [(gate["workstream"], gate["gate"], gate["ok"]) for gate in document["gates"]]


def test_a_named_gate_is_run_where_the_plan_does_not_ask_for_it(branched: Project) -> None:
    assert branched.run("gate", "run", "i3d", "--gate", "red").code == 1
    assert ran(branched, "i3d", "--gate", "red") == [("i3d", "red", False)]
    assert ran(branched, "i3d", "--gate", "tests", "--gate", "clean-merge", "--gate", "tests") == [
        ("i3d", "tests", True),
        ("i3d", "clean-merge", True),
    ]
    assert ran(branched, "--gate", "tests") == [("i3d", "tests", True), ("slowfast", "tests", True)]


def test_without_a_name_the_plan_s_gates_are_run(branched: Project) -> None:
    assert ran(branched) == [("slowfast", "tests", True)]


def test_an_unknown_gate_is_wrong_usage(branched: Project) -> None:
    answer = branched.run("gate", "run", "i3d", "--gate", "clean-merg")
    assert answer.code == 2
    assert "did you mean 'clean-merge'?" in answer.err


def test_that_a_named_workstream_has_no_gates_is_said(branched: Project) -> None:
    answer = branched.ok("gate", "run", "i3d")
    assert answer.out == ""
    assert "i3d: no gates" in answer.err


def test_findings_as_sarif(branched: Project) -> None:
    options = ("gate", "run", "i3d", "--gate", "redflags")
    assert branched.run(*options, "--format", "sarif").json["version"] == "2.1.0"
    assert branched.run(*options, "--sarif", str(branched.root / "found.sarif")).code == 0
    assert json.loads((branched.root / "found.sarif").read_text())["runs"][0]["results"] == []
    assert branched.run(*options, "--format", "xml").code == 2
    assert branched.run(*options, "--sarif", "/nowhere/found.sarif").code == 2
