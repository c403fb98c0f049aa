"""`wave merge` and `wave check`: propose, run the gates on exactly what was proposed, look again, land."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from orchestrator import git
from orchestrator.candidate import Candidate, pinned, unpin
from orchestrator.core.facts import LandingAsked, LandingRefused
from orchestrator.core.gating import has_landed
from orchestrator.core.plan import LOCAL, WaveNumber
from orchestrator.desk import Desk
from orchestrator.gates import GateVerdict, read_ahead, run_gates, run_wave_gates
from orchestrator.land.isolation import isolate
from orchestrator.land.landing import land
from orchestrator.land.narrowing import Choice, choose, without
from orchestrator.land.proposal import Proposal, base_ref, not_done, outlook, propose, seen, with_verdicts
from orchestrator.land.publishing import publish
from orchestrator.land.reasons import LeftOut, Reason, left_out
from orchestrator.land.recovery import finish_landings, landing_lock
from orchestrator.land.report import LandingReport
from orchestrator.land.trials import Isolation
from orchestrator.names import require_wave


def merge_wave(
    desk: Desk, number: int, *, by: str, partial: bool = False, dry_run: bool = False, again: bool = False
) -> LandingReport:
    """Land a wave, or say everything that is against it; then nothing was changed.

    With `partial` the largest proven part lands, if there is one; the rest can follow. `again` lands a
    wave that was rolled back, and only such a one. Blocks while gates run. An earlier landing that was
    cut short is finished or undone first.

    Raises:
        UsageError: the plan has no such wave.
        Refused: another landing is under way, or an interrupted one needs a person.
        HostUnreachable: a host of the wave does not answer.
    """
    wave = require_wave(number, desk.plan.waves)
    with landing_lock(desk.home):
        finish_landings(desk)
        if has_landed(desk.plan, desk.state, wave):
            unpin(desk.home.git, wave)  # killed right after it landed, a landing leaves it pinned
            report = _already_landed(desk, wave)
            return report if dry_run else publish(desk, report, desk.state.wave(wave).parts[-1])
        if again is (desk.state.wave(wave).rolled_back is None):
            return _other_command(desk, wave, again)
        if not dry_run:
            desk.record(LandingAsked(wave=wave, by=by))
        report = _merge(desk, wave, partial, dry_run)
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
    wave = require_wave(number, desk.plan.waves)
    if has_landed(desk.plan, desk.state, wave):
        return _already_landed(desk, wave)
    read_ahead(desk.home, desk.plan.of_wave(wave))
    proposal = propose(desk, wave)
    absent = [LeftOut(name=name, reason="its branch does not exist yet") for name in proposal.missing]
    verdicts = run_gates(desk, proposal.tips)
    if proposal.candidate is not None and proposal.tips:
        proposal = with_verdicts(desk, proposal, verdicts)
    if proposal.candidate is not None and proposal.tips:
        with pinned(desk.home.git, wave, proposal.candidate.commit):
            verdicts += _wave_gates(desk, proposal.candidate, wave)
    none = [] if proposal.tips else [Reason(text="none of its branches exists yet")]
    unready = not_done(desk.plan, desk.state, proposal.members)
    choice = Choice(
        proposal=proposal,
        reasons=(*none, *proposal.conflicts, *red(verdicts)),
        notes=tuple(f"not ready to land: {reason.words()}" for reason in unready),
    )
    report = _report(desk, _Proved(choice=choice, verdicts=verdicts), dry_run=True)
    return replace(report, left_out=(*report.left_out, *absent))


def _other_command(desk: Desk, wave: WaveNumber, again: bool) -> LandingReport:
    base = git.resolve(desk.home.git, base_ref(desk.plan))
    lands = f"wave {wave} was not rolled back; it lands with: orchestrator wave merge {wave}"
    comes_back = f"wave {wave} was rolled back; it comes back with: orchestrator wave reland {wave}"
    reason = lands if again else comes_back
    return LandingReport(wave=wave, ok=False, base_before=base, base_after=base, reasons=(reason,))


def _already_landed(desk: Desk, wave: WaveNumber) -> LandingReport:
    record = desk.state.wave(wave)
    first, last = record.parts[0], record.parts[-1]
    return LandingReport(
        wave=wave,
        ok=True,
        landed=record.members_landed,
        base_before=first.base_before,
        base_after=last.base_after,
        candidate=last.base_after,
        tag=last.tag,
        already_landed=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proved:
    """What is to land, and the gates that were run for it; nothing lands where there is a reason."""

    choice: Choice
    verdicts: tuple[GateVerdict, ...] = ()
    isolation: Isolation | None = None


def _merge(desk: Desk, wave: WaveNumber, partial: bool, dry_run: bool) -> LandingReport:
    proposal = propose(desk, wave)
    if not dry_run:
        desk.record(seen(desk.plan, proposal))
    choice = choose(desk, proposal, partial=partial)
    if choice.reasons:
        return _report(desk, _Proved(choice=choice), dry_run)
    proved = _prove(desk, choice, partial)
    proposal, candidate = proved.choice.proposal, proved.choice.proposal.candidate
    if proved.choice.reasons or candidate is None:
        return _report(desk, proved, dry_run)
    with pinned(desk.home.git, wave, candidate.commit):
        proved = replace(proved, choice=replace(proved.choice, reasons=_second_look(desk, proposal)))
        report = _report(desk, proved, dry_run)
        if proved.choice.reasons or dry_run:
            return report
        desk.require_asker()
        lands = (None, *proposal.tips)
        green = tuple(verdict for verdict in report.gates if verdict.ok and verdict.workstream in lands)
        return replace(land(desk, proposal, candidate, replace(report, gates=green)), gates=report.gates)


def _prove(desk: Desk, choice: Choice, partial: bool) -> _Proved:
    """The gates of the workstreams, then those of the wave, on exactly what would land."""
    assert choice.proposal.candidate is not None
    with pinned(desk.home.git, choice.proposal.wave, choice.proposal.candidate.commit):
        own = run_gates(desk, choice.proposal.tips)
    choice = replace(choice, proposal=with_verdicts(desk, choice.proposal, own))
    bad = list(red(own))
    if bad and partial:
        choice = without(desk, choice, bad)
        if not choice.reasons:
            choice = choose(desk, choice.proposal, partial=True, left=choice.left)
    elif bad:
        choice = replace(choice, reasons=tuple(bad))
    if choice.reasons:
        return _Proved(choice=choice, verdicts=own)
    desk.require_asker()
    return _prove_together(desk, _Proved(choice=choice, verdicts=own), partial)


def _prove_together(desk: Desk, proved: _Proved, partial: bool) -> _Proved:
    """The wave's own gates; where they are red, who is to blame, and with `partial` what is green without."""
    proposal = proved.choice.proposal
    candidate = proposal.candidate
    assert candidate is not None
    desk.say(f"wave {proposal.wave}: candidate {candidate.commit[:12]} of {' '.join(proposal.tips)}")
    with pinned(desk.home.git, proposal.wave, candidate.commit):
        verdicts = _wave_gates(desk, candidate, proposal.wave)
        if all(verdict.ok for verdict in verdicts):
            return replace(proved, verdicts=(*proved.verdicts, *verdicts))
        if desk.state.wave(proposal.wave).rolled_back is not None:
            # What comes back is one change: it has no parts to try.
            choice = replace(proved.choice, reasons=tuple(red(verdicts)))
            return _Proved(choice=choice, verdicts=(*proved.verdicts, *verdicts))
        found = isolate(desk, proposal, verdicts)
        choice = _after_isolation(desk, proved.choice, found, partial)
        if not choice.reasons and choice.proposal.candidate is not None:
            # Green by now, and known: only what has been run on another commit of that tree is run again.
            verdicts = _wave_gates(desk, choice.proposal.candidate, proposal.wave)
            choice = replace(choice, reasons=tuple(red(verdicts)))
        else:
            verdicts = found.trials[0].verdicts
    return _Proved(choice=choice, verdicts=(*proved.verdicts, *verdicts), isolation=found)


