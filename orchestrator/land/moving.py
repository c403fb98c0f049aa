"""The landing itself: one transaction of refs, then the checkouts of base; all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator import git
from orchestrator.core.facts import LandingBegun
from orchestrator.core.plan import BranchName, WaveNumber
from orchestrator.desk import Desk
from orchestrator.errors import CommandFailed, Refused
from orchestrator.git import Git
from orchestrator.land.checkouts import checkouts_of, follow, step
from orchestrator.site import Home
from orchestrator.tips import tip_refs


class NotMoved(Exception):
    """Nothing moved, or everything is back; the text says why."""


def durable(home: Home) -> Git:
    """Git whose objects and refs are on the disk when it returns."""
    return Git(home.root, settings=("core.fsync=committed,reference",))


def move(desk: Desk, begun: LandingBegun) -> None:
    """Move the tag, the integration branch and base, then let the checkouts of base follow.

    Raises:
        NotMoved: a ref was not where it was expected, or a checkout could not follow.
        Refused: it could not be undone either; a person must look.
    """
    repository = durable(desk.home)
    integration = desk.plan.integration_branch(WaveNumber(begun.wave))
    standing = git.branches(repository, [integration]).get(integration)
    checkouts = checkouts_of(repository, begun.base)
    travel = step(repository, begun.base_before, begun.candidate)
    try:
        git.update_refs(repository, _forward(desk, begun, integration, standing), f"wave {begun.wave}: land")
    except git.RefsNotMoved as error:
        raise NotMoved(f"a branch or base moved meanwhile; run it again ({error.message})") from error
    try:
        follow(checkouts, travel)
    except CommandFailed as error:
        _undo(repository, begun, integration, standing)
        raise NotMoved(f"a checkout of {begun.base} could not follow: {error.message}") from error


def _forward(
    desk: Desk, begun: LandingBegun, integration: BranchName, standing: str | None
) -> list[git.Create | git.Update | git.Verify | git.Delete]:
    # Refs are renamed in this order: whoever kills git in between leaves base for the last.
    branch = f"refs/heads/{integration}"
    return [
        git.Create(f"refs/tags/{begun.tag}", begun.tag_object),
        *_verified(desk, begun),
        git.Create(branch, begun.candidate)
        if standing is None
        else git.Update(branch, begun.candidate, standing),
        git.Update(f"refs/heads/{begun.base}", begun.candidate, begun.base_before),
    ]


def _verified(desk: Desk, begun: LandingBegun) -> Iterator[git.Verify]:
    for name, tip in begun.tips.items():
        candidates = tip_refs(desk.plan.workstream(name))
        found = git.refs(desk.home.git, *candidates)
        ref = next((ref for ref in candidates if ref in found), candidates[0])
        yield git.Verify(ref, tip)


def _undo(repository: Git, begun: LandingBegun, integration: BranchName, standing: str | None) -> None:
    branch = f"refs/heads/{integration}"
    back: list[git.Create | git.Update | git.Verify | git.Delete] = [
        git.Delete(f"refs/tags/{begun.tag}", begun.tag_object),
        git.Delete(branch, begun.candidate)
        if standing is None
        else git.Update(branch, standing, begun.candidate),
        git.Update(f"refs/heads/{begun.base}", begun.base_before, begun.candidate),
    ]
    try:
        git.update_refs(repository, back, f"wave {begun.wave}: undo the landing")
    except git.RefsNotMoved as error:
        raise Refused(
            f"wave {begun.wave} is half landed: {begun.base} moved to {begun.candidate}, a checkout of it "
            f"could not follow, and {begun.base} could not be moved back to {begun.base_before}.",
            error.message,
        ) from error
