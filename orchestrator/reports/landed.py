"""Which landing a report is about, and what plan and journal say of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
class LandedWave:
    """`history` is the journal up to the landing, `at` its time of day in seconds since the epoch."""

    fact: f.WaveLanded
    at: float
    tips: dict[str, str]
    history: tuple[Happened, ...]


def find_landed(entries: Iterable[Entry], wave: int | None) -> LandedWave:
    """The last landing of a wave, or of any.

    Raises:
        Refused: there is none.
    """
    history = tuple(Happened(datetime.fromisoformat(e.at).timestamp(), e.fact) for e in entries)
    for i in range(len(history) - 1, -1, -1):
        fact = history[i].fact
        if isinstance(fact, f.WaveLanded) and wave in (None, fact.wave):
            past = history[: i + 1]
            return LandedWave(fact=fact, at=history[i].at, tips=_tips(past, fact), history=past)
    which = "no wave" if wave is None else f"wave {wave}"
    raise Refused(f"{which} has {'' if wave is None else 'not '}landed yet.", "orchestrator wave list")


def _tips(past: Sequence[Happened], landed: f.WaveLanded) -> dict[str, str]:
    begun = (h.fact for h in reversed(past) if isinstance(h.fact, f.LandingBegun))
    return next((fact.tips for fact in begun if fact.candidate == landed.base_after), {})


def landed_subject(repository: Git, plan: Plan, landed: LandedWave) -> Subject:
    """As the plan has it now; what it no longer has, as far as the journal knows it."""
    fact, number = landed.fact, WaveNumber(landed.fact.wave)
    head = _last_merge(repository, fact)
    contained = [n for n, tip in landed.tips.items() if git.is_ancestor(repository, tip, fact.base_before)]
    members = tuple(_member(plan, name, tip) for name, tip in landed.tips.items())
    if number in plan.waves:
        subject = subject_of(
            plan, number, base=fact.base_before, head=head, tips=landed.tips, contained=contained
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
