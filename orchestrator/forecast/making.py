"""A whole forecast: read the branches once, then answer everything about them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

from orchestrator import git
from orchestrator.core.merge_order import MergeStep, suggest_order
from orchestrator.core.plan import Plan, WaveNumber
from orchestrator.core.state import State
from orchestrator.desk import Desk
from orchestrator.forecast.branches import Reach, Reading, read_branches
from orchestrator.forecast.cache import ForecastCache
from orchestrator.forecast.folds import fold_waves, with_case_folds
from orchestrator.forecast.model import Branch, FileClash, Forecast, Pair
from orchestrator.forecast.overlaps import (
    case_folds,
    case_folds_with_base,
    find_overlaps,
    read_changes,
)
from orchestrator.forecast.pairs import Verdict, Verdicts, in_order
from orchestrator.git import Git

Names = tuple[str, str]
CaseFolds = Mapping[Names, tuple[FileClash, ...]]


def make_forecast(desk: Desk, reach: Reach = lambda host: True) -> Forecast:
    """Every two planned branches, each against base, each wave: what would conflict, were it merged now.

    Uncommitted work counts. Blocks while hosts answer and git works; no ref, worktree or index is
    touched, and no object is left behind. Hosts that `reach` denies are not asked.

    Raises:
        CommandFailed: base does not exist, or git cannot work.
    """
    base = git.resolve(desk.home.git, f"refs/heads/{desk.plan.base}")
    out = {number for number in desk.plan.waves if _is_taken_out(desk.state, number)}
    cache = ForecastCache(desk.home.state.forecast)
    with git.quarantine(desk.home.common_dir) as quarantine:
        reading = read_branches(desk, quarantine, base, cache, reach)
        reading.notes += [_comes_back(number, desk.plan.base) for number in sorted(out)]
        return _forecast(desk, quarantine, base, cache, reading, out)


def _is_taken_out(state: State, wave: int) -> bool:
    """By a commit: base holds the branches, and what undoes them. Merging them says nothing then."""
    taken_out = state.wave(wave).rolled_back
    return taken_out is not None and taken_out.form == "commit"


def _comes_back(wave: int, base: str) -> str:
    return f"wave {wave} was rolled back; whether it fits {base} again says: orchestrator wave check {wave}"


@dataclass(frozen=True, slots=True)
class _Merges:
    """What merging two gives, by names."""

    pairs: tuple[Pair, ...]
    against_base: tuple[Pair, ...]

    def clashing(self) -> dict[Names, set[str]]:
        return {(pair.a, pair.b): {file.path for file in pair.files} for pair in self.pairs}


def _forecast(
    desk: Desk,
    quarantine: Git,
    base: str,
    cache: ForecastCache,
    reading: Reading,
    out: Collection[WaveNumber],
) -> Forecast:
    plan, branches = desk.plan, reading.branches
    changes = read_changes(quarantine, branches, cache)
    cases, base_cases = case_folds(changes), case_folds_with_base(quarantine, base, changes, cache)
    verdicts = Verdicts(quarantine, str(desk.home.common_dir), base, cache)
    open_ones = [branch for branch in branches if branch.wave not in out]
    # Folding is one short process after another: it fits beside the long one that merges the pairs.
    with ThreadPoolExecutor(1, thread_name_prefix="folds") as beside:
        folding = beside.submit(fold_waves, quarantine, plan, base, verdicts.rules, open_ones, cache)
        merges = _merges(plan, base, branches, verdicts, cases, base_cases, out)
        overlaps = find_overlaps(quarantine, changes, merges.clashing(), cache)
        folds = folding.result()
    return Forecast(
        base=plan.base,
        base_commit=base,
        branches=tuple(branches),
        pairs=merges.pairs,
        against_base=merges.against_base,
        waves=with_case_folds(plan, folds, cases, base_cases),
        overlaps=overlaps,
        order=_order(plan, branches, merges),
        left_out=tuple(reading.left_out),
        notes=tuple(reading.notes),
        computed=verdicts.computed,
        reused=verdicts.reused,
    )


def _merges(
    plan: Plan,
    base: str,
    branches: Sequence[Branch],
    verdicts: Verdicts,
    cases: CaseFolds,
    base_cases: Mapping[str, tuple[FileClash, ...]],
    out: Collection[WaveNumber],
) -> _Merges:
    live = [branch for branch in branches if not branch.contained]
    wanted = {in_order(a.commit, b.commit) for a, b in combinations(live, 2)}
    wanted |= {in_order(base, branch.commit) for branch in live if branch.wave not in out}
    # Two names for one commit merge without git, and base's own commit is contained.
    found = verdicts.of(pair for pair in wanted if pair[0] != pair[1])
    return _Merges(
        pairs=tuple(
            _pair(a.name, b.name, (a.commit, b.commit), found, cases.get((a.name, b.name), ()))
            if not (a.contained or b.contained)
            else Pair(a=a.name, b=b.name)  # one of them has nothing to merge
            for a, b in combinations(branches, 2)
        ),
        against_base=tuple(
            _pair(b.name, plan.base, (b.commit, base), found, base_cases.get(b.name, ()))
            if b.wave not in out
            else Pair(a=b.name, b=plan.base)
            for b in branches
        ),
    )


def _pair(
    a: str, b: str, commits: Names, found: Mapping[Names, Verdict], cases: tuple[FileClash, ...]
) -> Pair:
    reason, files = found.get(in_order(*commits), ("", ()))
    turned = files if commits == in_order(*commits) else tuple(file.turned() for file in files)
    return Pair(a=a, b=b, files=(*turned, *cases), reason=reason)


def _order(plan: Plan, branches: Sequence[Branch], merges: _Merges) -> tuple[MergeStep, ...]:
    live = [branch for branch in branches if not branch.contained]
    waves = [[b.name for b in live if b.wave == number] for number in plan.waves]
    conflicts = [(pair.a, pair.b) for pair in merges.pairs if pair.conflict]
    late = {pair.a for pair in merges.against_base if pair.conflict}
    return suggest_order(waves, conflicts, late, plan.base)
