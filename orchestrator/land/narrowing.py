"""Which workstreams of a wave can land now: all, or with `--partial` those that nothing speaks against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from orchestrator.desk import Desk
from orchestrator.land.proposal import Proposal, members_of, outlook, restricted
from orchestrator.land.reasons import Reason
from orchestrator.land.trials import left_behind


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`reasons` keep all of it from landing; `left` are about workstreams that are left out of `proposal`."""

    proposal: Proposal
    reasons: tuple[Reason, ...] = ()
    left: tuple[Reason, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def against(self) -> tuple[Reason, ...]:
        return (*self.left, *self.reasons)


def choose(desk: Desk, proposal: Proposal, *, partial: bool, left: tuple[Reason, ...] = ()) -> Choice:
    """Hold the proposal against everything but gates. With `partial` whom that speaks against is left out,
    as are those of `left` already.
    """
    choice = Choice(proposal=proposal, left=left)
    while True:
        reasons, notes = outlook(desk, choice.proposal)
        choice = replace(choice, reasons=reasons, notes=notes)
        blamed = [reason for reason in reasons if reason.workstream is not None]
        if not partial or not blamed:
            return choice
        choice = without(desk, choice, blamed)
        if choice.reasons:
            return choice


def without(desk: Desk, choice: Choice, blamed: Sequence[Reason]) -> Choice:
    """Leave out who is blamed, and whoever cannot land without them. Nobody left: a reason."""
    proposal = choice.proposal
    left = (*choice.left, *blamed, *_left_behind(desk, proposal, blamed))
    out = {reason.workstream for reason in left}
    kept = [name for name in proposal.tips if name not in out]
    if not kept:
        nobody = Reason(text="nothing of it can land")
        return replace(choice, left=left, reasons=(nobody,))
    return replace(choice, proposal=restricted(desk, proposal, kept), left=left, reasons=())


def _left_behind(desk: Desk, proposal: Proposal, blamed: Iterable[Reason]) -> Iterator[Reason]:
    out = {reason.workstream for reason in blamed if reason.workstream is not None}
    members = members_of(desk, proposal)
    for name in members.in_order(members.with_dependents(out) - out):
        yield Reason(text=left_behind(members, name, out), workstream=name)
