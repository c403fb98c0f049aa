"""The proof after a landing: base has exactly what was gated, all of it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator import git
from orchestrator.candidate import is_ours
from orchestrator.checks.silent_revert import undone_in_landing
from orchestrator.core.facts import LandingBegun
from orchestrator.git import Git


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a landing says of itself. `tree` is what the gates ran on."""

    base: str
    before: str
    after: str
    tree: str
    tips: Mapping[str, str]


def claim_of(begun: LandingBegun, tree: str) -> Claim:
    return Claim(base=begun.base, before=begun.base_before, after=begun.candidate, tree=tree, tips=begun.tips)


def disproved(repository: Git, claim: Claim) -> tuple[str, ...]:
    """What is wrong with base after the landing, in words; nothing when it is as it must be.

    Reads only commits, so that whoever moves base meanwhile changes nothing about the answer.
    """
    return (
        *_tree(repository, claim),
        *_tips(repository, claim),
        *_paths(repository, claim),
        *_reverts(repository, claim),
    )


def _tree(repository: Git, claim: Claim) -> Iterator[str]:
    landed = git.resolve(repository, f"refs/heads/{claim.base}")
    if landed != claim.after and not git.is_ancestor(repository, claim.after, landed):
        yield f"{claim.base} is at {landed}, which does not contain what landed, {claim.after}"
    tree = git.tree_of(repository, claim.after)
    if tree != claim.tree:
        yield f"{claim.base} has the tree {tree}, the gates ran on {claim.tree}"


def _tips(repository: Git, claim: Claim) -> Iterator[str]:
    """Each is contained, and merging it once more changes nothing."""
    missing = git.not_contained(repository, claim.tips.values(), claim.after)
    again = git.merge_pairs(repository, [(claim.after, tip) for tip in claim.tips.values()])
    for (name, tip), merged in zip(claim.tips.items(), again, strict=True):
        if tip in missing:
            yield f"{name}: its commit {tip} is not in {claim.base}"
        elif merged != git.Merged(claim.tree):
            yield f"{name}: merging it into {claim.base} once more would change {claim.base}"


def _paths(repository: Git, claim: Claim) -> Iterator[str]:
    """Nothing changed that no workstream changed, and nothing is gone that none deleted."""
    changed, deleted = _own_changes(repository, claim)
    for change in git.changed_paths(repository, claim.before, claim.after):
        if change.kind == "D" and change.path not in deleted:
            yield f"{change.path} is gone, and no workstream deleted it"
        elif change.path not in changed:
            yield f"{change.path} changed, and no workstream changed it"


def _own_changes(repository: Git, claim: Claim) -> tuple[set[str], set[str]]:
    """The paths that the workstreams, and what we generated, changed; and those of them they deleted."""
    spans = [
        (fork, tip) for tip in claim.tips.values() for fork in git.merge_bases(repository, claim.before, tip)
    ]
    changes = [
        change
        for old, new in (*spans, *_generated(repository, claim))
        for change in git.changed_paths(repository, old, new)
    ]
    changed = {change.path for change in changes}
    for fork, _ in spans:
        if fork != claim.before:
            moved = git.renamed_paths(repository, fork, claim.before)
            changed |= {new for old, new in moved.items() if old in changed}
    return changed, {change.path for change in changes if change.kind == "D"}


def _generated(repository: Git, claim: Claim) -> Iterator[tuple[str, str]]:
    """Commits of the candidate that are no merges: what the orchestrator wrote itself."""
    for commit, parents in git.first_parents(repository, claim.before, claim.after):
        if len(parents) == 1 and is_ours(repository, commit):
            yield parents[0], commit


def _reverts(repository: Git, claim: Claim) -> Iterator[str]:
    names = {tip: name for name, tip in claim.tips.items()}
    for tip, undone in undone_in_landing(repository, claim.before, claim.after):
        yield f"{names.get(tip, tip)}: {undone.words()}"
