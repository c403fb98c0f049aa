"""Commits that take a landed wave out of base, and one that brings it back; without a checkout.

To undo the change from one commit to another, both sides of a merge get the later one's tree for their
parent: a commit made for that, since git before 2.40 takes no merge base from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator import git
from orchestrator.candidate import Candidate, CandidateConflict, Collision, build_candidate, identity
from orchestrator.core.facts import WaveLanded, WaveRolledBack
from orchestrator.core.plan import Plan, WaveNumber
from orchestrator.gates import GateVerdict
from orchestrator.git import Conflict, Git, Identity

RESET, COMMIT = "reset", "commit"
"""The two forms of a rollback: base goes back, or a commit takes the wave out."""


def build_removal(
    repository: Git, wave: WaveNumber, base: str, parts: Sequence[WaveLanded]
) -> str | Conflict:
    """A commit on `base` without what the wave's landings brought, the last one taken out first.

    Where nothing came after them it is the tree from before, and cannot conflict. Writes objects only.
    """
    author = identity(repository, [base])
    tree = git.tree_of(repository, base)
    with git.merging(git.common_dir(repository), base) as neutral:
        for part in reversed(parts):
            merged = _applied(neutral, tree, part.base_after, part.base_before, author)
            if isinstance(merged, Conflict):
                return merged
            tree = merged
        names = ", ".join(name for part in parts for name in part.landed)
        landed = "".join(f"\ntakes out {part.base_before[:12]}..{part.base_after[:12]}" for part in parts)
        text = f"wave {wave}: roll back {names}\n{landed}\n"
        return git.commit_tree(neutral, tree, [base], text, author=author)


def build_return(
    repository: Git,
    plan: Plan,
    taken_out: WaveRolledBack,
    base: str,
    tips: Mapping[str, str],
    verdicts: Sequence[GateVerdict] = (),
) -> Candidate | CandidateConflict:
    """What a rollback took out, on `base` again, and what its branches got since.

    Merging the branches alone brings back nothing that base has in its history: git takes it for merged.
    """
    wave = WaveNumber(taken_out.wave)
    if taken_out.form == RESET or not git.is_ancestor(repository, taken_out.base_after, base):
        return build_candidate(repository, plan, wave, base, tips, verdicts)
    back = _brought_back(repository, taken_out, base, identity(repository, [base, *tips.values()]))
    if isinstance(back, Conflict):
        collisions = (Collision(workstream=name, against=(plan.base,), files=back.files) for name in tips)
        return CandidateConflict(collisions=tuple(collisions))
    with_repairs = build_candidate(repository, plan, wave, back, tips, verdicts)
    if isinstance(with_repairs, CandidateConflict):
        return with_repairs
    return replace(with_repairs, base=base, merged=tuple(tips), contained=())


def _brought_back(repository: Git, taken_out: WaveRolledBack, base: str, author: Identity) -> str | Conflict:
    with git.merging(git.common_dir(repository), base) as neutral:
        now = git.tree_of(repository, base)
        tree = _applied(neutral, now, taken_out.base_after, taken_out.base_before, author)
        if isinstance(tree, Conflict):
            return tree
        names, undone = ", ".join(taken_out.landed), taken_out.base_after[:12]
        text = f"wave {taken_out.wave}: bring back {names}\n\nundoes {undone}\n"
        return git.commit_tree(neutral, tree, [base], text, author=author)


def _applied(neutral: Git, tree: str, old: str, new: str, author: Identity) -> str | Conflict:
    """The tree with the change from `old` to `new` made to it as well."""
    before, after = git.tree_of(neutral, old), git.tree_of(neutral, new)
    if tree == before:
        return after
    common = git.commit_tree(neutral, before, [], "common\n", author=author)
    ours = git.commit_tree(neutral, tree, [common], "ours\n", author=author)
    theirs = git.commit_tree(neutral, after, [common], "theirs\n", author=author)
    merged = git.merge_tree(neutral, ours, theirs)
    return merged if isinstance(merged, Conflict) else merged.tree