def _after_isolation(desk: Desk, choice: Choice, found: Isolation, partial: bool) -> Choice:
    """What is to land now, all of it where the red was a flake; with reasons, nothing."""
    choice = replace(choice, notes=(*choice.notes, *found.notes()))
    if partial and found.proven:
        return without(desk, choice, list(found.blamed()))
    if found.proven:
        command = f"orchestrator wave merge {choice.proposal.wave} --partial"
        rest = f"green without them: {' '.join(found.proven)}; {command} lands that"
        choice = replace(choice, notes=(*choice.notes, rest))
    return replace(choice, reasons=tuple(found.reasons()))


def _wave_gates(desk: Desk, candidate: Candidate, wave: WaveNumber) -> tuple[GateVerdict, ...]:
    return run_wave_gates(desk, wave, candidate.commit, base=candidate.base, tree=candidate.tree)


def red(verdicts: Iterable[GateVerdict]) -> Iterable[Reason]:
    """Those that hold a wave back, in words."""
    for verdict in verdicts:
        if not verdict.ok:
            where = f"; see {_log(verdict)}" if verdict.log else ""
            yield Reason(text=f"{verdict.sentence}{where}", workstream=verdict.workstream)


def _log(verdict: GateVerdict) -> str:
    return verdict.log or "" if verdict.host == LOCAL else f"{verdict.host}:{verdict.log}"


def _second_look(desk: Desk, proposal: Proposal) -> tuple[Reason, ...]:
    """What changed while the gates ran: they proved the proposal, and nothing else."""
    again = propose(desk, proposal.wave, proposal.members, earlier=proposal)
    return (*again.moved(proposal, desk.plan.base), *outlook(desk, again)[0])


def _report(desk: Desk, proved: _Proved, dry_run: bool) -> LandingReport:
    """What came of it, as long as nothing has landed."""
    choice, proposal = proved.choice, proved.choice.proposal
    return LandingReport(
        wave=proposal.wave,
        ok=not choice.reasons,
        landed=() if choice.reasons else tuple(proposal.tips),
        left_out=left_out(choice.against),
        gates=proved.verdicts,
        base_before=proposal.base,
        base_after=git.resolve(desk.home.git, base_ref(desk.plan)),
        reasons=tuple(reason.words() for reason in choice.against) if choice.reasons else (),
        notes=choice.notes,
        candidate=proposal.candidate.commit if proposal.candidate else None,
        dry_run=dry_run,
        isolation=proved.isolation,
    )
