"""The conflict forecast of fifty branches: from nothing, after one tip moved, and with nothing new."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations, cycle
from pathlib import Path
from unittest.mock import patch

from benchmarks.measuring import Figure, described, interleaved, median, seconds
from benchmarks.scene import scene
from orchestrator.cli.here import Here
from orchestrator.cli.own_desk import OwnDesk, own_desk
from orchestrator.forecast import Forecast, make_forecast
from orchestrator.home import find_home
from orchestrator.settings import StatePaths
from tests.support.project import Project
from tests.support.repository import PINNED

FILES = 5000
BRANCHES = 50
WAVE_SIZE = 5
PATHS_A_BRANCH = 20
WORKTREES = 10
COLD_LIMIT_S, MOVED_LIMIT_S = 3.0, 0.2


def measure(runs: int) -> Iterator[Figure]:
    with scene(FILES) as project, patch.dict(os.environ, project.env | PINNED):
        work = _Work(project)
        work.plan()
        for name in work.names:
            work.commit(name)
        with own_desk(work.here, work.here.load_plan()) as desk:
            yield from _figures(work, desk, runs)
            yield from _with_worktrees(work, desk, runs)


def _figures(work: _Work, desk: OwnDesk, runs: int) -> Iterator[Figure]:
    pairs = BRANCHES * (BRANCHES - 1) // 2
    cold, one_by_one = interleaved(
        runs, partial(_cold, desk), partial(work.one_by_one, list(combinations(work.names, 2)))
    )
    yield Figure(
        what=f"{BRANCHES} branches, {pairs} pairs, {FILES} files, cold ({described(cold)}), "
        "against a merge-tree process for each pair",
        ours=median(cold),
        unit="s",
        baseline=median(one_by_one),
        limit=COLD_LIMIT_S,
    )
    moved, others = interleaved(runs, partial(_moved, work, desk), work.one_against_all)
    yield Figure(
        what=f"one tip moved ({described(moved)}), against a process for each of its pairs",
        ours=median(moved),
        unit="s",
        baseline=median(others),
        limit=MOVED_LIMIT_S,
    )
    still = [seconds(partial(make_forecast, desk)) for _ in range(runs)]
    yield Figure(what=f"nothing moved ({described(still)})", ours=median(still), unit="s")


def _cold(desk: OwnDesk) -> float:
    shutil.rmtree(desk.home.state.forecast, ignore_errors=True)
    found: list[Forecast] = []
    took = seconds(lambda: found.append(make_forecast(desk)))
    assert found[0].computed >= BRANCHES * (BRANCHES - 1) // 2
    return took


def _moved(work: _Work, desk: OwnDesk) -> float:
    work.commit(next(work.turns))  # another one each time: none grows beyond what a branch is
    found: list[Forecast] = []
    took = seconds(lambda: found.append(make_forecast(desk)))
    assert found[0].computed == BRANCHES  # its 49 pairs, and itself with base
    return took


def _with_worktrees(work: _Work, desk: OwnDesk, runs: int) -> Iterator[Figure]:
    """Looking into worktrees is what a forecast costs while nothing is committed."""
    folders = [work.add_worktree(name) for name in work.names[:WORKTREES]]
    make_forecast(desk)
    still = [seconds(partial(make_forecast, desk)) for _ in range(runs)]
    yield Figure(what=f"nothing moved, {WORKTREES} worktrees looked into", ours=median(still), unit="s")
    times = []
    for number in range(runs):
        (folders[0] / "part000" / "module00000.py").write_text(f"value = {number}\n")
        times.append(seconds(partial(make_forecast, desk)))
    yield Figure(
        what=f"one file edited in one of {WORKTREES} worktrees, not committed", ours=median(times), unit="s"
    )


@dataclass(frozen=True)
class _Work:
    """Branches that edit random files: always the same ones."""

    project: Project
    turns: Iterator[str] = field(default_factory=lambda: cycle(f"w{n}" for n in range(BRANCHES)))
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    @property
    def names(self) -> list[str]:
        return [f"w{number}" for number in range(BRANCHES)]

    @property
    def here(self) -> Here:
        state = StatePaths(root=find_home(self.project.root).common_dir / "orchestrator")
        return Here(plan_file=self.project.root / "waves.yaml", state_paths=state)

    def plan(self) -> None:
        lines = ["version: 1", "project: p", "base: main", "waves:"]
        for start in range(0, BRANCHES, WAVE_SIZE):
            members = self.names[start : start + WAVE_SIZE]
            lines += [f"  {start // WAVE_SIZE + 1}:", "    workstreams:"]
            lines += [f"      {name}: {{branch: p/{name}}}" for name in members]
        self.project.plan("\n".join(lines) + "\n")

    def commit(self, name: str) -> None:
        """A commit on the branch, by plumbing: nothing is checked out."""
        root, branch = self.project.root, f"refs/heads/p/{name}"
        known = subprocess.run(["git", "rev-parse", "-q", "--verify", branch], cwd=root, capture_output=True)
        parent = branch if known.returncode == 0 else "refs/heads/main"
        changes = "".join(self._change() for _ in range(PATHS_A_BRANCH))
        text = (
            f"commit {branch}\ncommitter a <a@b> 1700000000 +0000\ndata 4\nwork\nfrom {parent}^0\n{changes}"
        )
        self._git("fast-import", "--quiet", "--force", stdin=text)

    def _change(self) -> str:
        number, line = self.chance.randrange(FILES), self.chance.randrange(40)
        lines = [f"value_{n} = {number + n}\n" for n in range(40)]
        lines[line] = f"value_{line} = {self.chance.random()}\n"
        content = "".join(lines)
        return f"M 100644 inline part{number // 50:03}/module{number:05}.py\ndata {len(content)}\n{content}\n"

    def add_worktree(self, name: str) -> Path:
        folder = self.project.folder / "worktrees" / name
        self._git("worktree", "add", "--quiet", str(folder), f"p/{name}")
        return folder

    def one_by_one(self, pairs: list[tuple[str, str]]) -> float:
        """A process for each pair; its objects are thrown away as ours are."""
        objects = self.project.folder / "objects"
        objects.mkdir()
        known = self.project.root / ".git" / "objects"
        environment = {"GIT_OBJECT_DIRECTORY": str(objects), "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(known)}

        def merge_all() -> None:
            for a, b in pairs:
                subprocess.run(
                    ["git", "merge-tree", "--write-tree", f"p/{a}", f"p/{b}"],
                    cwd=self.project.root,
                    env={**os.environ, **environment},
                    capture_output=True,
                    check=False,
                )

        took = seconds(merge_all)
        shutil.rmtree(objects)
        return took

    def one_against_all(self) -> float:
        one, *others = self.names
        return self.one_by_one([(one, other) for other in others])

    def _git(self, *arguments: str, stdin: str = "") -> None:
        subprocess.run(
            ["git", *arguments],
            cwd=self.project.root,
            input=stdin,
            text=True,
            check=True,
            capture_output=True,
        )
