"""Whether others may have a landing already, and pushing what base became."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator import git
from orchestrator.core.facts import WaveLanded, WaveRolledBack
from orchestrator.desk import Desk
from orchestrator.errors import CommandFailed
from orchestrator.land.proposal import base_ref
from orchestrator.land.publishing import Cause, NotPushed, not_pushed


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """`remote_base` is where the plan's remote has base; `problem` why that is not known."""

    is_so: bool
    remote_base: str | None = None
    problem: str | None = None


def look_published(desk: Desk, parts: Sequence[WaveLanded | WaveRolledBack]) -> Published:
    """A remote that cannot be asked may have it: nothing is taken back that others might hold."""
    repository, remote = desk.home.git, desk.plan.remote
    known = any(git.is_published(repository, part.base_after) for part in parts)
    if remote is None:
        return Published(is_so=known)
    try:
        there = git.remote_refs(repository, remote, base_ref(desk.plan)).get(base_ref(desk.plan))
    except CommandFailed as error:
        return Published(is_so=True, problem=error.message)
    if there is None:
        return Published(is_so=known)
    strange = git.find_commits(repository, [there])[there] is None
    has_it = strange or git.is_ancestor(repository, parts[0].base_after, there)
    return Published(is_so=known or has_it, remote_base=there)


def push_base(desk: Desk, commit: str, published: Published) -> NotPushed | None:
    """Base to the plan's remote, from where it was seen there; None once the remote has it.

    Failing changes nothing about the rollback.
    """
    remote, ref, there = desk.plan.remote or "", base_ref(desk.plan), published.remote_base
    if published.problem is not None:
        return NotPushed(cause=Cause.FAILED, reason=published.problem)
    try:
        known = there is not None and git.find_commits(desk.home.git, [there])[there] is not None
        if known and git.is_ancestor(desk.home.git, commit, there or ""):
            return None
        if there is not None and not (known and git.is_ancestor(desk.home.git, there, commit)):
            return NotPushed(
                cause=Cause.MOVED, reason=f"{remote} has commits on {desk.plan.base} that are not here"
            )
        leases = {ref: there or ""}
        refused = git.push(desk.home.git, remote, [f"{commit}:{ref}"], atomic=True, leases=leases)
    except CommandFailed as error:
        return NotPushed(cause=Cause.FAILED, reason=error.message)
    return not_pushed(refused)
