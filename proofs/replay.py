"""Fold generated histories twice, as a wave's candidate and by `git merge`, and compare."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from orchestrator.candidate import Candidate, CandidateConflict, build_candidate
from orchestrator.core.plan import (
    Plan,
    WaveNumber,
)
from orchestrator.git import Git
from proofs.by_git import Folded, Worktree, without_side
from proofs.histories import History, history, stream
from tests.core.plans import plan_of, workstream

ONE = WaveNumber(1)
AT_ONCE = 20
"""Histories that share a repository and one `fast-import`."""


@dataclass(slots=True)
class Counts:
    """`differences` say each how ours is not git's; `aborted` are conflicts over which git broke off."""

    histories: int = 0
    merges: int = 0
    clean: int = 0
    conflicts: int = 0
    aborted: int = 0
    differences: list[str] = field(default_factory=list)

    def line(self) -> str:
        return (
            f"{self.histories} histories, {self.merges} merges: {self.clean} clean, "
            f"{self.conflicts} conflicts ({self.aborted} made git abort), "
            f"{len(self.differences)} differences"
        )


def replay(seeds: range, counts: Counts) -> None:
    """Compare the histories of these seeds, adding to `counts`."""
    for start in range(seeds.start, seeds.stop, AT_ONCE):
        some = range(start, min(start + AT_ONCE, seeds.stop))
        with repository() as worktree:
            for seed, made in zip(some, _imported(worktree, some), strict=True):
                compare(worktree, *made, f"seed {seed}", counts)


def compare(worktree: Worktree, base: str, tips: list[str], name: str, counts: Counts) -> None:
    """Fold `tips` onto `base` in both ways; `name` is what a difference is reported under."""
    expected = worktree.fold(base, tips)
    counts.histories += 1
    counts.merges += len(tips)
    counts.conflicts += len(expected.conflicts)
    counts.clean += len(tips) - len(expected.conflicts)
    aborted = {number for number, paths in expected.conflicts.items() if paths is None}
    counts.aborted += len(aborted)
    found = folded(worktree.path, base, tips)
    known = {number: None if number in aborted else paths for number, paths in found.conflicts.items()}
    if Folded(found.tree, known) != expected:
        counts.differences.append(f"{name}: git {expected}, ours {found}")


def folded(root: Path, base: str, tips: list[str]) -> Folded:
    """Our fold; after a conflict the tree is that of the branches that do merge."""
    built = _candidate(root, base, dict(enumerate(tips)))
    if isinstance(built, Candidate):
        return Folded(built.tree, {})
    conflicts: dict[int, frozenset[str] | None] = {
        int(one.workstream): frozenset(without_side(file.path) for file in one.files)
        for one in built.collisions
    }
    rest = {number: tip for number, tip in enumerate(tips) if number not in conflicts}
    left = _candidate(root, base, rest)
    return Folded(left.tree if isinstance(left, Candidate) else "none", conflicts)


def _candidate(root: Path, base: str, tips: dict[int, str]) -> Candidate | CandidateConflict:
    named = {str(number): tip for number, tip in tips.items()}
    return build_candidate(Git(root), _plan(root, list(named)), ONE, base, named)


def _plan(root: Path, names: list[str]) -> Plan:
    return plan_of(root, *(workstream(name) for name in names))


@contextmanager
def repository() -> Iterator[Worktree]:
    """A repository in memory where there is room for one; gone afterwards."""
    shared = Path("/dev/shm")
    name = tempfile.mkdtemp(prefix="proofs-", dir=shared if shared.is_dir() else None)
    try:
        worktree = Worktree(Path(name))
        worktree.run("init", "--quiet", "--initial-branch=main")
        yield worktree
    finally:
        shutil.rmtree(name)


def imported(worktree: Worktree, made: list[History]) -> Iterator[tuple[str, list[str]]]:
    """Write histories into the repository; the ids of each one's base and branches."""
    refs = {
        f"refs/heads/{number}/{place}": commit
        for number, one in enumerate(made)
        for place, commit in enumerate([one.base, *one.branches])
    }
    commits = [commit for one in made for commit in one.commits]
    worktree.run("fast-import", "--quiet", "--force", "--done", stdin=stream(commits, refs))
    lines = worktree.run("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/").splitlines()
    ids = dict(line.split(" ") for line in lines)
    for number, one in enumerate(made):
        base, *tips = (ids[f"refs/heads/{number}/{place}"] for place in range(1 + len(one.branches)))
        yield base, tips


def _imported(worktree: Worktree, seeds: range) -> Iterator[tuple[str, list[str]]]:
    made: list[History] = []
    for seed in seeds:
        made.append(history(Random(seed), mark=1 + sum(len(one.commits) for one in made)))
    return imported(worktree, made)
