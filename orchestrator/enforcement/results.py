"""The results that a branch committed: that there are some, and that they hold what results have to."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator import git
from orchestrator.checks.metrics import Measured, read_measured
from orchestrator.core.plan import Workstream
from orchestrator.git import Git

METRICS = ("final_metrics.json", "validation_metrics.json")
PICTURES = (".png", ".svg", ".jpg", ".jpeg", ".gif", ".pdf", ".webp")
CHECKPOINTS = (".pt", ".pth", ".ckpt", ".safetensors", ".onnx", ".npz", ".h5")

_USUAL = "results"
_EMPTY = (".gitkeep", ".gitignore", ".keep")
_NAMED = ("training_curves.png", *METRICS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    path: str
    size: int

    @property
    def name(self) -> str:
        return posixpath.basename(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The files that the branch brought, in its folder of results."""

    tip: str
    files: tuple[Result, ...]

    def with_ending(self, endings: Sequence[str]) -> Result | None:
        """The newest by name that is not empty."""
        found = [one for one in self.files if one.path.lower().endswith(tuple(endings)) and one.size > 0]
        return max(found, key=lambda one: (len(one.name), one.name), default=None)

    def measured(self, repository: Git) -> Measured | None:
        """The metrics that count, the final ones first; None without a finite number."""
        named = [one for wanted in METRICS for one in self.files if one.name == wanted]
        other = [one for one in self.files if one.name.endswith("metrics.json") and one not in named]
        for one in (*named, *other):
            text = git.read_blobs(repository, [f"{self.tip}:{one.path}"])
            measured = read_measured(one.path, next(iter(text.values()), b"").decode("utf-8-sig", "replace"))
            if isinstance(measured, Measured) and any(map(math.isfinite, measured.metrics.values())):
                return measured
        return None


def own_results(repository: Git, base: str, tip: str, workstream: Workstream) -> Results:
    fork = git.merge_base(repository, base, tip) or base
    changed = [c.path for c in git.changed_paths(repository, fork, tip) if c.kind != "D"]
    wanted = [path for path in changed if _is_result(workstream, path)]
    entries = git.tree_entries(repository, tip, *wanted, sizes=True) if wanted else ()
    return Results(tip=tip, files=tuple(Result(path=e.path, size=e.size or 0) for e in entries))


def _is_result(workstream: Workstream, path: str) -> bool:
    """In the folder the plan names; where it names none, in any of the usual name."""
    *folders, name = path.split("/")
    if name in _EMPTY:
        return False
    if workstream.results != _USUAL:
        return path.startswith(f"{workstream.results}/")
    return _USUAL in folders or name in _NAMED


def are_asked(repository: Git, base: str, workstream: Workstream, *, planned: bool) -> bool:
    """Whether it has to commit results: not where base ignores them, or nothing is claimed or measured."""
    if _is_ignored(repository, base, workstream.results):
        return False
    measured = any(stage.require for stage in workstream.stages)
    means_results = workstream.results != _USUAL
    return not planned or bool(workstream.components) or measured or means_results or workstream.gpu > 0


def _is_ignored(repository: Git, base: str, folder: str) -> bool:
    found = git.read_blobs(repository, [f"{base}:.gitignore"])
    lines = next(iter(found.values()), b"").decode("utf-8", "replace").splitlines()
    names = {folder, f"{folder}/*", f"{folder}/**"}
    return any(line.strip().strip("/") in names for line in lines)


def uncommitted(worktree: Git, workstream: Workstream) -> Iterator[str]:
    """Results that lie in the worktree and were not committed; ignored ones do not count."""
    changed = git.status(worktree, every_untracked=True, submodules=False)
    yield from (path for path in (*changed.tracked, *changed.untracked) if _is_result(workstream, path))
