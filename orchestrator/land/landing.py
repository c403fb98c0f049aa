"""Landing what was proved: the tag that says so, the move of the refs, the push."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator import git
from orchestrator.candidate import Candidate, identity
from orchestrator.core.facts import LandingBegun, RefStep
from orchestrator.desk import Desk
from orchestrator.gates import GateVerdict
from orchestrator.land.moving import NotMoved, carry_out, durable
from orchestrator.land.proposal import Proposal, replaceable_integration, tip_archive
from orchestrator.land.publishing import publish
from orchestrator.land.recovery import landed, move_of, prove
from orchestrator.land.report import LandingReport
from orchestrator.tips import tip_refs


def land(desk: Desk, proposal: Proposal, candidate: Candidate, report: LandingReport) -> LandingReport:
    """Land exactly the candidate whose gates are green; `report` is completed with what came of it.

    Raises:
        Refused: it moved by half, and could not be moved back.
    """
    begun = begin(desk, proposal, candidate, report.gates)
    desk.record(begun)
    try:
        carry_out(desk.home, move_of(begun))
    except NotMoved as why:
        return replace(report, ok=False, landed=(), reasons=(str(why),))
    reasons = prove(desk, begun)
    if reasons:
        return replace(report, ok=False, landed=(), reasons=reasons)
    return publish(desk, replace(report, base_after=begun.candidate, tag=begun.tag), landed(begun))


def begin(
    desk: Desk, proposal: Proposal, candidate: Candidate, verdicts: Sequence[GateVerdict]
) -> LandingBegun:
    """What landing will do, in full; writes the tag object, and moves nothing."""
    tag, tag_object = proposal.tag, _tag(desk, proposal, candidate, verdicts)
    integration = desk.plan.integration_branch(proposal.wave)
    archived = {tip_archive(proposal.wave, name): tip for name, tip in proposal.tips.items()}
    kept = git.refs(desk.home.git, *archived)
    return LandingBegun(
        wave=proposal.wave,
        base=desk.plan.base,
        base_before=proposal.base,
        candidate=candidate.commit,
        tag=tag,
        tag_object=tag_object,
        tips=dict(proposal.tips),
        refs=(
            RefStep(ref=f"refs/tags/{tag}", old=None, new=tag_object),
            *(RefStep(ref=ref, old=kept.get(ref), new=tip) for ref, tip in archived.items()),
            RefStep(
                ref=f"refs/heads/{integration}",
                old=replaceable_integration(desk, integration, candidate.commit),
                new=candidate.commit,
            ),
        ),
        verified=_verified(desk, proposal),
        tree=candidate.tree,
        left_out=proposal.others,
    )


def _verified(desk: Desk, proposal: Proposal) -> dict[str, str]:
    """The refs that hold the tips: none may move while the wave lands."""
    candidates = {name: tip_refs(desk.plan.workstream(name)) for name in proposal.tips}
    found = git.refs(desk.home.git, *(ref for refs in candidates.values() for ref in refs))
    return {
        next((ref for ref in refs if ref in found), refs[0]): proposal.tips[name]
        for name, refs in candidates.items()
    }


def _tag(desk: Desk, proposal: Proposal, candidate: Candidate, verdicts: Sequence[GateVerdict]) -> str:
    """An annotated tag object that says what landed and what proved it; no ref points to it yet."""
    goal = desk.plan.waves[proposal.wave].goal
    lines = [f"wave {proposal.wave}" + (f": {goal}" if goal else ""), ""]
    lines += [f"{name} {tip}" for name, tip in proposal.tips.items()]
    if verdicts:
        lines += ["", *(f"{verdict.gate} of {verdict.subject}: {verdict.finding}" for verdict in verdicts)]
    tagger = identity(desk.home.git, [candidate.commit])
    return git.make_tag(durable(desk.home), proposal.tag, candidate.commit, "\n".join(lines), tagger)
