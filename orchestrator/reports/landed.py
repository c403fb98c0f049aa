"""Which landing a report is about, and what plan and journal say of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator import git
from orchestrator.core import facts as f
from orchestrator.core.plan import Plan, WaveNumber
from orchestrator.errors import Refused
from orchestrator.git import Git
from orchestrator.journal import Entry
from orchestrator.reports.documents import commit_subject
from orchestrator.reports.metrics import Happened
from orchestrator.reports.subject import Member, Subject, member_of, subject_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One landing; `at` is its time of day in seconds since the epoch."""

    fact: f.WaveLanded
    at: float
    tips: dict[str, str]


Turn = f.WaveLanded | f.WaveRolledBack


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedWave:
    """`parts` are its landings since it was last taken out, or those that were taken out last.

    `history` is the journal up to the last of them, `turns` every time the wave landed or was taken out.
    """

    parts: tuple[Part, ...]
    history: tuple[Happened, ...]
    turns: tuple[tuple[float, Turn], ...]

    @property
    def last(self) -> f.WaveLanded:
        return self.parts[-1].fact

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for part in self.parts for name in part.fact.landed)

    @property
    def tips(self) -> dict[str, str]:
        return {name: tip for part in self.parts for name, tip in part.tips.items()}

    @property
    def is_out(self) -> bool:
        return isinstance(self.turns[-1][1], f.WaveRolledBack)


def find_landed(entries: Iterable[Entry], wave: int | None) -> LandedWave:
    """A wave's landings, or those of the wave that landed last.

    Raises:
        Refused: there is none.
    """
    history = tuple(Happened(datetime.fromisoformat(e.at).timestamp(), e.fact) for e in entries)
    landings = [i for i, one in enumerate(history) if _landed(one, wave)]
    if not landings:
        which = "no wave" if wave is None else f"wave {wave}"
        raise Refused(f"{which} has {'' if wave is None else 'not '}landed yet.", "orchestrator wave list")
    last = history[landings[-1]].fact
    assert isinstance(last, f.WaveLanded)
    turns = tuple((h.at, h.fact) for h in history if isinstance(h.fact, Turn) and h.fact.wave == last.wave)
    past = history[: landings[-1] + 1]
    return LandedWave(parts=_parts(past, turns), history=past, turns=turns)


def _landed(one: Happened, wave: int | None) -> bool:
    return isinstance(one.fact, f.WaveLanded) and wave in (None, one.fact.wave)


def _parts(past: Sequence[Happened], turns: Sequence[tuple[float, Turn]]) -> tuple[Part, ...]:
    parts: list[Part] = []
    out = False
    for at, fact in turns:
        if isinstance(fact, f.WaveRolledBack):
            out = True
            continue
        parts = [] if out else parts
        out = False
        parts.append(Part(fact=fact, at=at, tips=_tips(past, fact)))
    return tuple(parts)


def _tips(past: Sequence[Happened], landed: f.WaveLanded) -> dict[str, str]:
    begun = (h.fact for h in reversed(past) if isinstance(h.fact, f.LandingBegun))
    return next((fact.tips for fact in begun if fact.candidate == landed.base_after), {})


def landed_subject(repository: Git, plan: Plan, part: Part, landed: Collection[str] = ()) -> Subject:
    """As the plan has it now; what it no longer has, as far as the journal knows it."""
    fact, number = part.fact, WaveNumber(part.fact.wave)
    head = _last_merge(repository, fact)
    contained = [n for n, tip in part.tips.items() if git.is_ancestor(repository, tip, fact.base_before)]
    members = tuple(_member(plan, name, tip) for name, tip in part.tips.items())
    if number in plan.waves:
        subject = subject_of(
            plan,
            number,
            base=fact.base_before,
            head=head,
            tips=part.tips,
            contained=contained,
            landed=landed,
        )
        return replace(subject, base=fact.base, members=members)
    return Subject(
        project=plan.project,
        wave=number,
        goal="",
        base=fact.base,
        base_commit=fact.base_before,
        head=head,
        members=members,
        contained=tuple(contained),
    )


def _member(plan: Plan, name: str, tip: str) -> Member:
    found = next((w for w in plan.workstreams.values() if w.name == name), None)
    return member_of(found, tip) if found else Member(name=name, branch="", tip=tip)


def _last_merge(repository: Git, fact: f.WaveLanded) -> str:
    """Where the branches are merged and no document is written yet."""
    (last,) = git.log(repository, fact.base_after, limit=1)
    if last.id == fact.base_before or last.subject != commit_subject(fact.wave) or len(last.parents) != 1:
        return last.id
    return last.parents[0]


def landed_waves(entries: Iterable[Entry]) -> frozenset[int]:
    return frozenset(entry.fact.wave for entry in entries if isinstance(entry.fact, f.WaveLanded))
