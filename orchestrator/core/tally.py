"""How often things happened, counted from the journal's facts: counters that outlive every daemon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from orchestrator.core import facts as f
from orchestrator.core.facts import Fact
from orchestrator.core.gating import Outcome

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRuns:
    """`runs` and `seconds` leave out verdicts that were known already; `outcomes` count those, too."""

    outcomes: Mapping[str, int] = field(default_factory=dict)
    runs: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    launches: Mapping[str, int] = field(default_factory=dict)
    restarts: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    holds: Mapping[str, int] = field(default_factory=dict)
    losses: Mapping[str, int] = field(default_factory=dict)
    gates: Mapping[str, GateRuns] = field(default_factory=dict)
    landings: int = 0
    refusals: int = 0
    rollbacks: int = 0

    def after(self, fact: Fact) -> Tally:
        match fact:
            case f.LaunchChosen():
                return replace(self, launches=_one_more(self.launches, fact.workstream))
            case f.RetryChosen():
                return replace(self, restarts=_one_more(self.restarts, fact.workstream))
            case f.GaveUp() | f.LaunchRefused():
                return replace(self, failures=_one_more(self.failures, fact.workstream))
            case f.StageHeld() | f.StepPoisoned():
                return replace(self, holds=_one_more(self.holds, fact.workstream))
            case f.HostLost():
                return replace(self, losses=_one_more(self.losses, fact.host))
            case f.GateFinished():
                return replace(self, gates=_with_run(self.gates, fact))
            case f.WaveLanded():
                return replace(self, landings=self.landings + 1)
            case f.LandingRefused() | f.LandingUndone():
                return replace(self, refusals=self.refusals + 1)
            case f.WaveRolledBack():
                return replace(self, rollbacks=self.rollbacks + 1)
        return self


def _one_more(counts: Mapping[Key, int], key: Key) -> Mapping[Key, int]:
    return {**counts, key: counts.get(key, 0) + 1}


def _with_run(gates: Mapping[str, GateRuns], fact: f.GateFinished) -> Mapping[str, GateRuns]:
    before = gates.get(fact.gate, GateRuns())
    outcome = fact.outcome or (Outcome.GREEN if fact.ok else Outcome.RED).value
    ran = not fact.cached
    after = GateRuns(
        outcomes=_one_more(before.outcomes, outcome),
        runs=before.runs + ran,
        seconds=before.seconds + (fact.seconds if ran else 0.0),
    )
    return {**gates, fact.gate: after}
