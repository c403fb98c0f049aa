from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.home import find_checkout, find_home
from tests.cli.conftest import PLAN, run_in
from tests.cli.test_ending import write_journal
from tests.support.project import Project


def test_the_state_is_shared_by_all_worktrees(project: Project) -> None:
    linked = project.folder / "linked"
    project.git("worktree", "add", "-q", "-b", "other", str(linked))
    (linked / "deep").mkdir()
    main, other = find_checkout(project.root), find_checkout(linked / "deep")
    assert main.state == other.state == find_home(project.root).state
    assert (main.is_linked, other.is_linked) == (False, True)
    assert other.folder == linked


def test_a_repository_reached_through_a_link_has_one_state(project: Project) -> None:
    (project.folder / "alias").symlink_to(project.root)
    assert find_checkout(project.folder / "alias").state == find_home(project.folder / "alias").state


def test_a_submodule_has_its_own_state(project: Project) -> None:
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(project.root), "sub")
    assert find_checkout(project.root / "sub").state == find_home(project.root / "sub").state
    assert find_checkout(project.root / "sub").state != find_checkout(project.root).state


def test_outside_of_a_repository(tmp_path: Path) -> None:
    for find in (find_checkout, find_home):
        with pytest.raises(UsageError, match="no git repository"):
            find(tmp_path)


@pytest.mark.parametrize("typed", ["status", "validate", "init", "doctor", "status --plan waves.yaml"])
def test_no_repository_is_wrong_usage_to_every_command(planned: Project, typed: str) -> None:
    outside = planned.folder / "outside"
    outside.mkdir()
    for _ in range(2):
        answer = run_in(planned, outside, *typed.split())
        assert answer.code == 2
        assert answer.out == ""
        (outside / "waves.yaml").write_text(PLAN)


def test_a_bare_repository_is_a_repository(project: Project) -> None:
    bare = project.folder / "bare.git"
    project.git("clone", "-q", "--bare", str(project.root), str(bare))
    (bare / "waves.yaml").write_text(PLAN)
    assert find_checkout(bare).state == find_home(bare).state
    assert find_home(bare).root == bare
    assert run_in(project, bare, "status", "--json").json["project"] == "demo"


def test_in_a_worktree_the_daemon_s_plan_wins_over_the_copy_there(planned: Project) -> None:
    planned.git("add", "waves.yaml")
    planned.git("commit", "-q", "-m", "plan")
    linked = planned.folder / "linked"
    planned.git("worktree", "add", "-q", "-b", "other", str(linked))
    (linked / "waves.yaml").write_text("not: a plan")
    assert run_in(planned, linked, "status", "--json").json["plan"] == f"{planned.root}/waves.yaml"

    elsewhere = planned.root / "plans.yaml"
    elsewhere.write_text((planned.root / "waves.yaml").read_text().replace("demo", "elsewhere"))
    read = f'{{"source": "{elsewhere}", "digest": ""}}'
    write_journal(planned, ("JournalBegun", '{"token": "t"}'), ("PlanRead", read))
    assert run_in(planned, linked, "status", "--json").json["project"] == "elsewhere"
    assert planned.run("status", "--json").json["project"] == "demo"
