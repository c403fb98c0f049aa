"""Taking a wave out from under a later one, against `git revert -m 1` in a checkout of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import Figure, interleaved, median, seconds
from benchmarks.scene import down, scene
from tests.support.project import Project
from tests.support.repository import PINNED

LIMIT_S = 1.0
FILES = 5000
_PLAN = """\
version: 1
project: p
waves:
  1: {workstreams: {a: {branch: w/a, run: "echo a > a.new; git add a.new; git commit -qm a"}}}
  2: {workstreams: {b: {branch: w/b, run: "echo b > b.new; git add b.new; git commit -qm b"}}}
"""


def measure(runs: int) -> Iterator[Figure]:
    """Every rollback is followed by a reland, which is measured too."""
    with scene(FILES) as project:
        merge = _landed(project)
        beside = project.root.parent / "beside"
        project.git("worktree", "add", "--quiet", "--detach", str(beside), "main")
        before = project.git("rev-parse", "main")
        relands: list[float] = []

        def ours() -> float:
            out = seconds(lambda: project.ok("wave", "rollback", "1"))
            relands.append(seconds(lambda: project.ok("wave", "reland", "1")))
            return out

        found, baseline = interleaved(runs, ours, lambda: _reverted_s(project, beside, before, merge))
        down(project)
    yield _figure("rollback under a later wave, against git revert -m 1", found, baseline)
    yield _figure("reland, against git revert -m 1", relands, baseline)


def _figure(what: str, ours: list[float], baseline: list[float]) -> Figure:
    what = f"{what} ({FILES} files)"
    return Figure(what=what, ours=median(ours), unit="s", baseline=median(baseline), limit=LIMIT_S)


def _landed(project: Project) -> str:
    """Both waves have landed; the first one's merge commit."""
    project.plan(_PLAN)
    for command in (("up",), ("wait",), ("wave", "merge", "1")):
        project.ok(*command)
    merge = project.git("rev-parse", "main")
    project.ok("wave", "merge", "2")
    return merge


def _reverted_s(project: Project, folder: Path, start: str, merge: str) -> float:
    project.git("reset", "--quiet", "--hard", start, cwd=folder)
    argv = ["git", "revert", "--no-edit", "-m", "1", merge]
    environment = project.env | PINNED
    return seconds(lambda: subprocess.run(argv, cwd=folder, env=environment, check=True, capture_output=True))
