"""`independence`: each branch stands for itself: work of its own, no sibling's, and its results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator import git
from orchestrator.checks.asked import Settings
from orchestrator.checks.finding import Finding, Sibling, Subject, finding
from orchestrator.checks.trees import files_at

_USUAL_RESULTS = "results"


def findings(subject: Subject) -> tuple[Finding, ...]:
    asked = Settings(subject, known=("results",))
    if asked.faults:
        return tuple(asked.faults)
    own = subject.workstream
    judged = [Sibling(workstream=own, commit=subject.commit)] if own is not None else list(subject.siblings)
    return tuple(found for one in judged for found in _of_branch(subject, one))


def _of_branch(subject: Subject, one: Sibling) -> Iterator[Finding]:
    others = [other for other in subject.siblings if other.name != one.name]
    yield from _identical(subject, one, others)
    fork = git.merge_base(subject.git, subject.base, one.commit)
    if fork == one.commit:
        yield _fault(subject, one, "not-diverged", "has no commit that base has not")
        return
    if fork is not None:
        yield from _no_work(subject, one, others, fork)
    yield from _no_results(subject, one, others)


def _identical(subject: Subject, one: Sibling, others: Sequence[Sibling]) -> Iterator[Finding]:
    trees = git.find_trees(subject.git, [one.commit, *(other.commit for other in others)])
    own = _brought(subject, one.commit)
    for other in others:
        if other.commit == one.commit:
            message = f"stands at the same commit as {other.workstream.branch}"
        elif git.is_ancestor(subject.git, one.commit, other.commit):
            continue  # the other one was made from this one: it is told of
        elif trees[other.commit] == trees[one.commit]:
            message = f"holds exactly the same files as {other.workstream.branch}"
        elif own and own == _brought(subject, other.commit):
            message = f"brings exactly the same contents as {other.workstream.branch}"
        else:
            continue
        yield _fault(subject, one, "identical", message)


def _brought(subject: Subject, tip: str) -> list[str]:
    """The contents that a branch adds to base, wherever it puts them."""
    fork = git.merge_base(subject.git, subject.base, tip) or subject.base
    paths = [change.path for change in git.changed_paths(subject.git, fork, tip) if change.kind != "D"]
    return sorted(entry.id for entry in git.tree_entries(subject.git, tip, *paths)) if paths else []


def _no_work(subject: Subject, one: Sibling, others: Sequence[Sibling], fork: str) -> Iterator[Finding]:
    tips = [one.commit, *(other.commit for other in others)]
    beyond = git.commits_beyond(subject.git, subject.base, tips)
    # A sibling that was made from this branch has its commits, which are this branch's own all the same.
    foreign = {c for o in others if one.commit not in beyond[o.commit] for c in beyond[o.commit]}
    merges = set(git.merges_between(subject.git, subject.base, one.commit))
    own = beyond[one.commit] - foreign - merges
    if not own:
        message = "has no commit of its own: only merges, and what is a sibling's"
        yield _fault(subject, one, "no-own-commits", message)
    elif git.tree_of(subject.git, fork) == git.tree_of(subject.git, one.commit):
        yield _fault(subject, one, "no-change", "has commits, and changes nothing by them")


def _no_results(subject: Subject, one: Sibling, others: Sequence[Sibling]) -> Iterator[Finding]:
    asked = subject.settings.get("results")
    folder = one.workstream.results
    if asked is False or git.tree_entries(subject.git, one.commit, f"{folder}/"):
        return
    is_ignored = _is_ignored(subject, one.commit, folder)
    if asked is True or (not is_ignored and _commits_results(subject, one, others)):
        yield _fault(subject, one, "no-results", f"commits no results: there is nothing in {folder}/", folder)


def _commits_results(subject: Subject, one: Sibling, others: Sequence[Sibling]) -> bool:
    """Whether the plan means results to be committed: it says where, or another branch does so."""
    if one.workstream.results != _USUAL_RESULTS:
        return True
    places = [(subject.base, one.workstream.results), *((o.commit, o.workstream.results) for o in others)]
    return any(git.tree_entries(subject.git, commit, f"{folder}/") for commit, folder in places)


def _is_ignored(subject: Subject, commit: str, folder: str) -> bool:
    """By a committed `.gitignore` at the top."""
    (text,) = files_at(subject, (commit, ".gitignore"))
    lines = {line.strip().strip("/") for line in (text or "").splitlines()}
    return any(line in lines for line in (folder, f"{folder}/*", f"{folder}/**"))


def _fault(subject: Subject, one: Sibling, rule: str, message: str, path: str | None = None) -> Finding:
    text = f"{one.workstream.branch} {message}"
    return finding(subject, f"independence/{rule}", text, path, workstream=one.name)
