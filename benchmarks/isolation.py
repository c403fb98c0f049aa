"""How many runs of a wave's gates it takes to find what makes them red: simulated, and seeded."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from statistics import mean

from benchmarks.measuring import Figure
from orchestrator.core.isolation import Ask, Outcome, search
from orchestrator.core.membership import Members, Part

SEED = 20
WAVES = {3: 600, 8: 1000, 50: 150}
"""How many waves of a size are drawn for one run of the benchmark."""

GOOD_WAVES = 20_000
FLAKY = 0.05
"""The share of runs that are red for no reason."""

Red = Callable[[Part], bool]
Search = Callable[[Sequence[str], Red], int]


def measure(runs: int) -> Iterator[Figure]:
    """`runs` multiplies the number of waves drawn; the figures are means over all of them."""
    for count, culprits, limit in ((3, 1, None), (8, 1, 5.0), (50, 1, 8.0), (50, 3, 22.0)):
        yield from _isolating(count, culprits, limit, WAVES[count] * runs)
    flaky = f"{FLAKY:.0%} of runs flaky"
    for count in (3, 8):
        yield Figure(
            what=f"{flaky}: good waves of {count} that accuse anybody; baseline: the first red is believed",
            ours=_accusing(count, 0, GOOD_WAVES * runs),
            unit="%",
            baseline=_share(FLAKY, GOOD_WAVES * runs),
            limit=0.1,
        )
    wrong = _accusing(8, 1, WAVES[8] * runs)
    yield Figure(
        what=f"{flaky}: waves of 8 with one culprit that accuse another", ours=wrong, unit="%", limit=0.6
    )


def _isolating(count: int, culprits: int, limit: float | None, waves: int) -> Iterator[Figure]:
    names = [f"w{number}" for number in range(count)]
    dice = random.Random(SEED)
    drawn = [frozenset(dice.sample(names, culprits)) for _ in range(waves)]
    searches, confirmations = zip(*(_ours(names, guilty) for guilty in drawn), strict=True)
    which = f"{culprits} of {count}"
    for title, baseline in (("one by one", one_by_one), ("halving", halving)):
        theirs = mean(baseline(names, _red_with(guilty)) for guilty in drawn)
        yield Figure(
            what=f"{which}: runs to find; baseline: {title}",
            ours=mean(searches),
            unit="runs",
            baseline=theirs,
            limit=limit,
        )
    yield Figure(
        what=f"{which}: runs to confirm, at most",
        ours=max(confirmations),
        unit="runs",
        limit=3 * culprits,
    )


def _red_with(guilty: Part) -> Red:
    return lambda part: bool(part & guilty)


def _ours(names: Sequence[str], guilty: Part) -> tuple[int, int]:
    """Runs to find, and runs to confirm."""
    asked, accused = _searched(names, _red_with(guilty))
    assert accused == guilty
    confirmations = sum(ask.purpose.confirms for ask in asked)
    return len(asked) - confirmations, confirmations


def _searched(names: Sequence[str], red: Red) -> tuple[list[Ask], frozenset[str]]:
    """Every run of an isolation to its end, and who is accused."""
    asked: list[Ask] = []

    def run(ask: Ask) -> Outcome:
        asked.append(ask)
        return Outcome.RED if red(frozenset(ask.members)) else Outcome.GREEN

    verdict = search(Members(names=tuple(names)), run)
    return asked, frozenset(name for cause in getattr(verdict, "causes", ()) for name in cause.members)


def _accusing(count: int, culprits: int, waves: int) -> float:
    """The share of waves, in percent, that accuse somebody innocent where runs are flaky."""
    dice = random.Random(SEED)
    names = [f"w{number}" for number in range(count)]
    wrong = 0
    for _ in range(waves):
        guilty = frozenset(dice.sample(names, culprits))
        _, accused = _searched(names, _flaky(_red_with(guilty), dice))
        wrong += bool(accused - guilty)
    return 100 * wrong / waves


def _flaky(red: Red, dice: random.Random) -> Red:
    return lambda part: red(part) or dice.random() < FLAKY


def _share(chance: float, waves: int) -> float:
    dice = random.Random(SEED)
    return 100 * sum(dice.random() < chance for _ in range(waves)) / waves


# --- what others do -------------------------------------------------------------------------------


def one_by_one(names: Sequence[str], red: Red) -> int:
    """Each on top of those that were green before it."""
    good: list[str] = []
    for name in names:
        if not red(frozenset([*good, name])):
            good.append(name)
    return len(names)


def halving(names: Sequence[str], red: Red) -> int:
    """A red batch is halved, each half tried on top of what was green (bors); no part is run twice."""
    landed: list[str] = []
    batches, tried = [list(names)], set[Part]()
    while batches:
        batch = batches.pop(0)
        part = frozenset([*landed, *batch])
        tried.add(part)
        if not red(part):
            landed += batch
        elif len(batch) > 1:
            middle = len(batch) // 2
            batches[:0] = [batch[:middle], batch[middle:]]
    return len(tried)
