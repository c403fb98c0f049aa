"""Why a wave is red: candidates of its parts are built and their gates run, as the search asks for them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.candidate import PART, Candidate, pinned
from orchestrator.core import gating
from orchestrator.core.facts import PartTried, WaveIsolated
from orchestrator.core.isolation import Ask, Outcome, search
from orchestrator.core.plan import WaveNumber
from orchestrator.desk import Desk
from orchestrator.errors import CommandFailed, HostUnreachable
from orchestrator.gates import GateVerdict, run_wave_gates
from orchestrator.land.proposal import Proposal, members_of, restricted
from orchestrator.land.trials import Isolation, Trial


def isolate(desk: Desk, proposal: Proposal, verdicts: Sequence[GateVerdict]) -> Isolation:
    """Find out what makes the gates red; `verdicts` are those of the whole, run once.

    Blocks for as long as the runs take. Nothing is moved. Logs of red runs are kept until the wave's
    next isolation.

    Raises:
        Refused: whoever asked has gone.
    """
    desk.say(f"wave {proposal.wave} is red: finding out why")
    bench = _Bench(desk, proposal, verdicts)
    members = members_of(desk, proposal)
    verdict = search(members, bench.run)
    found = Isolation(members=members, verdict=verdict, trials=tuple(bench.trials), base=desk.plan.base)
    desk.record(_fact(proposal, found))
    return found


def outcome_of(verdicts: Sequence[GateVerdict]) -> Outcome:
    """Red where a gate said no; no verdict where all that is not green died of something else."""
    bad = [verdict for verdict in verdicts if not verdict.ok]
    if not bad:
        return Outcome.GREEN
    return Outcome.INFRASTRUCTURE if all(is_infrastructure(verdict) for verdict in bad) else Outcome.RED


def is_infrastructure(verdict: GateVerdict) -> bool:
    """True for a gate that came to no verdict: nobody is to blame for that."""
    return verdict.outcome is gating.Outcome.INFRASTRUCTURE


class _Bench:
    """Runs parts of one proposal; the `first` run, of the whole, was made before.

    `trials` are the runs so far. A tree that was run is not run again, unless that is what is asked for.
    """

    def __init__(self, desk: Desk, proposal: Proposal, first: Sequence[GateVerdict]) -> None:
        self._desk = desk
        self._proposal = proposal
        self._first = first
        # A gate that only warns accuses nobody: the run of what lands is enough for it.
        self._deciding = frozenset(verdict.gate for verdict in first if verdict.severity == "block")
        self._by_tree: dict[str, Trial] = {}
        self._logs = desk.home.state.gates / "isolation" / f"wave-{proposal.wave}"
        shutil.rmtree(self._logs, ignore_errors=True)
        self.trials: list[Trial] = []

    def run(self, ask: Ask) -> Outcome:
        trial = self._trial(ask)
        self._desk.record(_tried(self._proposal.wave, trial))
        self.trials.append(trial)
        return trial.outcome

    def _trial(self, ask: Ask) -> Trial:
        part = restricted(self._desk, self._proposal, ask.members)
        if part.candidate is None:
            why = "; ".join(reason.words() for reason in part.conflicts)
            return Trial(number=self._number, ask=ask, outcome=Outcome.UNBUILDABLE, why=why)
        if not self.trials:
            return self._told(ask, part.candidate, self._first)
        known = self._by_tree.get(part.candidate.tree)
        if known is not None and not ask.again:
            return replace(known, number=self._number, ask=ask, commit=part.candidate.commit, reused=True)
        return self._run(ask, part.candidate)

    def _run(self, ask: Ask, candidate: Candidate) -> Trial:
        desk, wave = self._desk, self._proposal.wave
        desk.require_asker()
        desk.say(f"run {self._number}, {ask.purpose.value}: {' '.join(ask.members) or desk.plan.base}")
        try:
            with pinned(desk.home.git, wave, candidate.commit, part=PART):
                verdicts = run_wave_gates(
                    desk,
                    wave,
                    candidate.commit,
                    base=candidate.base,
                    only=self._deciding,
                    use_cache=not ask.again,
                )
        except (CommandFailed, HostUnreachable) as error:
            return Trial(
                number=self._number,
                ask=ask,
                outcome=Outcome.INFRASTRUCTURE,
                commit=candidate.commit,
                why=error.message,
            )
        return self._told(ask, candidate, verdicts)

    def _told(self, ask: Ask, candidate: Candidate, verdicts: Sequence[GateVerdict]) -> Trial:
        """What these verdicts mean for the part."""
        trial = Trial(
            number=self._number,
            ask=ask,
            outcome=outcome_of(verdicts),
            commit=candidate.commit,
            verdicts=tuple(self._with_kept_log(verdict) for verdict in verdicts),
            why=next((v.why for v in verdicts if is_infrastructure(v)), ""),
        )
        if trial.outcome is not Outcome.INFRASTRUCTURE:
            self._by_tree[candidate.tree] = trial
        return trial

    def _with_kept_log(self, verdict: GateVerdict) -> GateVerdict:
        """The next run of the gate writes to the same file: a red one's is kept as evidence."""
        if verdict.ok or not verdict.log or not Path(verdict.log).is_file():
            return verdict
        self._logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = self._logs / f"{self._number}-{verdict.gate}.log"
        shutil.copyfile(verdict.log, kept)
        return replace(verdict, log=str(kept))

    @property
    def _number(self) -> int:
        return len(self.trials) + 1


def _tried(wave: WaveNumber, trial: Trial) -> PartTried:
    return PartTried(
        wave=wave,
        run=trial.number,
        workstreams=trial.ask.members,
        purpose=trial.ask.purpose.value,
        outcome=trial.outcome.value,
        commit=trial.commit,
        red=trial.red_names,
        logs=trial.logs,
        reused=trial.reused,
    )


def _fact(proposal: Proposal, found: Isolation) -> WaveIsolated:
    return WaveIsolated(
        wave=proposal.wave,
        verdict=found.word,
        causes=tuple(reason.words() for reason in found.reasons()),
        left_out=tuple(cause.left_out for cause in found.causes),
        proven=found.proven,
    )
