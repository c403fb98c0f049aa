"""A landing that was begun and has no end: finished where base moved, undone where it did not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator import git
from orchestrator.agent.files import open_lock, try_lock
from orchestrator.candidate import unpin, unpin_parts
from orchestrator.core.facts import (
    LandingBegun,
    LandingRefused,
    LandingUndone,
    RefStep,
    RollbackBegun,
    RollbackRefused,
    WaveLanded,
    WaveRolledBack,
)
from orchestrator.core.plan import WaveNumber
from orchestrator.desk import Desk
from orchestrator.errors import Refused
from orchestrator.home import Home
from orchestrator.land.moving import RefMove, Settled, settle, take_back
from orchestrator.land.proof import claim_of, disproved

INTERRUPTED = "interrupted before anything moved"


@contextmanager
def landing_lock(home: Home) -> Iterator[None]:
    """One landing at a time in a repository, from deciding to the end.

    Raises:
        Refused: another one is under way.
    """
    descriptor = open_lock(home.state.root / "landing.lock")
    try:
        if not try_lock(descriptor):
            raise Refused("another landing is under way here.", "try again when that has ended")
        yield
    finally:
        os.close(descriptor)


def recover(desk: Desk) -> None:
    """Finish or undo what an interrupted landing left; does nothing when there is none.

    Raises:
        Refused: another landing is under way, or what is left needs a person.
    """
    with landing_lock(desk.home):
        finish_landings(desk)


def finish_landings(desk: Desk) -> None:
    """As `recover`, for whoever holds the lock."""
    unpin_parts(desk.home.git)
    for record in tuple(desk.state.waves.values()):
        if record.landing is not None:
            _finish(desk, record.landing.begun)
        if record.rollback is not None:
            _finish_rollback(desk, record.rollback)


def _finish(desk: Desk, begun: LandingBegun) -> None:
    if settle(desk.home, move_of(begun)) is Settled.DONE:
        if not prove(desk, begun):
            desk.say(f"wave {begun.wave}: its interrupted landing is finished")
    else:
        desk.record(LandingRefused(wave=begun.wave, reasons=(INTERRUPTED,)))
        desk.say(f"wave {begun.wave}: its interrupted landing had moved nothing")
    unpin(desk.home.git, WaveNumber(begun.wave))


def prove(desk: Desk, begun: LandingBegun) -> tuple[str, ...]:
    """Prove a landing whose refs have moved, and record it; undo it where the proof fails, and say why.

    Raises:
        Refused: it could not be undone; a person must look.
    """
    tree = begun.tree or git.tree_of(desk.home.git, begun.candidate)
    reasons = disproved(desk.home.git, claim_of(begun, tree))
    if not reasons:
        desk.record(landed(begun))
        desk.say(f"wave {begun.wave}: {begun.base} moved to {begun.candidate[:12]}, tag {begun.tag}")
        return ()
    take_back(desk.home, move_of(begun))
    undone = LandingUndone(
        wave=begun.wave,
        base=begun.base,
        base_before=begun.base_before,
        candidate=begun.candidate,
        reasons=reasons,
    )
    desk.record(undone)
    told = tuple(f"the proof after the landing failed, it is undone: {reason}" for reason in reasons)
    for text in told:
        desk.say(f"wave {begun.wave}: {text}")
    return told


def move_of(begun: LandingBegun) -> RefMove:
    """A landing that was begun, as a move; before `refs` were kept, the tag moved, and no other is known."""
    tag = RefStep(ref=f"refs/tags/{begun.tag}", old=None, new=begun.tag_object)
    return RefMove(
        base=begun.base,
        old=begun.base_before,
        new=begun.candidate,
        reason=f"wave {begun.wave}: land",
        others=begun.refs or (tag,),
        verified=begun.verified,
    )


def _finish_rollback(desk: Desk, begun: RollbackBegun) -> None:
    if settle(desk.home, rollback_move(begun)) is Settled.DONE:
        desk.record(rolled_back(begun))
        desk.say(f"wave {begun.wave}: its interrupted rollback is finished")
    else:
        desk.record(RollbackRefused(wave=begun.wave, reasons=(INTERRUPTED,)))
        desk.say(f"wave {begun.wave}: its interrupted rollback had moved nothing")


def rollback_move(begun: RollbackBegun) -> RefMove:
    return RefMove(
        base=begun.base,
        old=begun.base_before,
        new=begun.base_after,
        reason=f"wave {begun.wave}: roll back",
        others=begun.refs,
    )


def rolled_back(begun: RollbackBegun) -> WaveRolledBack:
    return WaveRolledBack(
        wave=begun.wave,
        base=begun.base,
        base_before=begun.base_before,
        base_after=begun.base_after,
        form=begun.form,
        landed=begun.landed,
    )


def landed(begun: LandingBegun) -> WaveLanded:
    return WaveLanded(
        wave=begun.wave,
        base=begun.base,
        base_before=begun.base_before,
        base_after=begun.candidate,
        tag=begun.tag,
        landed=tuple(begun.tips),
        left_out=begun.left_out,
    )
