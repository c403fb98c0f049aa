"""Moving base: one transaction of refs, then the checkouts of base; all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator import git
from orchestrator.core.facts import RefStep
from orchestrator.errors import CommandFailed, Refused
from orchestrator.git import Git
from orchestrator.land.checkouts import checkouts_of, follow, step
from orchestrator.site import Home

REFS_DEADLINE_S = 60.0
"""For one transaction of refs, which takes milliseconds: a git that needs longer hangs, and is ended."""


class NotMoved(Exception):
    """Nothing moved, or everything is back; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefMove:
    """The branch `base` from `old` to `new`, and what moves with it, as one transaction.

    `others` move before base, in this order, each only from where it is expected. `verified` are refs
    that must stand still meanwhile. Worktrees that have base checked out follow. `reason` goes to the
    reflogs. Write all of it into the journal first: `settle` finishes or undoes it from these values.
    """

    base: str
    old: str
    new: str
    reason: str
    others: tuple[RefStep, ...] = ()
    verified: Mapping[str, str] = field(default_factory=dict)

    @property
    def base_ref(self) -> str:
        return f"refs/heads/{self.base}"

    def steps(self) -> tuple[RefStep, ...]:
        """Everything that moves. Git renames in this order: whoever kills it leaves base for the last."""
        return (*self.others, RefStep(ref=self.base_ref, old=self.old, new=self.new))

    def back(self) -> RefMove:
        """The opposite move; nothing needs to stand still for it."""
        others = tuple(replace(step, old=step.new, new=step.old) for step in self.others)
        reason = f"undo: {self.reason}"
        return RefMove(base=self.base, old=self.new, new=self.old, reason=reason, others=others)


def durable(home: Home) -> Git:
    """Git whose objects and refs are on the disk when it returns."""
    return Git(home.root, settings=("core.fsync=committed,reference",))


def carry_out(home: Home, move: RefMove) -> None:
    """Move all refs, then let the checkouts of base follow; everything, or nothing.

    For whoever holds the landing lock. Look with `checkouts.obstacles` before: what is in the way of a
    checkout is found there in words.

    Raises:
        NotMoved: a ref was not where it was expected, or a checkout could not follow; all is back.
        Refused: it could not be undone either; a person must look.
    """
    checkouts = checkouts_of(home.git, move.base)
    travel = step(home.git, move.old, move.new)
    try:
        _transact(durable(home), move)
    except git.RefsNotMoved as error:
        raise NotMoved(f"a branch or base moved meanwhile; run it again ({error.message})") from error
    try:
        follow(checkouts, travel)
    except CommandFailed as error:
        _refs_back(durable(home), move)
        raise NotMoved(f"a checkout of {move.base} could not follow: {error.message}") from error


def take_back(home: Home, move: RefMove) -> None:
    """Undo a move that was carried out: refs and checkouts.

    Raises:
        Refused: it could not be undone; a person must look.
    """
    try:
        carry_out(home, move.back())
    except NotMoved as error:
        raise Refused(f"{move.reason} is not undone: {error}") from error


def _transact(repository: Git, move: RefMove) -> None:
    changes = [
        *(git.Verify(ref, commit) for ref, commit in move.verified.items()),
        *map(_change, move.steps()),
    ]
    git.update_refs(repository, changes, move.reason, timeout_s=REFS_DEADLINE_S)


def _change(step: RefStep) -> git.RefChange:
    if step.new is None:
        return git.Delete(step.ref, step.old or "")
    return git.Create(step.ref, step.new) if step.old is None else git.Update(step.ref, step.new, step.old)


def _refs_back(repository: Git, move: RefMove) -> None:
    try:
        _transact(repository, move.back())
    except git.RefsNotMoved as error:
        raise Refused(
            f"{move.reason} is half done: {move.base} moved to {move.new}, a checkout of it could not "
            f"follow, and {move.base} could not be moved back to {move.old}.",
            error.message,
        ) from error
