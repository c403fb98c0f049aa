from __future__ import annotations

import pytest

from orchestrator import git
from orchestrator.candidate import Candidate, CandidateConflict, build_candidate, pinned
from orchestrator.core.plan import Plan, WaveNumber
from orchestrator.git import Git
from tests.core.plans import plan_of
from tests.support.landing import Scene, scene_fixture, workstream

__all__ = ["scene_fixture"]

ONE = WaveNumber(1)


def plan(scene: Scene, *names: str) -> Plan:
    return plan_of(scene.root, *(workstream(name) for name in names))


def build(scene: Scene, *names: str) -> Candidate | CandidateConflict:
    tips = {name: scene.tip(f"p/{name}") for name in names}
    return build_candidate(Git(scene.root), plan(scene, *names), ONE, scene.tip("main"), tips)


def built(scene: Scene, *names: str) -> Candidate:
    found = build(scene, *names)
    assert isinstance(found, Candidate), found
    return found


def collided(scene: Scene, *names: str) -> list[tuple[str, tuple[str, ...], list[str]]]:
    found = build(scene, *names)
    assert isinstance(found, CandidateConflict), found
    return [(c.workstream, c.against, [file.path for file in c.files]) for c in found.collisions]


def three(scene: Scene) -> tuple[str, ...]:
    scene.work("a", {"a.txt": "ONE\ntwo\nthree\n", "dir/a": "1"})
    scene.work("b", {"a.txt": "one\ntwo\nTHREE\n", "dir/b": "2"})
    scene.work("c", {"README.md": "# Another\n"})
    scene.repo.commit("base went on", later="1")
    return ("a", "b", "c")


def test_its_tree_is_that_of_git_merge(scene: Scene) -> None:
    names = three(scene)
    candidate = built(scene, *names)
    scene.repo.git("checkout", "--quiet", "-b", "by-hand", "main")
    for name in names:
        scene.repo.git("merge", "--quiet", "--no-ff", "-m", name, f"p/{name}")
    assert candidate.tree == scene.tip("by-hand^{tree}")
    assert candidate.merged == names and candidate.contained == ()


def test_each_merge_has_two_parents_and_says_what_it_brings(scene: Scene) -> None:
    names = three(scene)
    candidate = built(scene, *names)
    form = "--format=%P|%s|%an <%ae>|%cn <%ce>"
    lines = scene.repo.git("log", "--first-parent", form, f"main..{candidate.commit}").splitlines()
    assert [line.split("|")[1] for line in lines] == [f"wave 1: merge {n} (p/{n})" for n in reversed(names)]
    assert {line.split("|")[2] for line in lines} == {"orchestrator <orchestrator@localhost>"}
    assert {line.split("|")[3] for line in lines} == {"orchestrator <orchestrator@localhost>"}
    assert [line.split("|")[0].split()[1] for line in lines] == [scene.tip(f"p/{n}") for n in reversed(names)]


