"""Landing what was proved: the tag that says so, the move of the refs, the push."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator import git
from orchestrator.candidate import Candidate, identity
from orchestrator.core.facts import LandingBegun
from orchestrator.desk import Desk
from orchestrator.errors import CommandFailed
from orchestrator.gates import GateVerdict
from orchestrator.land.moving import NotMoved, durable, move
from orchestrator.land.proposal import Proposal
from orchestrator.land.recovery import landed
from orchestrator.land.report import LandingReport


def land(desk: Desk, proposal: Proposal, candidate: Candidate, report: LandingReport) -> LandingReport:
    """Land exactly the candidate whose gates are green; `report` is completed with what came of it.

    Raises:
        Refused: it moved by half, and could not be moved back.
    """
    begun = LandingBegun(
        wave=proposal.wave,
        base=desk.plan.base,
        base_before=proposal.base,
        candidate=candidate.commit,
        tag=proposal.tag,
        tag_object=_tag(desk, proposal, candidate, report.gates),
        tips=dict(proposal.tips),
        left_out=proposal.others,
    )
    desk.record(begun)
    try:
        move(desk, begun)
    except NotMoved as why:
        return replace(report, ok=False, landed=(), reasons=(str(why),))
    desk.record(landed(begun))
    desk.say(f"wave {begun.wave}: {begun.base} moved to {begun.candidate[:12]}, tag {begun.tag}")
    pushed, error = _push(desk, begun)
    return replace(report, base_after=begun.candidate, tag=begun.tag, pushed=pushed, push_error=error)


def _tag(desk: Desk, proposal: Proposal, candidate: Candidate, verdicts: Sequence[GateVerdict]) -> str:
    """An annotated tag object that says what landed and what proved it; no ref points to it yet."""
    goal = desk.plan.waves[proposal.wave].goal
    lines = [f"wave {proposal.wave}" + (f": {goal}" if goal else ""), ""]
    lines += [f"{name} {tip}" for name, tip in proposal.tips.items()]
    if verdicts:
        lines += ["", *(f"{verdict.gate} of {verdict.subject}: {verdict.finding}" for verdict in verdicts)]
    tagger = identity(desk.home.git, [candidate.commit])
    return git.make_tag(durable(desk.home), proposal.tag, candidate.commit, "\n".join(lines), tagger)


def _push(desk: Desk, begun: LandingBegun) -> tuple[bool | None, str | None]:
    """Base and tag to the plan's remote. A push that fails changes nothing about the landing."""
    remote = desk.plan.remote
    if remote is None:
        return None, None
    specs = [f"{begun.candidate}:refs/heads/{begun.base}", f"refs/tags/{begun.tag}:refs/tags/{begun.tag}"]
    try:
        refused = git.push(desk.home.git, remote, specs, atomic=True)
    except CommandFailed as error:
        return False, error.message
    if refused:
        return False, "; ".join(f"{ref}: {why}" for ref, why in refused.items())
    desk.say(f"wave {begun.wave}: pushed to {remote}")
    return True, None
