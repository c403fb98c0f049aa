"""Moving base: one transaction of refs, then the checkouts of base; all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from orchestrator import git
from orchestrator.core.facts import RefStep
from orchestrator.errors import CommandFailed, Refused
from orchestrator.git import Git
from orchestrator.home import Home
from orchestrator.land.checkouts import Step, checkouts_of, step
from orchestrator.land.following import bring, bring_back, carry, carry_held, hold_index, index_mark
from orchestrator.land.locks import Grip, clear, grip, index_lock, ref_locks

REFS_DEADLINE_S = 60.0
"""For one transaction of refs, which takes milliseconds: a git that needs longer hangs, and is ended."""


class Settled(Enum):
    DONE = "done"
    UNDONE = "undone"


class _CannotFollow(CommandFailed):
    """Base has moved, a checkout of it has not."""


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
        Refused: it could not be undone either; `settle` finishes or undoes it once what is said is mended.
    """
    with grip(home) as hold:
        try:
            _carry_out(hold, move)
        except git.RefsNotMoved as error:
            if not error.interrupted or _settle(hold, move) is Settled.UNDONE:
                raise NotMoved(_words(move, error)) from error
        except _CannotFollow as error:
            _settle(hold, move, Settled.UNDONE)
            raise NotMoved(f"a checkout of {move.base} could not follow: {error.message}") from error
        except CommandFailed as error:
            raise NotMoved(error.message) from error


def _carry_out(hold: Grip, move: RefMove) -> None:
    before = checkouts_of(hold.home.git, move.base)
    travel = step(hold.home.git, move.old, move.new)
    with ExitStack() as indexes:
        # Whoever commits in a checkout between base's move and its own would take the wave back.
        for path in before:
            indexes.enter_context(hold_index(path, move.new))
        _transact(hold, move, move.steps())
        for path in before:
            if git.resolve(hold.at(path), "HEAD") == move.new:
                _follow(hold, path, travel, carry_held)
        for path in checkouts_of(hold.home.git, move.base):
            if path not in before:
                _follow(hold, path, travel, carry)


def _follow(hold: Grip, path: Path, travel: Step, how: Callable[[Git, Step], None]) -> None:
    try:
        how(hold.at(path), travel)
    except CommandFailed as error:
        raise _CannotFollow(f"{path}: {error.message}", error.hint) from error


_NO_WRITING = ("No space left", "Read-only file system", "couldn't write", "unable to write")


def _words(move: RefMove, error: git.RefsNotMoved) -> str:
    if error.interrupted:
        return f"{error.message}; nothing moved, or it is back"
    if any(mark in error.message for mark in _NO_WRITING):
        return f"the refs could not be written: {error.message}"
    return f"a branch or {move.base} moved meanwhile; run it again ({error.message})"


def take_back(home: Home, move: RefMove) -> None:
    """Undo a move that was carried out: refs and checkouts.

    Raises:
        Refused: it could not be undone; `settle` can, once what is said is mended.
    """
    try:
        carry_out(home, move.back())
    except NotMoved as error:
        raise Refused(f"{move.reason} is not undone: {error}") from error


def settle(home: Home, move: RefMove) -> Settled:
    """Finish or undo a move that was begun and interrupted anywhere, inside git's own commit of refs too.

    It is finished where base had moved, undone where not; somebody's commits on top of either stay.

    Raises:
        Refused: what is left needs a person; the message says what, and the hint what to do.
    """
    with grip(home) as hold:
        return _settle(hold, move)


def _settle(hold: Grip, move: RefMove, goal: Settled | None = None) -> Settled:
    """`goal` is None where the refs tell."""
    _clear_locks(hold.home, move)
    found = git.refs(hold.home.git, *(step.ref for step in move.steps()))
    reached = goal or _reached(hold.home.git, move, found)
    if reached is None:
        raise _needs_a_person(move, found)
    toward = move if reached is Settled.DONE else move.back()
    exact = goal is not None or found[move.base_ref] in (move.old, move.new)
    steps = toward.steps() if exact else toward.others
    left = [step for step in steps if found.get(step.ref) == step.old and step.old != step.new]
    try:
        if left:
            _transact(hold, replace(toward, verified={}), left)
        if exact:
            travel = step(hold.home.git, toward.old, toward.new)
            for path in checkouts_of(hold.home.git, move.base):
                _follow(hold, path, travel, bring if reached is Settled.DONE else bring_back)
    except CommandFailed as error:
        raise _stuck(toward, error) from error
    return reached


def _reached(repository: Git, move: RefMove, found: Mapping[str, str]) -> Settled | None:
    """Which side of the move the refs are on; None where somebody took them elsewhere."""
    base = found.get(move.base_ref)
    if base is None or any(found.get(step.ref) not in (step.old, step.new) for step in move.others):
        return None
    if move.old == move.new:
        moved = all(found.get(step.ref) == step.new for step in move.others)
        return Settled.DONE if moved else Settled.UNDONE
    sides = [(move.new, Settled.DONE), (move.old, Settled.UNDONE)]
    if git.is_ancestor(repository, move.new, move.old):
        sides.reverse()  # a move back: what descends from the later commit descends from both
    return next((side for commit, side in sides if git.is_ancestor(repository, commit, base)), None)


def _clear_locks(home: Home, move: RefMove) -> None:
    values = {step.ref: {oid for oid in (step.old, step.new) if oid} for step in move.steps()}
    values |= {ref: {oid} for ref, oid in move.verified.items()}
    checkouts = checkouts_of(home.git, move.base)
    folders = {home.common_dir, *(git.git_dir(path) for path in checkouts)}
    locks = ref_locks(folders, home.common_dir, values)
    marks = [index_mark(commit) for commit in (move.old, move.new)]
    clear(home, {**locks, **dict(index_lock(path, marks) for path in checkouts)})


def _transact(hold: Grip, move: RefMove, steps: Sequence[RefStep]) -> None:
    verified = (git.Verify(ref, commit) for ref, commit in move.verified.items())
    changes = [*verified, *map(_change, steps)]
    git.update_refs(hold.repository, changes, move.reason, timeout_s=REFS_DEADLINE_S)


def _change(step: RefStep) -> git.RefChange:
    if step.new is None:
        return git.Delete(step.ref, step.old or "")
    return git.Create(step.ref, step.new) if step.old is None else git.Update(step.ref, step.new, step.old)


def _stuck(toward: RefMove, error: CommandFailed) -> Refused:
    return Refused(
        f"{toward.reason} is half done ({toward.base} goes from {toward.old} to {toward.new}), but a "
        f"checkout of {toward.base} cannot follow, or a ref cannot move: {error.message}",
        "mend what is said there, or move away what is in the way, then run it again",
    )


def _needs_a_person(move: RefMove, found: Mapping[str, str]) -> Refused:
    stands = (
        f"{step.ref} is {f'at {found[step.ref]}' if step.ref in found else 'absent'} "
        f"(it was {step.old or 'absent'}, to be {step.new or 'absent'})"
        for step in reversed(move.steps())
        if found.get(step.ref) not in (step.old, step.new)
    )
    return Refused(
        f"{move.reason}: it was interrupted, and somebody moved on: {'; '.join(stands)}.",
        f"put each on one of the two ({move.base} also on a commit with one of them in its history), "
        "then run it again",
    )
