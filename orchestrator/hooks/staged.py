"""Before a commit: the branch is the right one, what is staged is its own, and holds nothing forbidden."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from orchestrator import git
from orchestrator.core.ownership import is_own
from orchestrator.core.plan import Plan, Workstream
from orchestrator.git import Git
from orchestrator.home import Checkout
from orchestrator.hooks.forbidden import claimed_patterns, hits, is_judged

_USUAL_BASES = ("main", "master")
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_OF_THE_COMMIT = (
    "GIT_INDEX_FILE",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A commit that is about to be made. `plan` is None where there is none, or it cannot be read."""

    checkout: Checkout
    plan: Plan | None
    only_planned: bool = False


def repository_of_commit(checkout: Checkout) -> Git:
    """Git as the commit under way sees it: `commit -a` and `commit FILE` have an index of their own."""
    own = {name: os.environ[name] for name in _OF_THE_COMMIT if os.environ.get(name)}
    return Git(checkout.folder, environment=own)


def complaints(staged: Staged) -> tuple[str, ...]:
    """Why the commit should not be made, a line each; none for a branch that nobody planned."""
    repository = repository_of_commit(staged.checkout)
    branch = git.branch_checked_out(repository)
    if branch is None:
        return ()
    planned = _workstream(staged.plan, branch)
    wrong = tuple(_wrong_branch(staged, branch, planned))
    return wrong or _shortened([*_wrong_content(staged, repository, branch, planned)])


def _workstream(plan: Plan | None, branch: str) -> Workstream | None:
    if plan is None:
        return None
    return next((w for w in plan.workstreams.values() if w.branch == branch), None)


def _wrong_branch(staged: Staged, branch: str, planned: Workstream | None) -> Iterator[str]:
    plan = staged.plan
    if plan is None or planned is not None:
        return
    folder = str(staged.checkout.folder)
    owner = next((w for w in plan.workstreams.values() if plan.worktree_here(w) == folder), None)
    if owner is not None:
        yield f"this is the worktree of {owner.name}, whose branch is {owner.branch}; {branch} is checked out"
    elif staged.only_planned and not _is_of_the_plan(plan, branch):
        yield f"the branch {branch} is not in {plan.source}"


def _is_of_the_plan(plan: Plan, branch: str) -> bool:
    bases = {plan.base, *(w.base for w in plan.workstreams.values())}
    return branch in bases or fnmatchcase(branch, plan.integration.replace("{wave}", "*"))


def _wrong_content(staged: Staged, repository: Git, branch: str, planned: Workstream | None) -> Iterator[str]:
    base = staged.plan.base if staged.plan is not None else None
    if branch == base or (base is None and branch in _USUAL_BASES):
        return
    head, paths = _changed(staged, repository)
    if planned is not None:
        outside = f"is outside the branch's own paths ({', '.join(planned.paths)})"
        yield from (f"{path}: {outside}" for path in paths if not is_own(planned, path))
    patterns = claimed_patterns(
        repository,
        branch,
        planned.components if planned is not None else (),
        tree="",
        bases=tuple(f"refs/heads/{name}" for name in ((base,) if base else _USUAL_BASES)),
        kept=staged.checkout.state.root / "patterns.json",
    )
    if patterns:
        lines = git.staged_lines(repository, head, {path for path in paths if is_judged(path)})
        yield from (hit.words() for hit in hits(patterns, lines))


def _changed(staged: Staged, repository: Git) -> tuple[str, list[str]]:
    """What the commit is held against, and the paths it changes: of a merge those that are as on no side."""
    names = ["HEAD", *_merged_heads(staged.checkout)]
    head, *others = (found or _EMPTY_TREE for found in git.find_commits(repository, names).values())
    paths = list(git.staged_paths(repository, head))
    for other in others:
        differs = set(git.staged_paths(repository, other))
        paths = [path for path in paths if path in differs]
    return head, paths


def _merged_heads(checkout: Checkout) -> list[str]:
    try:
        return (checkout.git_dir / "MERGE_HEAD").read_text(encoding="utf-8").split()
    except OSError:
        return []


def _shortened(lines: list[str]) -> tuple[str, ...]:
    more = len(lines) - _MOST_NAMED
    return (*lines[:_MOST_NAMED], *([f"and {more} more"] if more > 0 else []))
