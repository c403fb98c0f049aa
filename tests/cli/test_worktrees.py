"""Which folders are ours: what `exec` and `validate` do in them; and whose plan counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import PLAN, run_in
from tests.support.project import Project, project_in
from tests.support.repository import pin


def test_exec_runs_nothing_in_a_folder_that_is_no_worktree_of_ours(planned: Project) -> None:
    taken = planned.worktree("i3d")
    taken.mkdir(parents=True)
    (taken / "theirs").write_text("")
    foreign = planned.worktree("slowfast")
    planned.git("init", "-q", str(foreign))
    for name in ("i3d", "slowfast"):
        answer = planned.run("exec", name, "--", "touch", "mine")
        assert (answer.code, answer.out) == (1, "")
        assert "no worktree of this repository" in answer.err
        assert f"move it away, then orchestrator up {name}" in answer.err
        assert not (planned.worktree(name) / "mine").exists()


def test_exec_on_another_host_needs_a_launch(planned: Project) -> None:
    hosted = PLAN.replace("waves:", "hosts: {gpu: {ssh: nowhere.invalid, root: /x}}\nwaves:", 1)
    planned.plan(hosted.replace("branch: work/i3d", "branch: w, host: gpu"))
    answer = planned.run("exec", "i3d", "--", "true")
    assert answer.code == 1
    assert "no worktree on gpu yet" in answer.err
    assert "orchestrator up i3d" in answer.err


def test_exec_after_the_worktree_was_deleted_says_restart(live: Project) -> None:
    live.workstreams("a: {branch: w/a, run: 'sleep 600'}")
    live.ok("up")
    assert live.ok("exec", "a", "--", "pwd").out == f"{live.worktree('a')}\n"
    live.git("worktree", "remove", "--force", str(live.worktree("a")))
    answer = live.run("exec", "a", "--", "true")
    assert answer.code == 1
    assert "orchestrator restart a" in answer.err


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    pin(monkeypatch, tmp_path)
    with project_in(tmp_path) as made:
        assert made.repository is not None
        made.repository.commit("first", a__txt="one\n")
        yield made


def test_validate_checks_the_nearest_plan_in_a_worktree_that_is_not_ours(planned: Project) -> None:
    linked = planned.folder / "linked"
    planned.git("worktree", "add", "-q", "-b", "other", str(linked))
    assert f"{planned.root}/waves.yaml" in run_in(planned, linked, "validate").out
    (linked / "waves.yaml").write_text(PLAN.replace("base: main", "bsae: main"))
    (linked / "deep").mkdir()
    answer = run_in(planned, linked / "deep", "validate")
    assert answer.code == 2
    assert f"{linked}/waves.yaml:3:1: " in answer.err


def test_validate_in_a_worktree_of_ours_says_which_plan_counts(live: Project) -> None:
    live.workstreams("a: {branch: w/a, run: 'sleep 600'}", "b: {branch: w/b, setup: 'exit 1', run: 'true'}")
    assert live.run("up").code == 1
    for name in ("a", "b"):
        linked = live.worktree(name)
        (linked / "waves.yaml").write_text("not: a plan")
        answer = run_in(live, linked, "validate")
        assert answer.code == 0
        assert f"the daemon's plan counts: checking {live.root}/waves.yaml" in answer.err


def test_a_plan_that_changed_is_told_until_up_reads_it(live: Project) -> None:
    live.workstreams("a: {branch: w/a, run: 'sleep 600'}")
    live.ok("up")
    assert "changed" not in live.ok("status").err
    live.plan((live.root / "waves.yaml").read_text() + "# more\n")
    for typed in ("status", "restart a"):
        assert "waves.yaml changed since the daemon read it" in live.ok(*typed.split()).err
    live.ok("up")
    assert "changed" not in live.ok("status").err
