"""`wave rollback`: a landed wave is taken out of base, also from under later ones, or it is said why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from orchestrator import git
from orchestrator.candidate import pinned
from orchestrator.core.facts import (
    RefStep,
    RollbackAsked,
    RollbackBegun,
    RollbackRefused,
    WaveLanded,
    WavePushed,
    WavePushRefused,
)
from orchestrator.core.gating import needed_by
from orchestrator.core.plan import CommitId, WaveNumber, WorkstreamName
from orchestrator.desk import Desk
from orchestrator.gates import GateVerdict, run_wave_gates
from orchestrator.git import Conflict
from orchestrator.land.checkouts import checkouts_of, obstacles, step
from orchestrator.land.merging import red
from orchestrator.land.moving import NotMoved, carry_out
from orchestrator.land.proposal import base_ref, tip_archive
from orchestrator.land.published import Published, look_published, push_base
from orchestrator.land.recovery import finish_landings, landing_lock, rollback_move, rolled_back
from orchestrator.land.report import Dependent, RollbackReport
from orchestrator.land.reverting import COMMIT, RESET, build_removal
from orchestrator.names import require_wave
from orchestrator.tips import known_tips


def rollback_wave(desk: Desk, number: int, *, by: str, dry_run: bool = False) -> RollbackReport:
    """Take a wave out of base, or say everything that is against it; then nothing was changed.

    Blocks while gates run. A landing or rollback that was cut short is finished or undone first.

    Raises:
        UsageError: the plan has no such wave.
        Refused: a landing is under way, or an interrupted one needs a person.
    """
    wave = require_wave(number, desk.plan.waves)
    with landing_lock(desk.home):
        finish_landings(desk)
        if not desk.state.wave(wave).parts:
            report = _nothing_to_do(desk, wave)
            return report if dry_run else _push_again(desk, report)
        if not dry_run:
            desk.record(RollbackAsked(wave=wave, by=by))
        report = _roll_back(desk, wave, dry_run)
        if not report.ok and not dry_run:
            desk.record(RollbackRefused(wave=wave, reasons=report.reasons))
        return report


def _nothing_to_do(desk: Desk, wave: WaveNumber) -> RollbackReport:
    taken_out = desk.state.wave(wave).rolled_back
    base = git.resolve(desk.home.git, base_ref(desk.plan))
    if taken_out is None:
        why = (f"wave {wave} has not landed",)
        return RollbackReport(wave=wave, ok=False, base_before=base, base_after=base, reasons=why)
    return RollbackReport(
        wave=wave,
        ok=True,
        form=taken_out.form,
        rolled_back=taken_out.landed,
        base_before=base,
        base_after=base,
        already_rolled_back=True,
    )


def _roll_back(desk: Desk, wave: WaveNumber, dry_run: bool) -> RollbackReport:
    base = git.resolve(desk.home.git, base_ref(desk.plan))
    parts = desk.state.wave(wave).parts
    report = RollbackReport(
        wave=wave,
        ok=False,
        rolled_back=tuple(name for part in parts for name in part.landed),
        dependents=tuple(_dependents(desk, wave)),
        base_before=base,
        base_after=base,
        dry_run=dry_run,
    )
    if not git.is_ancestor(desk.home.git, parts[-1].base_after, base):
        gone = f"{desk.plan.base} no longer contains {parts[-1].base_after[:12]}, which wave {wave} landed as"
        return replace(report, reasons=(gone,))
    published = look_published(desk, parts)
    notes = tuple(_why_no_reset(desk, parts, base, published))
    if not notes:
        return _move(desk, replace(report, ok=True, form=RESET, base_after=parts[0].base_before), published)
    return _by_commit(desk, replace(report, form=COMMIT, notes=notes), published)


def _dependents(desk: Desk, wave: WaveNumber) -> Iterator[Dependent]:
    """Later waves that need this one, or landed on top of it."""
    for number in desk.plan.waves:
        if number <= wave:
            continue
        landed = bool(desk.state.wave(number).parts)
        if wave in needed_by(desk.plan, number):
            state = "and has landed on top of it" if landed else "and has not landed"
            yield Dependent(wave=number, how=f"needs wave {wave} {state}")
        elif landed:
            yield Dependent(wave=number, how=f"landed on top of wave {wave}")


def _why_no_reset(desk: Desk, parts: Sequence[WaveLanded], base: str, published: Published) -> Iterator[str]:
    """Why base cannot simply go back; nothing where it can."""
    if base != parts[-1].base_after or any(
        later.base_before != earlier.base_after for earlier, later in pairwise(parts)
    ):
        yield f"{desk.plan.base} has later commits, which stay"
    if published.problem is not None:
        yield f"{desk.plan.remote} may have it already: {published.problem}"
    elif published.is_so:
        yield "it was pushed already: others may have it"
    tips = known_tips(desk.home, desk.plan)
    landed = {name for part in parts for name in part.landed}
    built_on = [name for name, tip in tips.items() if name not in landed and _contains(desk, tip, parts)]
    if built_on:
        # Base would go back, and get the wave again with the first of them that lands.
        yield f"these branches contain it: {', '.join(built_on)}"


def _contains(desk: Desk, tip: CommitId, parts: Sequence[WaveLanded]) -> bool:
    brings = [part.base_after for part in parts if part.base_after != part.base_before]
    return any(git.is_ancestor(desk.home.git, commit, tip) for commit in brings)


def _by_commit(desk: Desk, report: RollbackReport, published: Published) -> RollbackReport:
    wave, base = WaveNumber(report.wave), report.base_before or ""
    commit = build_removal(desk.home.git, wave, base, desk.state.wave(wave).parts)
    if isinstance(commit, Conflict):
        files = ", ".join(f"{file.path} ({file.kind})" for file in commit.files)
        why = f"taking wave {wave} out conflicts with what came after it, in {files}"
        return replace(report, conflicts=commit.files, reasons=(why, *_words(report.dependents)))
    in_the_way = obstacles(desk.home.git, desk.plan.base, step(desk.home.git, base, commit))
    if in_the_way:
        return replace(report, reasons=in_the_way)
    with pinned(desk.home.git, wave, commit):
        verdicts, notes = _proved(desk, report, commit)
        report = replace(report, gates=verdicts, notes=(*report.notes, *notes))
        reasons = tuple(reason.words() for reason in red(verdicts))
        if reasons:
            return replace(report, reasons=(*reasons, *_words(report.dependents)))
        return _move(desk, replace(report, ok=True, base_after=commit), published)


def _words(dependents: Sequence[Dependent]) -> Iterator[str]:
    return (f"wave {one.wave} {one.how}" for one in dependents)


def _proved(
    desk: Desk, report: RollbackReport, commit: str
) -> tuple[tuple[GateVerdict, ...], tuple[str, ...]]:
    """The gates of the wave and of every wave that stays on top of it.

    Of the wave's own, built-in checks are left out: they ask for what its branches brought.
    """
    gates = desk.plan.waves[WaveNumber(report.wave)].gates
    claims = [gate.name for gate in gates if gate.run is None]
    later = [one.wave for one in report.dependents if desk.state.wave(one.wave).parts]
    base = report.base_before or ""
    commands = [gate.name for gate in gates if gate.run is not None]
    verdicts = run_wave_gates(desk, WaveNumber(report.wave), commit, base=base, only=commands)
    for number in later:
        verdicts += run_wave_gates(desk, WaveNumber(number), commit, base=base)
    notes = []
    if claims:
        notes.append(f"not run, they check what the wave brought: {', '.join(claims)}")
    if later and not verdicts:
        notes.append("no gate shows that what landed later works without it")
    return verdicts, tuple(notes)


def _move(desk: Desk, report: RollbackReport, published: Published) -> RollbackReport:
    before, after = report.base_before or "", report.base_after or ""
    in_the_way = obstacles(desk.home.git, desk.plan.base, step(desk.home.git, before, after))
    if in_the_way:
        return replace(report, ok=False, base_after=before, reasons=in_the_way)
    if report.dry_run:
        return report
    desk.require_asker()
    begun = RollbackBegun(
        wave=report.wave,
        base=desk.plan.base,
        base_before=before,
        base_after=after,
        form=report.form or "",
        landed=report.rolled_back,
        refs=tuple(_refs(desk, report)),
    )
    desk.record(begun)
    try:
        carry_out(desk.home, rollback_move(begun))
    except NotMoved as why:
        return replace(report, ok=False, base_after=before, reasons=(str(why),))
    desk.record(rolled_back(begun))
    desk.say(f"wave {report.wave}: {desk.plan.base} moved to {after[:12]}")
    return _pushed(desk, report, after, published)


def _push_again(desk: Desk, report: RollbackReport) -> RollbackReport:
    """What was rolled back before, for a remote that did not take it then."""
    taken_out = desk.state.wave(report.wave).rolled_back
    if taken_out is None or desk.plan.remote is None:
        return report
    return _pushed(desk, report, taken_out.base_after, look_published(desk, [taken_out]))


def _pushed(desk: Desk, report: RollbackReport, commit: str, published: Published) -> RollbackReport:
    """Where base went back, nobody has what was taken out: there is nothing to push."""
    remote, wave = desk.plan.remote, report.wave
    if remote is None or report.form != COMMIT:
        return report
    if desk.state.wave(wave).pushed == commit:
        return replace(report, pushed=True)
    failed = push_base(desk, commit, published)
    if failed is None:
        desk.record(WavePushed(wave=wave, remote=remote, commit=commit, tag=""))
        desk.say(f"wave {wave}: pushed to {remote}")
        return replace(report, pushed=True)
    cause, reason = failed.cause.value, failed.reason
    desk.record(WavePushRefused(wave=wave, remote=remote, commit=commit, tag="", cause=cause, reason=reason))
    return replace(report, pushed=False, push_error=reason, push_cause=cause)


def _refs(desk: Desk, report: RollbackReport) -> Iterator[RefStep]:
    """Landings are archived; a tag goes where base goes back; branches that were cleaned are there again."""
    wave, repository = WaveNumber(report.wave), desk.home.git
    record = desk.state.wave(wave)
    found = git.refs(repository)
    for part in record.parts:
        tag = found.get(f"refs/tags/{part.tag}")
        ours = tag is not None and git.resolve(repository, tag) == part.base_after
        archive = (
            f"refs/orchestrator/waves/{wave}/rollbacks/{record.rollbacks + 1}/{part.tag.rpartition('/')[2]}"
        )
        yield RefStep(ref=archive, old=found.get(archive), new=tag if ours else part.base_after)
        if ours and report.form == RESET:
            yield RefStep(ref=f"refs/tags/{part.tag}", old=tag, new=None)
    integration = desk.plan.integration_branch(wave)
    standing = found.get(f"refs/heads/{integration}")
    if standing == record.parts[-1].base_after and not checkouts_of(repository, integration):
        yield RefStep(ref=f"refs/heads/{integration}", old=standing, new=None)
    for name in report.rolled_back:
        workstream = desk.plan.workstreams.get(WorkstreamName(name))
        tip = found.get(tip_archive(wave, name)) or _cleaned_tip(desk, name)
        if workstream and tip and f"refs/heads/{workstream.branch}" not in found:
            yield RefStep(ref=f"refs/heads/{workstream.branch}", old=None, new=tip)


def _cleaned_tip(desk: Desk, name: str) -> str | None:
    """Of a landing from before tips were archived."""
    record = desk.state.of(name)
    if not record.cleaned or record.tip is None:
        return None
    return git.find_commits(desk.home.git, [record.tip])[record.tip]
