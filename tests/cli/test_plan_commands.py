from __future__ import annotations

from tests.cli.conftest import PLAN, run_in
from tests.support.project import Project


def test_init_writes_a_plan_that_validates(project: Project) -> None:
    assert "next:" in project.ok("init").out
    assert (project.root / "waves.yaml").read_text().count("project: repo") == 1
    assert "3 workstreams in 2 waves" in project.ok("validate").out
    assert project.ok("--json", "validate").json == {"ok": True, "problems": [], "warnings": []}


def test_init_overwrites_nothing(planned: Project) -> None:
    answer = planned.run("init")
    assert answer.code == 1
    assert "exists already" in answer.err
    assert (planned.root / "waves.yaml").read_text() == PLAN


def test_init_from_a_folder_below_writes_at_the_top(project: Project) -> None:
    below = project.root / "src"
    below.mkdir()
    assert run_in(project, below, "init").code == 0
    assert not (below / "waves.yaml").exists()


def test_init_names_the_branch_and_the_remote(project: Project) -> None:
    project.git("checkout", "-q", "-b", "trunk")
    project.git("remote", "add", "origin", "/nowhere")
    project.ok("init")
    text = (project.root / "waves.yaml").read_text()
    assert "base: trunk" in text
    assert "\nremote: origin" in text


def test_init_needs_a_repository(project: Project) -> None:
    outside = project.folder / "outside"
    outside.mkdir()
    answer = run_in(project, outside, "init")
    assert answer.code == 2
    assert "no git repository" in answer.err
    assert "git init" in answer.err


def test_init_needs_a_commit(project: Project) -> None:
    empty = project.folder / "empty"
    project.git("init", "-q", str(empty))
    answer = run_in(project, empty, "init")
    assert answer.code == 3
    assert "no commit" in answer.err
    assert not (empty / "waves.yaml").exists()


def test_schema_is_one_json_document(project: Project) -> None:
    assert "waves" in project.ok("schema").json["properties"]


def test_validate_says_all_problems_with_their_places(planned: Project) -> None:
    planned.plan(PLAN.replace("base: main", "bsae: main").replace("needs: [i3d]", "needs: [i3e]"))
    answer = planned.run("validate")
    assert answer.code == 2
    assert answer.out == ""
    assert f"{planned.root}/waves.yaml:3:1: " in answer.err
    assert "did you mean 'i3d'?" in answer.err
    assert "2 problems" in answer.err


def test_validate_prints_problems_as_json(planned: Project) -> None:
    planned.plan(PLAN.replace("base: main", "bsae: main"))
    answer = planned.run("validate", "--json")
    assert answer.code == 2
    (problem,) = answer.json["problems"]
    assert answer.json["ok"] is False
    assert (problem["file"], problem["line"], problem["column"]) == (f"{planned.root}/waves.yaml", 3, 1)
    assert "bsae" in problem["message"]


def test_a_key_without_machinery_is_a_warning_to_validate_and_an_error_to_up(planned: Project) -> None:
    planned.plan(PLAN.replace("goal: shared", "winner: max(acc)"))
    validated, started = planned.run("validate"), planned.run("up")
    assert validated.code == 0
    assert "winner" in validated.err
    assert "not built yet" in validated.err
    assert started.code == 2
    assert "winner" in started.err
    assert planned.run("status", "--json").json["daemon"]["running"] is False


def test_no_plan_is_wrong_usage_and_says_how_to_get_one(project: Project) -> None:
    answer = project.run("status")
    assert answer.code == 2
    assert "orchestrator init" in answer.err


def test_a_plan_can_be_named_before_and_after_the_command(planned: Project) -> None:
    other = planned.root / "plans" / "other.yaml"
    other.parent.mkdir()
    other.write_text(PLAN.replace("project: demo", "project: other"))
    for typed in (("--plan", str(other), "status", "--json"), ("status", "--plan", str(other), "--json")):
        assert planned.ok(*typed).json["project"] == "other"
    assert planned.ok("--json", "status").json["project"] == "demo"


def test_a_named_plan_that_is_not_there(planned: Project) -> None:
    answer = planned.run("status", "--plan", "nowhere.yaml")
    assert answer.code == 2
    assert "nowhere.yaml" in answer.err
