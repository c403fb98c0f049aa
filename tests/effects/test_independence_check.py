from __future__ import annotations

from typing import Any

from orchestrator.gates import run_wave_gates
from tests.support.landing import Desk, Scene, scene_fixture
from tests.support.trials import check_gate, one, rules, stream, verdict

__all__ = ["scene_fixture"]


def desk_of(scene: Scene, **fields: Any) -> Desk:
    gate = check_gate("independence")
    return scene.desk(stream("a", gate, **fields), stream("b", gate))


def test_two_branches_with_work_of_their_own_are_independent(scene: Scene) -> None:
    scene.work("a", {"a.py": "a = 1\n"})
    scene.work("b", {"b.py": "b = 1\n"})
    desk = desk_of(scene)
    assert verdict(scene, desk, "a").is_green and verdict(scene, desk, "b").is_green


def test_a_branch_that_never_left_base_has_not_diverged(scene: Scene) -> None:
    scene.repo.git("branch", "p/a", "main")
    scene.work("b", {"b.py": "b = 1\n"})
    assert one(verdict(scene, desk_of(scene))).rule == "independence/not-diverged"


def test_a_branch_of_merges_only_has_no_commit_of_its_own(scene: Scene) -> None:
    scene.work("b", {"b.py": "b = 1\n"})
    scene.work("a", {"a.py": "a\n"})
    scene.repo.commit("base goes on", c__txt="c\n")
    path = scene.worktrees / "a"
    scene.repo.git("reset", "-q", "--hard", "main~1", cwd=path)
    scene.repo.git("merge", "-q", "--no-ff", "-m", "b", "p/b", cwd=path)
    scene.repo.git("merge", "-q", "--no-ff", "-m", "base", "main", cwd=path)
    desk = desk_of(scene)
    assert rules(verdict(scene, desk, "a")) == ["independence/identical", "independence/no-own-commits"]
    assert verdict(scene, desk, "b").is_green


def test_commits_that_change_nothing_are_no_work(scene: Scene) -> None:
    scene.work("b", {"b.py": "b = 1\n"})
    scene.work("a", {})
    assert one(verdict(scene, desk_of(scene))).rule == "independence/no-change"


def test_identical_branches_are_found_at_the_same_commit_tree_and_elsewhere(scene: Scene) -> None:
    scene.work("a", {"x.py": "x = 1\n"})
    scene.repo.git("branch", "p/b", "p/a")
    desk = desk_of(scene)
    assert "stands at the same commit as p/b" in verdict(scene, desk).message
    scene.repo.git("branch", "-f", "p/b", "main")
    scene.work("b2", {"x.py": "x = 1\n"})
    scene.repo.git("branch", "-f", "p/b", "p/b2")
    scene.repo.git("commit", "-q", "--amend", "-m", "other words", cwd=scene.worktrees / "a")
    assert "holds exactly the same files as p/b" in verdict(scene, desk).message
    scene.repo.git("mv", "x.py", "y.py", cwd=scene.worktrees / "a")
    scene.repo.git("commit", "-qm", "moved", cwd=scene.worktrees / "a")
    assert "brings exactly the same contents as p/b" in verdict(scene, desk).message


def test_results_are_asked_for_where_the_plan_has_them_committed(scene: Scene) -> None:
    scene.work("a", {"a.py": "a = 1\n"})
    scene.work("b", {"b.py": "b = 1\n"})
    desk = desk_of(scene, results="branch1/results")
    found = one(verdict(scene, desk))
    assert (found.rule, found.path) == ("independence/no-results", "branch1/results")
    scene.work("a", {".gitignore": "branch1/results/\n"})
    assert verdict(scene, desk).is_green
    scene.work("a", {".gitignore": "\n", "branch1/results/final_metrics.json": "{}"})
    assert verdict(scene, desk).is_green


def test_a_wave_is_judged_branch_by_branch(scene: Scene) -> None:
    scene.work("a", {"a.py": "a = 1\n"})
    scene.repo.git("branch", "p/b", "p/a")
    desk = scene.desk(stream("a"), stream("b"), waves={1: {"gates": (check_gate("independence"),)}})
    (found,) = run_wave_gates(desk, 1, scene.tip("p/a"), base=scene.tip("main"))
    assert [(f.rule, f.workstream) for f in found.findings] == [
        ("independence/identical", "a"),
        ("independence/identical", "b"),
    ]