def test_the_same_tips_give_the_same_commit(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    names = three(scene)
    first = built(scene, *names)
    monkeypatch.setenv("GIT_COMMITTER_DATE", "1800000000 +0000")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody else")
    assert built(scene, *names) == first
    assert scene.repo.git("log", "-1", "--format=%ct", first.commit) == "1700000000"
    scene.work("c", {"more": "1"})
    assert built(scene, *names).commit != first.commit


def test_building_moves_no_ref_and_touches_no_file(scene: Scene) -> None:
    names = three(scene)
    refs = scene.refs()
    built(scene, *names)
    assert (scene.refs(), scene.status()) == (refs, "")


def test_a_branch_that_base_has_is_not_merged_again(scene: Scene) -> None:
    scene.work("a", {"a": "1"})
    scene.repo.git("merge", "--quiet", "--no-ff", "-m", "by hand", "p/a")
    scene.work("b", {"b": "1"})
    candidate = built(scene, "a", "b")
    assert (candidate.contained, candidate.merged) == (("a",), ("b",))
    assert scene.repo.git("rev-parse", f"{candidate.commit}^1") == scene.tip("main")


def test_a_branch_made_from_another_brings_both(scene: Scene) -> None:
    scene.work("a", {"a": "1"})
    scene.work("b", {"b": "1"}, start="p/a")
    candidate = built(scene, "b", "a")
    assert candidate.merged == ("b", "a")
    assert scene.repo.git("rev-list", "--count", "--merges", f"main..{candidate.commit}") == "1"


def test_a_conflict_with_base_says_base(scene: Scene) -> None:
    scene.work("a", {"a.txt": "A\n"})
    scene.repo.commit("base", a__txt="B\n")
    assert collided(scene, "a") == [("a", ("main",), ["a.txt"])]


def test_every_collision_is_named_with_the_branch_it_meets(scene: Scene) -> None:
    scene.work("a", {"a.txt": "A\n"})
    scene.work("b", {"README.md": "B\n"})
    scene.work("c", {"a.txt": "C\n"})
    scene.work("d", {"README.md": "D\n", "a.txt": "D\n"})
    assert collided(scene, "a", "b", "c", "d") == [
        ("c", ("a",), ["a.txt"]),
        ("d", ("a", "b"), ["README.md", "a.txt"]),
    ]


def test_kinds_of_conflict_are_named(scene: Scene) -> None:
    scene.work("a", {"a.txt": "A\n", "new": "a"})
    path = scene.worktrees / "b"
    scene.work("b", {"new": "b"})
    scene.repo.git("rm", "--quiet", "a.txt", cwd=path)
    scene.repo.git("commit", "--quiet", "-m", "gone", cwd=path)
    found = build(scene, "a", "b")
    assert isinstance(found, CandidateConflict)
    assert found.collisions[0].words() == "conflicts with a in a.txt (modify/delete), new (add/add)"


def test_a_branch_without_shared_history_is_a_conflict(scene: Scene) -> None:
    scene.repo.git("checkout", "--quiet", "--orphan", "p/a")
    scene.repo.commit("alone")
    scene.repo.git("checkout", "--quiet", "main")
    assert collided(scene, "a") == [("a", ("main",), [])]


def test_attributes_are_those_base_has_committed(scene: Scene) -> None:
    """Whatever lies about in the worktree that git runs in has no say."""
    scene.repo.commit_files("log", {"LOG": "start\n", "sub/.gitattributes": "LOG merge=union\n"})
    scene.repo.commit_files("log", {"sub/LOG": "start\n"})
    (scene.root / ".gitattributes").write_text("* merge=union\n")
    scene.work("a", {"sub/LOG": "start\na\n"})
    scene.work("b", {"sub/LOG": "start\nb\n"})
    candidate = built(scene, "a", "b")
    assert scene.repo.git("show", f"{candidate.commit}:sub/LOG") == "start\na\nb"
    scene.work("a", {"LOG": "a\n"})
    scene.work("b", {"LOG": "b\n"})
    assert collided(scene, "a", "b") == [("b", ("a",), ["LOG"])]


def test_files_of_any_name_are_merged(scene: Scene) -> None:
    scene.work("a", {"dïr with space/ü\n.txt": "1"})
    candidate = built(scene, "a")
    paths = [change.path for change in git.changed_paths(Git(scene.root), "main", candidate.commit)]
    assert paths == ["dïr with space/ü\n.txt"]


def test_a_pin_that_was_left_behind_makes_room_and_that_of_another_stays(scene: Scene) -> None:
    names, repository = three(scene), Git(scene.root)
    one, other = built(scene, *names[:1]).commit, built(scene, *names).commit
    ref = "refs/orchestrator/candidates/wave1"
    scene.repo.git("update-ref", ref, one)
    with pinned(repository, ONE, other):
        assert scene.refs()[ref] == other
        with pinned(repository, ONE, one):
            assert scene.refs()[ref] == one
        assert ref not in scene.refs()
        scene.repo.git("update-ref", ref, one)
    assert scene.refs()[ref] == one
