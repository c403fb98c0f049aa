"""Who makes a wave's gates red: which part to run next, and in the end what the runs prove.

Pure: `next_step` replays the runs so far. One red is no proof: who is accused was red twice, not
counting the red that drew the search there. A part that was green once is green, its reds were flakes.

The search goes up from a green part to a red one by halves, and finds a member that makes the
difference. That member alone (with what it needs) red twice is a culprit; alone green, it interacts
with others, which are found the same way. Then the rest is tried, until it is green.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from orchestrator.core.membership import Members, Part

T = TypeVar("T")

ENOUGH = 2
"""As many reds of one part are no flake."""

PATIENCE = 2
"""As many runs of one part may come to no verdict one after the other."""

FEW = 4
"""Up to so many members, all but one of them is tried first: that may be what lands, too."""


class Outcome(Enum):
    """What a run of a part's gates came to. `UNBUILDABLE`: the part conflicts without the others."""

    GREEN = "green"
    RED = "red"
    INFRASTRUCTURE = "infrastructure"
    UNBUILDABLE = "unbuildable"


class Purpose(Enum):
    WHOLE = "whole"
    REPEAT = "repeat"
    SEARCH = "search"
    ACCUSED = "accused"
    REST = "rest"
    BASE = "base"

    @property
    def confirms(self) -> bool:
        """Asked to be sure, not to find out."""
        return self in (Purpose.REPEAT, Purpose.ACCUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Run the gates of `members`. `again`: it was run before, and only a new run counts."""

    members: tuple[str, ...]
    purpose: Purpose
    again: bool = False


# --- verdicts -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """Red each time with what it needs and nothing else."""

    name: str

    @property
    def members(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def left_out(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """Red each time together, though each is green alone; without `left_out` the others may land."""

    members: tuple[str, ...]
    left_out: str


Cause = Culprit | Interaction


@dataclass(frozen=True, slots=True, kw_only=True)
class AllGood:
    """Green at the first run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaky:
    """The whole was red once, and green when it was repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprits:
    """All causes, and the part that is green without them; empty when nothing is left."""

    causes: tuple[Cause, ...]
    proven: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRed:
    """Red without any of the members, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Infrastructure:
    """The gates of `members` came to no verdict; `causes` were proved before that."""

    members: tuple[str, ...]
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inconclusive:
    """The reds could not be reproduced or told apart; `causes` were proved before that."""

    why: str
    causes: tuple[Cause, ...] = ()


Verdict = AllGood | Flaky | Culprits | BaseRed | Infrastructure | Inconclusive


# --- the search -----------------------------------------------------------------------------------


def next_step(members: Members, outcomes: Sequence[Outcome]) -> Ask | Verdict:
    """What to run next, after the outcomes of all it asked for before; in the end, the verdict."""
    search = _Search(members).verdict()
    try:
        step = next(search)
        for outcome in outcomes:
            step = search.send(outcome)
    except StopIteration as end:
        verdict: Verdict = end.value
        return verdict
    return step


def search(members: Members, run: Callable[[Ask], Outcome]) -> Verdict:
    """Run whatever is asked for, to the end."""
    outcomes: list[Outcome] = []
    while isinstance(step := next_step(members, outcomes), Ask):
        outcomes.append(run(step))
    return step


def most_runs(count: int) -> int:
    """The search gives up after so many runs of `count` members: two bisections for each, and proof."""
    return 10 + count * (2 * count.bit_length() + 8)


Steps = Generator[Ask, Outcome, T]


class _Over(Exception):
    """Ends the search with what it could not find out."""

    def __init__(self, verdict: Infrastructure | Inconclusive) -> None:
        self.verdict = verdict


class _Search:
    """`seen` holds every outcome of each part, `accused` parts that were first run to prove them red."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._order = members.needs_first()
        self._seen: dict[Part, list[Outcome]] = {}
        self._accused: set[Part] = set()
        self._causes: list[Cause] = []
        self._left = most_runs(len(self._order))

    def verdict(self) -> Steps[Verdict]:
        try:
            return (yield from self._verdict())
        except _Over as over:
            return over.verdict

    def _verdict(self) -> Steps[Verdict]:
        rest: Part = frozenset(self._order)
        if (yield from self._run(rest, Purpose.WHOLE)) is Outcome.GREEN:
            return AllGood()
        if not (yield from self._stays_red(rest, Purpose.WHOLE)):
            return Flaky()
        while rest:
            cause = yield from self._cause(rest)
            self._causes.append(cause)
            rest = rest - self._members.with_dependents([cause.left_out])
            if rest and not (yield from self._stays_red(rest, Purpose.REST)):
                break
            if not self._greens() and (yield from self._stays_red(frozenset(), Purpose.BASE)):
                return BaseRed()
        return Culprits(causes=tuple(self._causes), proven=self._members.in_order(rest))

    def _cause(self, whole: Part) -> Steps[Cause]:
        """One cause within a part that is red each time."""
        low = yield from self._start(whole)
        while True:
            below, accused = yield from self._step_up(low, whole)
            alone = self._members.with_needs([accused])
            if (yield from self._is_proved_red(alone)):
                return Culprit(name=accused)
            low = below | {accused}
            if (yield from self._is_proved_red(low)):
                return (yield from self._interaction(accused, low, whole))
            if low == whole:
                raise self._inconclusive("what was red twice was green when it was repeated once more")

    def _start(self, whole: Part) -> Steps[Part]:
        """A green part to go up from, the largest known; without one, base alone, which is not run."""
        if len(self._order) <= FEW and len(whole) == len(self._order):
            for name in reversed(self._order):
                part = whole - self._members.with_dependents([name])
                if part and (yield from self._look(part)) is Outcome.GREEN:
                    return part
        return max((part for part in self._greens() if part < whole), key=len, default=frozenset())

    def _step_up(self, low: Part, high: Part) -> Steps[tuple[Part, str]]:
        """By halves: a green part between the two, and the member that makes it red."""
        added = [name for name in self._order if name in high - low]
        green, red = 0, len(added)
        while red - green > 1:
            for middle in _from_the_middle(green, red):
                outcome = yield from self._look(low.union(added[:middle]))
                if outcome is not Outcome.UNBUILDABLE:
                    break
            else:
                raise self._inconclusive(f"{_listed(added[green:red])} do not merge one without the other")
            green, red = (middle, red) if outcome is Outcome.GREEN else (green, middle)
        return low.union(added[:green]), added[green]

    def _interaction(self, accused: str, top: Part, whole: Part) -> Steps[Cause]:
        """Whom a member that is green alone is red with; `top`, which has it, is red each time."""
        named = [accused]
        core = low = self._members.with_needs([accused])
        while True:
            below, partner = yield from self._step_up(low, top)
            wider = core | self._members.with_needs([partner])
            if (yield from self._is_proved_red(wider)):
                return (yield from self._told_apart([*named, partner], whole))
            low = below | {partner}
            if (yield from self._is_proved_red(low)):
                named, core, top, low = [*named, partner], wider, low, wider
            elif low == top:
                raise self._inconclusive("what was red twice was green when it was repeated once more")

    def _told_apart(self, named: list[str], whole: Part) -> Steps[Cause]:
        """The interaction, once each of it was seen green without the others."""
        for name in named:
            if (yield from self._is_proved_red(self._members.with_needs([name]))):
                raise self._inconclusive(f"{name} is red alone, and was green together with others")
        members = self._members.in_order(named)
        return Interaction(members=members, left_out=min(members, key=lambda name: self._loss(name, whole)))

    def _loss(self, name: str, whole: Part) -> tuple[int, int]:
        """How much cannot land without it; of equals, the one that comes later goes."""
        return len(self._members.with_dependents([name]) & whole), -self._order.index(name)

    # --- single runs ------------------------------------------------------------------------------

    def _stays_red(self, part: Part, purpose: Purpose) -> Steps[bool]:
        """Whether it is red when it is repeated, too."""
        if part not in self._seen:
            yield from self._run(part, purpose)
        return (yield from self._is_red(part, ENOUGH, Purpose.REPEAT))

    def _is_proved_red(self, part: Part) -> Steps[bool]:
        """Red often enough to accuse. A red that drew the search there does not count: it may be why."""
        drawn = 1 if part in self._seen and part not in self._accused else 0
        self._accused.update({part} - self._seen.keys())
        return (yield from self._is_red(part, ENOUGH + drawn, Purpose.ACCUSED))

    def _is_red(self, part: Part, times: int, purpose: Purpose) -> Steps[bool]:
        """Whether it is red so many times; one green ends that."""
        while True:
            outcomes = self._seen.get(part, [])
            if Outcome.UNBUILDABLE in outcomes:
                names = _listed(self._members.in_order(part))
                raise self._inconclusive(f"without the others there is a conflict in merging {names}")
            if Outcome.GREEN in outcomes or len(outcomes) >= times:
                return Outcome.GREEN not in outcomes
            yield from self._run(part, purpose)

    def _look(self, part: Part) -> Steps[Outcome]:
        """What is known of it; run when nothing is."""
        if part not in self._seen:
            yield from self._run(part, Purpose.SEARCH)
        outcomes = self._seen[part]
        return Outcome.GREEN if Outcome.GREEN in outcomes else outcomes[-1]

    def _run(self, part: Part, purpose: Purpose) -> Steps[Outcome]:
        members = self._members.in_order(part)
        for _ in range(PATIENCE):
            if self._left == 0:
                raise self._inconclusive("too many runs, and no end of it")
            self._left -= 1
            outcome = yield Ask(members=members, purpose=purpose, again=part in self._seen)
            if outcome is not Outcome.INFRASTRUCTURE:
                self._seen.setdefault(part, []).append(outcome)
                return outcome
        raise _Over(Infrastructure(members=members, causes=tuple(self._causes)))

    def _greens(self) -> list[Part]:
        return [part for part, outcomes in self._seen.items() if Outcome.GREEN in outcomes]

    def _inconclusive(self, why: str) -> _Over:
        return _Over(Inconclusive(why=why, causes=tuple(self._causes)))


def _from_the_middle(low: int, high: int) -> list[int]:
    """The numbers between the two, the middle one first."""
    return sorted(range(low + 1, high), key=lambda number: abs(2 * number - low - high))


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "base"
