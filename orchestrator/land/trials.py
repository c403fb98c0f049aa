"""What the runs of a wave's parts came to: who is to blame, in words, with the runs that prove it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.core.isolation import (
    Ask,
    BaseRed,
    Cause,
    Culprit,
    Culprits,
    Inconclusive,
    Infrastructure,
    Outcome,
    Verdict,
)
from orchestrator.core.membership import Members
from orchestrator.gates import GateVerdict
from orchestrator.land.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One run. `why` says what kept it from a verdict; `reused`: an equal tree had been run."""

    number: int
    ask: Ask
    outcome: Outcome
    commit: str | None = None
    verdicts: tuple[GateVerdict, ...] = ()
    why: str = ""
    reused: bool = False

    @property
    def red(self) -> tuple[GateVerdict, ...]:
        return tuple(verdict for verdict in self.verdicts if not verdict.ok)

    @property
    def red_names(self) -> tuple[str, ...]:
        return tuple(verdict.gate for verdict in self.red)

    @property
    def logs(self) -> tuple[str, ...]:
        return tuple(verdict.log for verdict in self.red if verdict.log)

    def document(self) -> dict[str, Any]:
        return {
            "run": self.number,
            "workstreams": list(self.ask.members),
            "purpose": self.ask.purpose.value,
            "outcome": self.outcome.value,
            "commit": self.commit,
            "red": list(self.red_names),
            "logs": list(self.logs),
            "reused": self.reused,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """`trials` are all runs, the first red one of the whole included; `base` is the branch's name."""

    members: Members
    verdict: Verdict
    trials: tuple[Trial, ...]
    base: str

    @property
    def word(self) -> str:
        return type(self.verdict).__name__.lower()

    @property
    def causes(self) -> tuple[Cause, ...]:
        match self.verdict:
            case Culprits(causes=causes) | Infrastructure(causes=causes) | Inconclusive(causes=causes):
                return causes
            case _:
                return ()

    @property
    def proven(self) -> tuple[str, ...]:
        """Who can land without the others."""
        return self.verdict.proven if isinstance(self.verdict, Culprits) else ()

    def blamed(self) -> Iterator[Reason]:
        """Who is left out, and why; whoever cannot land without one of them included."""
        out = {cause.left_out for cause in self.causes}
        for cause in self.causes:
            yield Reason(text=self._told(cause), workstream=cause.left_out)
        for name in self.members.in_order(self.members.with_dependents(out) - out):
            yield Reason(text=left_behind(self.members, name, out), workstream=name)

    def reasons(self) -> Iterator[Reason]:
        """Why the wave does not land as a whole."""
        yield from self.blamed()
        gates, log = " and ".join(self.trials[0].red_names), _see(self.trials[:1])
        match self.verdict:
            case BaseRed():
                yield Reason(text=f"{gates} is red on {self.base} without any of them, too{log}")
            case Infrastructure():
                yield Reason(text=f"its gates came to no verdict: {self.trials[-1].why}; run it again")
            case Inconclusive(why=why):
                text = f"{gates} was red, and it is not clear why: {why}; nobody is accused of it{log}"
                yield Reason(text=text)
            case _:
                return

    def notes(self) -> Iterator[str]:
        """Flakes: parts that were red and green."""
        for members in dict.fromkeys(trial.ask.members for trial in self.trials):
            runs = self._of(members)
            red = [trial for trial in runs if trial.outcome is Outcome.RED]
            if red and len(red) < len(runs):
                gates = " and ".join(dict.fromkeys(name for trial in red for name in trial.red_names))
                often = f"red in {len(red)} of {len(runs)} runs of the same commit"
                yield f"flaky: {gates} of {_named(members, self.base)} was {often}{_see(red)}"

    def document(self) -> dict[str, Any]:
        """`verdict` in a word; `runs` are the evidence."""
        return {
            "verdict": self.word,
            "causes": [
                {
                    "kind": type(cause).__name__.lower(),
                    "workstreams": list(cause.members),
                    "left_out": cause.left_out,
                    "why": self._told(cause),
                }
                for cause in self.causes
            ],
            "proven": list(self.proven),
            "runs": [trial.document() for trial in self.trials],
        }

    def _told(self, cause: Cause) -> str:
        needed = self.members.with_needs(cause.members)
        runs = self._of(needed)
        gates = " and ".join(dict.fromkeys(name for trial in runs for name in trial.red_names))
        often = f"{sum(trial.outcome is Outcome.RED for trial in runs)} of {len(runs)} runs"
        if not isinstance(cause, Culprit):
            partners = " and ".join(name for name in cause.members if name != cause.left_out)
            both = f"with it and {partners} together ({often})"
            return f"{gates} is red {both}, and green with each alone{_see(runs)}"
        needs = self.members.in_order(needed - {cause.name})
        alone = f"it and {' and '.join(needs)}, which it needs," if needs else "it alone"
        return f"{gates} is red with {alone} ({often}) and green {self._green_without(cause)}{_see(runs)}"

    def _green_without(self, cause: Cause) -> str:
        greens = [
            trial.ask.members
            for trial in self.trials
            if trial.outcome is Outcome.GREEN and cause.left_out not in trial.ask.members
        ]
        return f"with {_named(max(greens, key=len), self.base)}" if greens else "with nothing that was tried"

    def _of(self, names: Collection[str]) -> list[Trial]:
        return [trial for trial in self.trials if set(trial.ask.members) == set(names)]


def left_behind(members: Members, name: str, out: Collection[str]) -> str:
    """Why a workstream stays out that nothing is wrong with."""
    needed = members.in_order(members.with_needs([name]) & set(out))
    return f"cannot land without {' and '.join(needed)}, which is left out"


def _named(members: Sequence[str], base: str) -> str:
    return " ".join(members) or f"{base} alone"


def _see(trials: Sequence[Trial]) -> str:
    logs = [log for trial in trials for log in trial.logs]
    return f"; see {logs[-1]}" if logs else ""
