"""A wave's candidate against `git merge` of the same branches, one after another, in a worktree."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import Figure, described, interleaved, median, seconds
from benchmarks.scene import scene
from orchestrator.git import Git
from proofs.by_git import Worktree
from proofs.replay import folded
from tests.support.project import PINNED, Project

FILES, BRANCHES = 5000, 8
LIMIT = 1 / 3


def measure(runs: int) -> Iterator[Figure]:
    """Both write all their objects in every run: what an earlier one wrote is removed before."""
    with scene(FILES) as project:
        tips = [_branch(project, number) for number in range(BRANCHES)]
        base = project.git("rev-parse", "main")
        project.git("gc", "--quiet")
        worktree = _clone(project)
        expected = worktree.fold(base, tips)
        assert folded(project.root, base, tips) == expected and not expected.conflicts

        ours, theirs = interleaved(
            runs, lambda: _ours(project, base, tips), lambda: _by_git(worktree, base, tips)
        )
    yield Figure(
        what=f"candidate of {BRANCHES} branches, {FILES} files ({described(ours)} s)",
        ours=median(ours),
        unit="s",
        baseline=median(theirs),
        limit=LIMIT,
        of_ratio=True,
    )


def _clone(project: Project) -> Worktree:
    """Objects of its own, so that neither side finds what the other wrote."""
    worktree = Worktree(project.folder / "by-git")
    project.git("clone", "--quiet", str(project.root), str(worktree.path))
    return worktree


def _ours(project: Project, base: str, tips: list[str]) -> float:
    _forget(project.root)
    return seconds(lambda: folded(project.root, base, tips))


def _by_git(worktree: Worktree, base: str, tips: list[str]) -> float:
    """The merges alone: going back to base before them is not counted."""
    worktree.run("checkout", "--quiet", "--force", "--detach", base)
    _forget(worktree.path)
    return seconds(lambda: worktree.merge_all(tips))


def _forget(root: Path) -> None:
    """Remove all loose objects: everything that counts is packed."""
    for folder in (root / ".git" / "objects").glob("??"):
        shutil.rmtree(folder)
    os.sync()


def _branch(project: Project, number: int) -> str:
    """A branch of three commits, each of which edits ten files and adds one."""
    path = project.worktree(f"b{number}")
    project.git("worktree", "add", "--quiet", "-b", f"b{number}", str(path), "main")
    for commit in range(3):
        for edited in range(10):
            _edit(path, number=number * 500 + commit * 100 + edited * 7)
        (path / f"new{number}_{commit}.py").write_text(f"value = {number}\n")
        for arguments in (["add", "-A"], ["commit", "--quiet", "-m", f"work {commit}"]):
            subprocess.run(["git", *arguments], cwd=path, env=project.env | PINNED, check=True)
    return Git(path).text("rev-parse", "HEAD")


def _edit(root: Path, number: int) -> None:
    file = root / f"part{number // 50:03}" / f"module{number:05}.py"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:20], f"edited = {number}\n", *lines[20:]]))
