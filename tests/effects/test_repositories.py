"""Landing waves in repositories of every kind that git knows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator import git
from orchestrator.errors import CommandFailed, Refused
from orchestrator.gates import run_gates
from orchestrator.git import Git
from tests.support.landing import (
    MakeScene,
    Scene,
    check,
    gate,
    make_scene_fixture,
    merge,
    reasons,
    scene_fixture,
    workstream,
)
from tests.support.repository import Repository

__all__ = ["make_scene_fixture", "scene_fixture"]

CLEAN = gate("clean-merge")


def land_two(scene: Scene) -> None:
    """`a` and `b` edit different ends of one file and add one each; both must land, base must be clean."""
    scene.work("a", {"a.txt": "ONE\ntwo\nthree\n", "new/ä.txt": "a\n"})
    scene.work("b", {"a.txt": "one\ntwo\nTHREE\n", "new/b.txt": "b\n"})
    wave = {1: {"gates": (gate("all", "test -f new/b.txt && grep -q ONE a.txt"),)}}
    desk = scene.desk(
        workstream("a", CLEAN, gate("own", "test -f a.txt")), workstream("b", CLEAN), waves=wave
    )
    checked = check(desk)
    assert checked.ok, checked.reasons
    report = merge(desk)
    assert report.ok and report.landed == ("a", "b"), report.reasons
    assert report.candidate == checked.candidate == scene.tip("main")
    assert scene.repo.git("show", "main:a.txt") == "ONE\ntwo\nTHREE"


# --- what the repository is -----------------------------------------------------------------------


def test_sha256(make_scene: MakeScene) -> None:
    scene = make_scene("--object-format=sha256")
    land_two(scene)
    assert len(scene.tip("main")) == 64 and scene.status() == ""


def test_a_conflict_in_sha256(make_scene: MakeScene) -> None:
    scene = make_scene("--object-format=sha256")
    scene.work("a", {"a.txt": "A\n"})
    scene.work("b", {"a.txt": "B\n"})
    assert reasons(scene, "a", "b") == ("b: conflicts with a in a.txt (content)",)


def test_a_path_with_spaces_and_letters_of_any_script(make_scene: MakeScene) -> None:
    scene = make_scene(name="dépôt с пробелом [1] 'q' \"d\" $x")
    land_two(scene)
    assert scene.status() == ""


def test_a_repository_reached_through_a_link(make_scene: MakeScene, tmp_path: Path) -> None:
    scene = make_scene(name="real")
    (tmp_path / "link").symlink_to(scene.root)
    scene.root = tmp_path / "link"
    land_two(scene)
    assert scene.status() == ""


def test_a_bare_repository(make_scene: MakeScene, tmp_path: Path) -> None:
    seed = make_scene(name="seed")
    seed.repo.git("clone", "--quiet", "--bare", str(seed.root), str(tmp_path / "main.git"))
    scene = make_scene(repo=Repository(tmp_path / "main.git", "--bare"))
    land_two(scene)


def test_a_bare_repository_with_a_worktree_of_base(make_scene: MakeScene, tmp_path: Path) -> None:
    seed = make_scene(name="seed")
    seed.repo.git("clone", "--quiet", "--bare", str(seed.root), str(tmp_path / "main.git"))
    scene = make_scene(repo=Repository(tmp_path / "main.git", "--bare"))
    scene.repo.git("worktree", "add", "--quiet", str(tmp_path / "main"), "main")
    land_two(scene)
    assert scene.status(tmp_path / "main") == ""
    assert (tmp_path / "main" / "new" / "b.txt").read_text() == "b\n"


def test_base_checked_out_nowhere(scene: Scene) -> None:
    scene.repo.git("checkout", "--quiet", "--detach")
    land_two(scene)
    assert scene.status() == "" and not (scene.root / "new").exists()


def test_base_checked_out_in_two_places(scene: Scene, tmp_path: Path) -> None:
    scene.repo.git("worktree", "add", "--quiet", "--force", str(tmp_path / "second"), "main")
    land_two(scene)
    assert (scene.status(), scene.status(tmp_path / "second")) == ("", "")
    assert (tmp_path / "second" / "new" / "b.txt").exists()


def test_an_edit_in_the_second_place_holds_back_both(scene: Scene, tmp_path: Path) -> None:
    scene.repo.git("worktree", "add", "--quiet", "--force", str(tmp_path / "second"), "main")
    (tmp_path / "second" / "a.txt").write_text("mine\n")
    scene.work("a", {"a.txt": "A\n"})
    (reason,) = reasons(scene, "a")
    assert reason == f"{tmp_path / 'second'}: your uncommitted changes are in the way: a.txt"
    assert scene.status() == ""


@pytest.mark.parametrize("cone", ["--cone", "--no-cone"])
def test_a_sparse_checkout_of_base_stays_sparse(scene: Scene, cone: str) -> None:
    scene.repo.commit_files("folders", {"src/x": "x\n", "far/y": "y\n", "a.txt": "one\ntwo\nthree\n"})
    scene.work("c", {"far/y": "Y\n", "far/new": "new\n", "src/new": "new\n"})
    scene.work("d", {"src/x": "X\n"})
    scene.repo.git("sparse-checkout", "set", cone, "src")
    whole = gate("whole", "test -f far/y")  # a gate proves the whole tree
    desk = scene.desk(workstream("c", CLEAN, whole), workstream("d"), waves={1: {"gates": (whole,)}})
    report = merge(desk)
    assert report.ok, report.reasons
    assert scene.status() == "" and not (scene.root / "far").exists()
    assert (scene.root / "src" / "new").exists() and (scene.root / "src" / "x").read_text() == "X\n"
    assert scene.repo.git("show", "main:far/y") == "Y"


# --- clones that lack something -------------------------------------------------------------------


def clone_of(scene: Scene, folder: Path, *options: str, branches: tuple[str, ...] = ("a", "b")) -> Repository:
    """A clone of the scene's repository, with local branches."""
    url = f"file://{scene.root}"
    scene.repo.git("clone", "--quiet", "--no-single-branch", *options, url, str(folder))
    clone = Repository(folder)
    for name in branches:
        clone.git("branch", "--quiet", f"p/{name}", f"origin/p/{name}")
    return clone


