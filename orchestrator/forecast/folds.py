"""Each wave folded onto base as landing it would do it: branches that merge in pairs may not as three."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.candidate import CandidateConflict, Collision, build_candidate
from orchestrator.core.plan import Plan, WaveNumber
from orchestrator.forecast.cache import ForecastCache
from orchestrator.forecast.model import Branch, FileClash, WaveFold
from orchestrator.git import ConflictFile, Git


def fold_waves(
    quarantine: Git,
    plan: Plan,
    base: str,
    rules: str,
    branches: Sequence[Branch],
    cache: ForecastCache,
) -> dict[WaveNumber, tuple[Collision, ...]]:
    """Each wave's collisions. A branch that does not exist, or is in base already, is left out."""
    tips = {
        number: {b.name: b.commit for b in branches if b.wave == number and not b.contained}
        for number in plan.waves
    }

    def compute(waves: Sequence[WaveNumber]) -> Mapping[WaveNumber, Any]:
        return {number: _fold(quarantine, plan, number, base, tips[number]) for number in waves}

    wanted = [number for number, members in tips.items() if members]
    known, _ = cache.complete(wanted, lambda number: _key(plan, rules, base, tips[number]), compute)
    return {number: _read(known.get(number, ())) for number in plan.waves}


def _key(plan: Plan, rules: str, base: str, tips: Mapping[str, str]) -> str:
    text = repr((rules, plan.base, base, tuple(tips.items())))
    return f"fold:{hashlib.sha256(text.encode()).hexdigest()}"


def _fold(quarantine: Git, plan: Plan, wave: WaveNumber, base: str, tips: Mapping[str, str]) -> list[Any]:
    built = build_candidate(quarantine, plan, wave, base, tips)
    if not isinstance(built, CandidateConflict):
        return []
    return [[c.workstream, c.against, [[file.path, file.kind] for file in c.files]] for c in built.collisions]


def _read(document: Sequence[Any]) -> tuple[Collision, ...]:
    return tuple(
        Collision(
            workstream=name,
            against=tuple(against),
            files=tuple(ConflictFile(path, kind) for path, kind in files),
        )
        for name, against, files in document
    )


def with_case_folds(
    plan: Plan,
    folds: Mapping[WaveNumber, tuple[Collision, ...]],
    pairs: Mapping[tuple[str, str], tuple[FileClash, ...]],
    with_base: Mapping[str, tuple[FileClash, ...]],
) -> tuple[WaveFold, ...]:
    """The waves with what git does not see."""
    return tuple(
        WaveFold(
            wave=number,
            collisions=folds[number],
            case_folds=tuple(
                clash
                for names, clashes in (*pairs.items(), *(((name,), of) for name, of in with_base.items()))
                if set(names) <= set(wave.workstreams)
                for clash in clashes
            ),
        )
        for number, wave in plan.waves.items()
    )
