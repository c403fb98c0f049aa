"""How facts move a wave, and the workstreams that land or leave with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.core import facts as f
from orchestrator.core.state.records import (
    Done,
    Foreseen,
    Landing,
    Merged,
    WaveRecord,
    WorkstreamRecord,
)

LandingFact = (
    f.LandingBegun | f.WaveLanded | f.LandingRefused | f.LandingUndone | f.WavePushed | f.WavePushRefused
)
RollbackFact = f.RollbackBegun | f.WaveRolledBack | f.RollbackRefused
ForecastFact = f.ConflictForeseen | f.OverlapForeseen | f.ForecastCleared

Records = Mapping[str, WorkstreamRecord]


def wave_after_landing(wave: WaveRecord, fact: LandingFact) -> WaveRecord:
    match fact:
        case f.LandingBegun():
            return replace(wave, landing=Landing(begun=fact))
        case f.LandingRefused() | f.LandingUndone():
            return replace(wave, landing=None)
        case f.WavePushed():
            return replace(wave, pushed=fact.commit)
        case f.WavePushRefused():
            return wave
        case f.WaveLanded():
            complete = None if fact.left_out else fact
            parts = (*wave.parts, fact)
            return replace(wave, landing=None, landed=complete, parts=parts, rolled_back=None)


def merged(records: Records, wave: WaveRecord, fact: f.WaveLanded) -> Records:
    """The workstreams once `fact` happened to `wave`, as it stood before."""
    tips = wave.landing.begun.tips if wave.landing else {}
    landed = {name: records.get(name, WorkstreamRecord()) for name in fact.landed}
    return {
        **records,
        **{
            name: replace(record, phase=Merged(fact.wave), tip=tips.get(name, record.tip))
            for name, record in landed.items()
        },
    }


def wave_after_rollback(wave: WaveRecord, fact: RollbackFact) -> WaveRecord:
    match fact:
        case f.RollbackBegun():
            return replace(wave, rollback=fact)
        case f.RollbackRefused():
            return replace(wave, rollback=None)
        case f.WaveRolledBack():
            return WaveRecord(rolled_back=fact, rollbacks=wave.rollbacks + 1)


def done_again(records: Records, fact: f.WaveRolledBack) -> Records:
    """The workstreams once they left the base they had landed on."""
    landed = {name: records.get(name, WorkstreamRecord()) for name in fact.landed}
    done = {n: replace(r, phase=Done()) for n, r in landed.items() if isinstance(r.phase, Merged)}
    return {**records, **done}


def foreseen_after(
    foreseen: Mapping[tuple[str, ...], Foreseen], fact: ForecastFact
) -> Mapping[tuple[str, ...], Foreseen]:
    others = {between: one for between, one in foreseen.items() if between != fact.between}
    if isinstance(fact, f.ForecastCleared):
        return others
    one = Foreseen(conflict=isinstance(fact, f.ConflictForeseen), files=fact.files)
    return {**others, fact.between: one}
