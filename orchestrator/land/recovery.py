"""A landing that was begun and has no end: finished where base moved, undone where it did not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator import git
from orchestrator.agent.files import open_lock, try_lock
from orchestrator.core.facts import LandingBegun, LandingRefused, RefStep, WaveLanded
from orchestrator.desk import Desk
from orchestrator.errors import CommandFailed, Refused
from orchestrator.land.checkouts import checkouts_of, follow, in_the_way, named, step
from orchestrator.land.moving import RefMove, durable
from orchestrator.site import Home

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
    for record in tuple(desk.state.waves.values()):
        if record.landing is not None:
            _finish(desk, record.landing.begun)


def _finish(desk: Desk, begun: LandingBegun) -> None:
    repository = desk.home.git
    found = git.refs(repository, f"refs/heads/{begun.base}", f"refs/tags/{begun.tag}")
    base, tag = found.get(f"refs/heads/{begun.base}"), found.get(f"refs/tags/{begun.tag}")
    if base is None or tag not in (None, begun.tag_object):
        raise _needs_a_person(begun, base, tag)
    moved = begun.candidate != begun.base_before or tag is not None
    if moved and git.is_ancestor(repository, begun.candidate, base):
        _complete(desk, begun, base, tag)
    elif git.is_ancestor(repository, begun.base_before, base):
        _withdraw(desk, begun, tag)
    else:
        raise _needs_a_person(begun, base, tag)


def _complete(desk: Desk, begun: LandingBegun, base: str, tag: str | None) -> None:
    if tag is None:
        creation = git.Create(f"refs/tags/{begun.tag}", begun.tag_object)
        git.update_refs(durable(desk.home), [creation], f"wave {begun.wave}: land")
    if base == begun.candidate:
        _catch_up(desk, begun)
    desk.record(landed(begun))
    desk.say(f"wave {begun.wave}: its interrupted landing is finished")


def _catch_up(desk: Desk, begun: LandingBegun) -> None:
    """Checkouts that are in step already stay as they are."""
    travel = step(desk.home.git, begun.base_before, begun.candidate)
    paths = checkouts_of(desk.home.git, begun.base)
    strangers = [str(path / name) for path in paths for name in in_the_way(path, travel)]
    try:
        if strangers:
            raise CommandFailed(f"files in the way: {named(strangers)}")
        follow(paths, travel)
    except CommandFailed as error:
        raise Refused(
            f"wave {begun.wave} has landed ({begun.base} is at {begun.candidate}), but a checkout of "
            f"{begun.base} still shows {begun.base_before} and cannot follow: {error.message}",
            "move what is in the way, then run it again",
        ) from error


def _withdraw(desk: Desk, begun: LandingBegun, tag: str | None) -> None:
    if tag is not None:
        deletion = git.Delete(f"refs/tags/{begun.tag}", begun.tag_object)
        git.update_refs(durable(desk.home), [deletion], f"wave {begun.wave}: undo the landing")
    desk.record(LandingRefused(wave=begun.wave, reasons=(INTERRUPTED,)))
    desk.say(f"wave {begun.wave}: its interrupted landing had moved nothing")


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


def landed(begun: LandingBegun) -> WaveLanded:
    return WaveLanded(
        wave=begun.wave,
        base=begun.base,
        base_before=begun.base_before,
        base_after=begun.candidate,
        tag=begun.tag,
        landed=tuple(begun.tips),
    )


def _needs_a_person(begun: LandingBegun, base: str | None, tag: str | None) -> Refused:
    return Refused(
        f"the landing of wave {begun.wave} was interrupted, and somebody moved on: {begun.base} is at "
        f"{base or 'no commit'} (it was at {begun.base_before}, to be moved to {begun.candidate}), the tag "
        f"{begun.tag} is {f'at {tag}' if tag else 'absent'} (to be {begun.tag_object}).",
        f"put {begun.base} on a commit that has one of the two in its history, then run it again",
    )