def grown(scene: Scene) -> None:
    """Two branches that fork from a base which then goes on for three commits."""
    scene.work("a", {"a.txt": "ONE\ntwo\nthree\n"})
    scene.work("b", {"a.txt": "one\ntwo\nTHREE\n"})
    for number in range(3):
        scene.repo.commit_files("on", {"later": f"{number}\n"})


def test_a_shallow_clone_without_the_forks_is_refused_until_it_is_whole(
    make_scene: MakeScene, tmp_path: Path
) -> None:
    origin = make_scene(name="origin")
    grown(origin)
    scene = make_scene(repo=clone_of(origin, tmp_path / "clone", "--depth=1"))
    desk, refs = scene.desk(workstream("a", CLEAN), workstream("b")), scene.refs()
    for ask in (check, merge):
        with pytest.raises(
            Refused, match="a: its branch p/a cannot be merged in this shallow clone"
        ) as refusal:
            ask(desk)
        assert "git fetch --unshallow" in (refusal.value.hint or "")
    assert scene.refs() == refs
    (verdict,) = run_gates(desk, {"a": scene.tip("p/a")})
    assert "shares no history with base here: git fetch --unshallow" in verdict.why
    scene.repo.git("fetch", "--quiet", "--unshallow")
    landed = merge(desk)
    assert landed.ok, landed
    assert scene.repo.git("show", "main:a.txt") == "ONE\ntwo\nTHREE" and scene.status() == ""


def test_a_shallow_clone_with_the_forks_lands(make_scene: MakeScene, tmp_path: Path) -> None:
    origin = make_scene(name="origin")
    for number in range(3):
        origin.repo.commit_files("before", {"earlier": f"{number}\n"})
    grown(origin)
    scene = make_scene(repo=clone_of(origin, tmp_path / "clone", "--depth=4"))
    assert git.is_shallow(Git(scene.root))
    assert merge(scene.desk(workstream("a", CLEAN), workstream("b", CLEAN))).ok
    assert scene.repo.git("show", "main:a.txt") == "ONE\ntwo\nTHREE" and scene.status() == ""


def partial(make_scene: MakeScene, folder: Path) -> Scene:
    origin = make_scene(name="origin")
    origin.repo.git("config", "uploadpack.allowFilter", "true")
    origin.repo.git("config", "uploadpack.allowAnySHA1InWant", "true")
    grown(origin)
    scene = make_scene(repo=clone_of(origin, folder / "clone", "--filter=blob:none"))
    assert scene.repo.git("rev-list", "--objects", "--missing=print", "p/a", "p/b").count("\n?") > 0
    return scene


def test_a_partial_clone_fetches_what_merging_needs(make_scene: MakeScene, tmp_path: Path) -> None:
    scene = partial(make_scene, tmp_path)
    assert merge(scene.desk(workstream("a", CLEAN), workstream("b", CLEAN))).ok
    assert (scene.root / "a.txt").read_text() == "ONE\ntwo\nTHREE\n" and scene.status() == ""


def test_a_partial_clone_whose_origin_is_gone_moves_nothing(make_scene: MakeScene, tmp_path: Path) -> None:
    scene = partial(make_scene, tmp_path)
    desk, refs = scene.desk(workstream("a"), workstream("b")), scene.refs()
    (tmp_path / "origin").rename(tmp_path / "elsewhere")
    with pytest.raises(CommandFailed, match="merge-tree") as failure:
        merge(desk)
    assert "origin" in f"{failure.value.message} {failure.value.hint}"
    assert (scene.refs(), scene.status()) == (refs, "")


# --- what files go through ------------------------------------------------------------------------


