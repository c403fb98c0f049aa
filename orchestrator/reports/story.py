"""What happened to a wave, in words: who asked, what was seen, what each gate said, which refs moved."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from orchestrator.core import facts as f
from orchestrator.core.facts import Fact


def concerns(fact: Fact, wave: int, workstreams: Collection[str]) -> bool:
    """Whether a fact belongs to the story of a wave; `workstreams` are its own."""
    number = getattr(fact, "wave", None)
    if number is not None:
        return bool(number == wave)
    named = {getattr(fact, "workstream", None), *getattr(fact, "workstreams", ())}
    return not named.isdisjoint(workstreams)


def wave_of(fact: Fact) -> dict[str, int]:
    """The workstreams whose wave a fact tells."""
    match fact:
        case f.GateFinished(workstream=str(name)):
            return {name: fact.wave}
        case f.WaveProposed() | f.LandingBegun():
            return dict.fromkeys(fact.tips, fact.wave)
        case f.WaveLanded():
            return dict.fromkeys(fact.landed, fact.wave)
    return {}


def in_words(fact: Fact) -> str | None:
    """One line; None for a fact that its own fields tell well enough."""
    match fact:
        case f.LandingAsked():
            return f"{fact.by} asked to land it"
        case f.WaveProposed():
            return "; ".join(_seen(fact))
        case f.GateFinished():
            return _gate(fact)
        case f.LandingBegun():
            return f"begins to move {'; '.join(_move(step) for step in moves(fact))}"
        case f.WaveLanded():
            base = f.RefStep(ref=f"refs/heads/{fact.base}", old=fact.base_before, new=fact.base_after)
            return f"landed {' '.join(fact.landed)}: {_move(base)}; tag {fact.tag}"
        case f.LandingRefused():
            return f"not landed: {'; '.join(fact.reasons)}"
        case f.LandingUndone():
            base = f.RefStep(ref=f"refs/heads/{fact.base}", old=fact.candidate, new=fact.base_before)
            return f"undone: {'; '.join(fact.reasons)}; {_move(base)}"
        case f.WavePushed():
            return f"pushed {_short(fact.commit)} and the tag {fact.tag} to {fact.remote}"
        case f.WavePushRefused():
            return f"{fact.remote} did not take {_short(fact.commit)} ({fact.cause}): {fact.reason}"
        case f.BranchPushed():
            return f"pushed {_short(fact.commit)} to {fact.remote}"
        case f.PushRefused():
            return f"{fact.remote} refused {_short(fact.commit)}: {fact.reason}"
    return None


def moves(begun: f.LandingBegun) -> tuple[f.RefStep, ...]:
    """Every ref that a landing moves, base last; of old journals the tag and base."""
    tag = f.RefStep(ref=f"refs/tags/{begun.tag}", old=None, new=begun.tag_object)
    base = f.RefStep(ref=f"refs/heads/{begun.base}", old=begun.base_before, new=begun.candidate)
    return (*(begun.refs or (tag,)), base)


def _seen(fact: f.WaveProposed) -> Iterator[str]:
    tips = (f"{name} at {_short(tip)}" for name, tip in fact.tips.items())
    yield f"saw {', '.join([f'{fact.base} at {_short(fact.base_before)}', *tips])}"
    if fact.generated:
        yield f"would write {' '.join(fact.generated)}"
    yield from fact.conflicts


def _gate(fact: f.GateFinished) -> str:
    took = "cached" if fact.cached else f"{fact.seconds:.1f} s"
    verdict = f"{fact.gate} on {_short(fact.commit)}: {'green' if fact.ok else 'red'} ({took})"
    why = fact.message.partition("\n")[0]
    log = f"; log {fact.log}" if fact.log and not fact.ok else ""
    return verdict + (f": {why}" if why and not fact.ok else "") + log


def _move(step: f.RefStep) -> str:
    if step.old is None:
        return f"{step.ref} made at {_short(step.new)}"
    if step.new is None:
        return f"{step.ref} deleted, was {_short(step.old)}"
    return f"{step.ref} {_short(step.old)} → {_short(step.new)}"


def _short(commit: str | None) -> str:
    return (commit or "-")[:12]
