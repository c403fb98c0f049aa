"""`wave merge` and `wave check`: propose, run the gates on exactly what was proposed, look again, land."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from orchestrator import git
from orchestrator.candidate import Candidate, pinned, unpin
from orchestrator.core.facts import LandingAsked, LandingRefused
from orchestrator.core.plan import LOCAL, WaveNumber
from orchestrator.desk import Desk
from orchestrator.errors import UsageError
from orchestrator.gates import GateVerdict, run_gates, run_wave_gates
from orchestrator.land.landing import land
from orchestrator.land.proposal import (
    Proposal,
    Reason,
    base_ref,
    left_out,
    not_done,
    outlook,
    propose,
)
from orchestrator.land.publishing import publish
from orchestrator.land.recovery import finish_landings, landing_lock
from orchestrator.land.report import LandingReport, LeftOut


def merge_wave(
    desk: Desk, number: int, *, by: str, dry_run: bool = False, again: bool = False
) -> LandingReport:
    """Land a wave, or say everything that is against it; then nothing was changed.

    `again` lands one that was rolled back, and only such a one. Blocks while gates run. An earlier
    landing that was cut short is finished or undone first.

    Raises:
        UsageError: the plan has no such wave.
        Refused: another landing is under way, or an interrupted one needs a person.
        HostUnreachable: a host of the wave does not answer.
    """
    wave = require_wave(desk, number)
    with landing_lock(desk.home):
        finish_landings(desk)
        landing = desk.state.wave(wave).landed
        if landing is not None:
            unpin(desk.home.git, wave)  # killed right after it landed, a landing leaves it pinned
            report = _already_landed(desk, wave)
            return report if dry_run else publish(desk, report, landing)
        if again is (desk.state.wave(wave).rolled_back is None):
            return _other_command(desk, wave, again)
        if not dry_run:
            desk.record(LandingAsked(wave=wave, by=by))
        report = _merge(desk, wave, dry_run)
        if not report.ok and not dry_run:
            desk.record(LandingRefused(wave=wave, reasons=report.reasons))
        return report


def check_wave(desk: Desk, number: int) -> LandingReport:
    """Conflicts and all gates of the branches as they stand; nothing is moved.

    Whether the workstreams are done is only noted, and branches that do not exist yet are left out.

    Raises:
        UsageError: the plan has no such wave.
        HostUnreachable: a host of the wave does not answer.
    """
    wave = require_wave(desk, number)
    if desk.state.wave(wave).landed is not None:
        return _already_landed(desk, wave)
    proposal = propose(desk, wave)
    absent = [LeftOut(name=name, reason="its branch does not exist yet") for name in proposal.missing]
    verdicts = run_gates(desk, proposal.tips)
    if proposal.candidate is not None and proposal.tips:
        with pinned(desk.home.git, wave, proposal.candidate.commit):
            verdicts += _wave_gates(desk, proposal.candidate, wave)
    none = [] if proposal.tips else [Reason(text="none of its branches exists yet")]
    report = _report(desk, proposal, [*none, *proposal.conflicts, *red(verdicts)], verdicts)
    unready = (f"not ready to land: {reason.words()}" for reason in not_done(desk.plan, desk.state, wave))
    return replace(report, left_out=(*report.left_out, *absent), notes=tuple(unready), dry_run=True)


def require_wave(desk: Desk, number: int) -> WaveNumber:
    wave = WaveNumber(number)
    if wave not in desk.plan.waves:
        known = ", ".join(str(n) for n in desk.plan.waves) or "none"
        raise UsageError(f"the plan has no wave {number}.", f"its waves: {known}")
    return wave


def _other_command(desk: Desk, wave: WaveNumber, again: bool) -> LandingReport:
    base = git.resolve(desk.home.git, base_ref(desk.plan))
    lands = f"wave {wave} was not rolled back; it lands with: orchestrator wave merge {wave}"
    comes_back = f"wave {wave} was rolled back; it comes back with: orchestrator wave reland {wave}"
    reason = lands if again else comes_back
    return LandingReport(wave=wave, ok=False, base_before=base, base_after=base, reasons=(reason,))


def _already_landed(desk: Desk, wave: WaveNumber) -> LandingReport:
    fact = desk.state.wave(wave).landed
    assert fact is not None
    return LandingReport(
        wave=wave,
        ok=True,
        landed=fact.landed,
        base_before=fact.base_before,
        base_after=fact.base_after,
        candidate=fact.base_after,
        tag=fact.tag,
        already_landed=True,
    )


def _merge(desk: Desk, wave: WaveNumber, dry_run: bool) -> LandingReport:
    proposal = propose(desk, wave)
    reasons, notes = outlook(desk, proposal)
    if reasons or proposal.candidate is None:
        return replace(_report(desk, proposal, reasons, ()), notes=notes, dry_run=dry_run)
    desk.say(f"wave {wave}: candidate {proposal.candidate.commit[:12]} of {' '.join(proposal.tips)}")
    with pinned(desk.home.git, wave, proposal.candidate.commit):
        verdicts = _all_gates(desk, proposal, proposal.candidate)
        reasons = tuple(red(verdicts)) or _second_look(desk, proposal)
        report = replace(_report(desk, proposal, reasons, verdicts), notes=notes, dry_run=dry_run)
        if reasons or dry_run:
            return report
        desk.require_asker()
        return land(desk, proposal, proposal.candidate, report)


def _all_gates(desk: Desk, proposal: Proposal, candidate: Candidate) -> tuple[GateVerdict, ...]:
    """The wave's own gates run when those of its workstreams are green."""
    verdicts = run_gates(desk, proposal.tips)
    if all(verdict.ok for verdict in verdicts):
        desk.require_asker()
        verdicts += _wave_gates(desk, candidate, proposal.wave)
    return verdicts


def _wave_gates(desk: Desk, candidate: Candidate, wave: WaveNumber) -> tuple[GateVerdict, ...]:
    return run_wave_gates(desk, wave, candidate.commit, base=candidate.base)


def red(verdicts: Iterable[GateVerdict]) -> Iterable[Reason]:
    """Those that hold a wave back, in words."""
    for verdict in verdicts:
        if not verdict.ok:
            where = f"; see {_log(verdict)}" if verdict.log else ""
            yield Reason(text=f"{verdict.gate} is red: {verdict.why}{where}", workstream=verdict.workstream)


def _log(verdict: GateVerdict) -> str:
    return verdict.log or "" if verdict.host == LOCAL else f"{verdict.host}:{verdict.log}"


def _second_look(desk: Desk, proposal: Proposal) -> tuple[Reason, ...]:
    """What changed while the gates ran: they proved the proposal, and nothing else."""
    again = propose(desk, proposal.wave)
    return (*again.moved(proposal, desk.plan.base), *outlook(desk, again)[0])


def _report(
    desk: Desk, proposal: Proposal, reasons: Sequence[Reason], verdicts: Sequence[GateVerdict]
) -> LandingReport:
    """What came of it, as long as nothing has landed."""
    return LandingReport(
        wave=proposal.wave,
        ok=not reasons,
        landed=() if reasons else tuple(proposal.tips),
        left_out=left_out(reasons),
        gates=tuple(verdicts),
        base_before=proposal.base,
        base_after=git.resolve(desk.home.git, base_ref(desk.plan)),
        reasons=tuple(reason.words() for reason in reasons),
        candidate=proposal.candidate.commit if proposal.candidate else None,
    )
