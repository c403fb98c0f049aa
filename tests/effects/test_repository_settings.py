"""What people have set for their repository has no say in what lands, and nothing of it is executed."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from orchestrator import git
from orchestrator.candidate import Candidate, build_candidate
from orchestrator.core.plan import WaveNumber
from orchestrator.git import Git
from tests.core.plans import plan_of
from tests.support.landing import (
    MakeScene,
    Scene,
    gate,
    make_scene_fixture,
    merge,
    reasons,
    scene_fixture,
    workstream,
)

__all__ = ["make_scene_fixture", "scene_fixture"]

CLEAN = gate("clean-merge")


def candidate(scene: Scene, *names: str) -> Candidate:
    tips = {name: scene.tip(f"p/{name}") for name in names}
    plan = plan_of(scene.root, *(workstream(name) for name in names))
    built = build_candidate(Git(scene.root), plan, WaveNumber(1), scene.tip("main"), tips)
    assert isinstance(built, Candidate), built
    return built


def touching(path: Path, mark: Path) -> Path:
    """A program that leaves a mark and fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho $0 >> '{mark}'\nexit 1\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


HOOKS = (
    *("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "pre-merge-commit", "post-merge"),
    *(
        "post-checkout",
        "post-index-change",
        "reference-transaction",
        "pre-push",
        "pre-auto-gc",
        "post-rewrite",
    ),
)


@pytest.mark.parametrize("place", ["of the repository", "of the user"])
def test_no_hook_runs(scene: Scene, tmp_path: Path, place: str) -> None:
    own = place == "of the repository"
    scene.work("a", {"a.txt": "A\n"})
    desk = scene.desk(workstream("a", gate("own", "true")), waves={1: {"gates": (gate("all", "true"),)}})
    folder = scene.root / ".git" / "hooks" if own else tmp_path / "hooks"
    for name in HOOKS:
        touching(folder / name, tmp_path / "ran")
    if not own:
        scene.repo.git("config", "--global", "core.hooksPath", str(folder))
    scene.repo.git("config", "core.fsmonitor", str(touching(tmp_path / "monitor", tmp_path / "ran")))
    report = merge(desk)
    assert report.ok, report.reasons
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
    shutil.rmtree(folder)


def test_no_merge_driver_runs(scene: Scene, tmp_path: Path) -> None:
    """Not those of attributes, not the default one, not one that took the name of git's own."""
    scene.repo.commit_files(
        "attributes",
        {
            ".gitattributes": "mine.txt merge=mine\nLOG merge=union\nraw.txt merge=binary\n",
            "mine.txt": "1\n\n\n2\n",
            "LOG": "start\n",
            "raw.txt": "1\n\n\n2\n",
        },
    )
    program = touching(tmp_path / "driver", tmp_path / "ran")
    for name in ("mine", "union", "text", "binary"):
        scene.repo.git("config", f"merge.{name}.driver", f"{program} %A")
    scene.repo.git("config", "--global", "merge.default", "mine")
    scene.work("a", {"mine.txt": "one\n\n\n2\n", "a.txt": "ONE\ntwo\nthree\n", "LOG": "start\na\n"})
    scene.work("b", {"mine.txt": "1\n\n\ntwo\n", "a.txt": "one\ntwo\nTHREE\n", "LOG": "start\nb\n"})
    commit = candidate(scene, "a", "b").commit
    shown = [scene.repo.git("show", f"{commit}:{path}") for path in ("mine.txt", "a.txt", "LOG")]
    assert shown == ["one\n\n\ntwo", "ONE\ntwo\nTHREE", "start\na\nb"]
    scene.work("c", {"raw.txt": "one\n\n\n2\n"})
    scene.work("d", {"raw.txt": "1\n\n\ntwo\n"})
    assert reasons(scene, "c", "d") == ("d: conflicts with c in raw.txt (binary)",)
    assert merge(scene.desk(workstream("a", CLEAN), workstream("b", CLEAN))).ok
    assert not (tmp_path / "ran").exists()


SETTINGS = {
    "merge.ff": "only",
    "merge.renames": "false",
    "merge.directoryRenames": "true",
    "merge.renameLimit": "1",
    "merge.renormalize": "true",
    "merge.conflictStyle": "diff3",
    "merge.verifySignatures": "true",
    "commit.gpgSign": "true",
    "tag.gpgSign": "true",
    "log.showSignature": "true",
    "diff.renames": "false",
    "diff.renameLimit": "1",
    "diff.algorithm": "patience",
    "diff.ignoreSubmodules": "all",
    "diff.noprefix": "true",
    "i18n.commitEncoding": "ISO-8859-1",
    "i18n.logOutputEncoding": "UTF-16",
    "rerere.enabled": "true",
    "rerere.autoUpdate": "true",
    "status.showUntrackedFiles": "no",
    "status.relativePaths": "true",
    "color.ui": "always",
    "core.abbrev": "4",
    "core.bigFileThreshold": "1",
    "core.quotePath": "true",
    "user.useConfigOnly": "true",
}


def test_settings_of_the_user_change_nothing(scene: Scene, tmp_path: Path) -> None:
    many = {f"old/{number}.txt": f"{number}\n" * 9 for number in range(4)}
    scene.repo.commit_files("many", many)
    scene.work("a", {"a.txt": "ONE\ntwo\nthree\n", "old/1.txt": "new\n" + "1\n" * 9})
    scene.repo.git("mv", "old", "moved", cwd=scene.worktrees / "a")
    scene.repo.git("commit", "--quiet", "-m", "moved", cwd=scene.worktrees / "a")
    scene.work("b", {"a.txt": "one\ntwo\nTHREE\n", "old/1.txt": "1\n" * 9 + "ünd\n"})
    before = candidate(scene, "a", "b")
    for name, value in SETTINGS.items():
        scene.repo.git("config", "--global", name, value)
    (tmp_path / "attributes").write_text("* merge=binary\n")
    scene.repo.git("config", "--global", "core.attributesFile", str(tmp_path / "attributes"))
    (scene.root / ".git" / "info" / "attributes").write_text("* -merge\n")
    assert candidate(scene, "a", "b") == before
    report = merge(scene.desk(workstream("a", CLEAN, gate("own", "true")), workstream("b", CLEAN)))
    assert report.ok and report.candidate == before.commit, report.reasons
    assert scene.repo.git("cat-file", "commit", "main").find("encoding") == -1


def test_a_replaced_object_is_merged_as_it_was_committed(scene: Scene) -> None:
    scene.work("a", {"a.txt": "A\n"})
    before = candidate(scene, "a")
    other = scene.repo.commit_files("other", {"a.txt": "replaced\n"}, cwd=scene.worktrees / "a")
    scene.repo.git("reset", "--quiet", "--hard", "HEAD^", cwd=scene.worktrees / "a")
    scene.repo.git("replace", scene.tip("p/a"), other)
    assert candidate(scene, "a").tree == before.tree


@pytest.mark.parametrize("seconds", ["0", "1", "99999999", "4102444800", "253402300799"])
def test_commits_of_a_clock_that_jumped(
    make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch, seconds: str
) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"@{seconds} +0000")
    scene = make_scene()
    scene.work("a", {"a.txt": "A\n"})
    report = merge(scene.desk(workstream("a")))
    assert report.ok, report.reasons
    assert scene.repo.git("log", "-1", "--format=%ct", "main") == seconds
    assert scene.repo.git("for-each-ref", "--format=%(taggerdate:unix)", "refs/tags/p/wave1") == seconds


def test_a_forged_tree_writes_nothing_outside(scene: Scene, tmp_path: Path) -> None:
    """`..` as a folder of the attributes that merging lays out."""
    blob = scene.repo.git("hash-object", "-w", "a.txt")
    inner = b"100644 .gitattributes\0" + bytes.fromhex(blob)
    tree = written(scene, tmp_path, inner)
    outer = b"40000 ..\0" + bytes.fromhex(tree)
    forged = written(scene, tmp_path, outer)
    commit = scene.repo.git("commit-tree", "-p", "main", "-m", "forged", forged)
    with git.merging(git.common_dir(Git(scene.root)), commit) as neutral:
        assert not Path(neutral.directory).with_name(".gitattributes").exists()


def written(scene: Scene, folder: Path, tree: bytes) -> str:
    (folder / "tree").write_bytes(tree)
    return scene.repo.git("hash-object", "-w", "--literally", "-t", "tree", str(folder / "tree"))