def test_clean_and_smudge_filters(scene: Scene) -> None:
    """As LFS has it: blobs are not what the files are."""
    rot13 = "tr a-zA-Z n-za-mN-ZA-M"
    scene.repo.git("config", "filter.store.clean", rot13)
    scene.repo.git("config", "filter.store.smudge", rot13)
    scene.repo.git("config", "filter.store.required", "true")
    scene.repo.commit_files("store", {".gitattributes": "*.big filter=store -text\n"})
    scene.repo.commit_files("store", {"model.big": "hello\n\n\nworld\n"})
    scene.work("c", {"model.big": "HELLO\n\n\nworld\n", "new.big": "new\n"})
    scene.work("d", {"model.big": "hello\n\n\nWORLD\n"})
    seen = gate("plain", "grep -q HELLO model.big && grep -q WORLD model.big")
    desk = scene.desk(workstream("c", CLEAN), workstream("d"), waves={1: {"gates": (seen,)}})
    report = merge(desk)
    assert report.ok, report.reasons
    assert scene.repo.git("show", "main:model.big") == "URYYB\n\n\nJBEYQ"
    assert (scene.root / "model.big").read_text() == "HELLO\n\n\nWORLD\n"
    assert (scene.root / "new.big").read_text() == "new\n" and scene.status() == ""


def test_line_ends_that_are_converted(scene: Scene) -> None:
    scene.repo.git("config", "core.autocrlf", "true")
    (scene.root / "a.txt").unlink()
    scene.repo.git("checkout", "--", "a.txt")
    assert b"\r\n" in (scene.root / "a.txt").read_bytes()
    land_two(scene)
    assert (scene.root / "a.txt").read_bytes() == b"ONE\r\ntwo\r\nTHREE\r\n"
    assert scene.repo.git("cat-file", "-s", "main:a.txt") == "14" and scene.status() == ""


def test_names_that_differ_in_case_only(scene: Scene) -> None:
    scene.work("a", {"Notes.txt": "a\n"})
    scene.work("b", {"notes.txt": "b\n"})
    assert merge(scene.desk(workstream("a"), workstream("b"))).ok
    assert (scene.root / "Notes.txt").read_text() == "a\n"
    assert (scene.root / "notes.txt").read_text() == "b\n" and scene.status() == ""


def with_submodule(make_scene: MakeScene) -> tuple[Scene, list[str]]:
    """A scene whose base has a submodule at the first of three commits; a fourth is none's ancestor."""
    library = make_scene(name="library").repo
    commits = [library.commit("library", v=str(number)) for number in range(3)]
    library.git("branch", "aside", commits[0])
    library.git("checkout", "--quiet", "aside")
    commits.append(library.commit("aside", w="0"))
    scene = make_scene()
    scene.repo.git("submodule", "--quiet", "add", str(library.path), "lib")
    scene.repo.git("checkout", "--quiet", commits[0], cwd=scene.root / "lib")
    scene.repo.git("commit", "--quiet", "-a", "-m", "lib")
    return scene, commits


def move_submodule(scene: Scene, name: str, commit: str) -> None:
    scene.work(name, {})
    scene.repo.git("update-index", "--cacheinfo", f"160000,{commit},lib", cwd=scene.worktrees / name)
    scene.repo.git("commit", "--quiet", "-m", "lib", cwd=scene.worktrees / name)


def test_a_submodule_that_two_branches_moved_goes_to_the_later_commit(make_scene: MakeScene) -> None:
    scene, commits = with_submodule(make_scene)
    move_submodule(scene, "a", commits[1])
    move_submodule(scene, "b", commits[2])
    report = merge(scene.desk(workstream("a", CLEAN), workstream("b", CLEAN)))
    assert report.ok, report.reasons
    assert scene.tip("main:lib") == commits[2]


def test_a_submodule_that_two_branches_moved_apart_is_a_conflict(make_scene: MakeScene) -> None:
    scene, commits = with_submodule(make_scene)
    move_submodule(scene, "a", commits[1])
    move_submodule(scene, "b", commits[3])
    (reason,) = reasons(scene, "a", "b")
    assert reason.startswith("b: conflicts with a in lib (submodule")


def test_a_submodule_that_is_not_here_is_a_conflict(make_scene: MakeScene) -> None:
    scene, commits = with_submodule(make_scene)
    move_submodule(scene, "a", commits[1])
    move_submodule(scene, "b", commits[2])
    scene.repo.git("submodule", "--quiet", "deinit", "--force", "lib")
    shutil.rmtree(scene.root / ".git" / "modules")
    (reason,) = reasons(scene, "a", "b")
    assert reason == "b: conflicts with a in lib (submodule)"


def test_a_submodule_moves_twice_before_its_checkout_follows(make_scene: MakeScene) -> None:
    """As git has it: a submodule's own checkout moves by `git submodule update` only."""
    scene, commits = with_submodule(make_scene)
    move_submodule(scene, "a", commits[1])
    assert merge(scene.desk(workstream("a", CLEAN))).ok
    assert scene.status() == "M lib"
    scene.repo.git("branch", "-D", "integration/wave1")
    move_submodule(scene, "b", commits[2])
    report = merge(scene.desk(workstream("b", wave=2)), 2)
    assert report.ok, report.reasons
    scene.repo.git("submodule", "--quiet", "update")
    assert scene.status() == "" and scene.tip("main:lib") == commits[2]
