"""The completion checklist of each branch, computed: no box is ticked by anybody's word but a reviewer's."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator import git
from orchestrator.checks.metrics import Measured
from orchestrator.core.plan import Plan, Workstream
from orchestrator.core.stages import Bound, parse_requirement, unmet
from orchestrator.core.state import Done, Merged, State
from orchestrator.desk import Desk
from orchestrator.enforcement.required import Roster
from orchestrator.enforcement.results import (
    CHECKPOINTS,
    METRICS,
    PICTURES,
    Results,
    are_asked,
    own_results,
    uncommitted,
)
from orchestrator.enforcement.verifying import BranchVerdict, verify_branches
from orchestrator.errors import CommandFailed
from orchestrator.git import Git
from orchestrator.hooks.forbidden import claimed_patterns, hits, is_judged

_NOT_DIVERGED = ("independence/not-diverged", "independence/no-own-commits", "independence/no-change")
_ALIKE = ("independence/identical", "clones/copied")
_NOTES = ("/not-read", "/not-followed", "checks/allowance", "checks/baseline")
_PATTERN = "components/forbidden-pattern"
_NO_ELAPSED = "elapsed_s"
_MOST_SAID = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """`ticked` is None for what is not asked of this branch. `evidence` says what was seen, or is missing."""

    name: str
    ticked: bool | None
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checklist:
    name: str
    branch: str
    commit: str | None
    boxes: tuple[Box, ...]

    @property
    def complete(self) -> bool:
        return all(box.ticked is not False for box in self.boxes)


def checklists(
    desk: Desk, roster: Roster, folder: Path, names: Collection[str] | None = None
) -> tuple[Checklist, ...]:
    """Blocks while the branches' gates run.

    Raises:
        HostUnreachable: a host does not answer.
    """
    verification = verify_branches(desk, roster, folder, names=names)
    base = git.resolve(desk.home.git, f"refs/heads/{roster.plan.base}")
    return tuple(_checklist(_Seen(desk, roster.plan, base, verdict)) for verdict in verification.branches)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A branch as it was verified, and what else is looked at."""

    desk: Desk
    plan: Plan
    base: str
    verdict: BranchVerdict

    @property
    def workstream(self) -> Workstream:
        return self.plan.workstream(self.verdict.name)

    @property
    def state(self) -> State:
        return self.desk.state

    @property
    def repository(self) -> Git:
        return self.desk.home.git

    def rules(self, *rules: str) -> list[str]:
        return [one.message for one in self.verdict.findings if one.rule in rules]


def _checklist(seen: _Seen) -> Checklist:
    verdict, tip = seen.verdict, seen.verdict.commit
    if verdict.landed:
        boxes: tuple[Box, ...] = (Box(name="landed", ticked=True, evidence=", ".join(verdict.notes)),)
    elif tip is None:
        boxes = (Box(name="diverged", ticked=False, evidence=f"there is no branch {verdict.branch}"),)
    else:
        boxes = tuple(_boxes(seen, tip))
    return Checklist(name=verdict.name, branch=verdict.branch, commit=tip, boxes=boxes)


def _boxes(seen: _Seen, tip: str) -> Iterator[Box]:
    results = own_results(seen.repository, seen.base, tip, seen.workstream)
    asked = are_asked(seen.repository, seen.base, seen.workstream, planned=True) or bool(results.files)
    yield _diverged(seen, tip)
    yield _components(seen)
    yield _verification(seen)
    yield _tdd(seen)
    yield from _trained(seen, results, asked=asked)
    yield _forbidden(seen, tip)
    yield _review(seen, tip)
    alike = seen.rules(*_ALIKE)
    yield _box("differs from its siblings", alike, "no sibling brings the same")


def _box(name: str, missing: Iterable[str], evidence: str) -> Box:
    said = list(missing)
    more = [f"and {len(said) - _MOST_SAID} more"] if len(said) > _MOST_SAID else []
    words = "; ".join([*said[:_MOST_SAID], *more])
    return Box(name=name, ticked=not said, evidence=words or evidence)


def _not_asked(name: str, why: str) -> Box:
    return Box(name=name, ticked=None, evidence=f"not asked: {why}")


def _diverged(seen: _Seen, tip: str) -> Box:
    count = git.commits_ahead(seen.repository, seen.base, tip)
    evidence = f"{count} commit{'s' if count != 1 else ''} that {seen.plan.base} lacks"
    return _box("diverged", seen.rules(*_NOT_DIVERGED), evidence)


def _components(seen: _Seen) -> Box:
    claimed = seen.workstream.components
    found = [f for f in seen.verdict.findings if f.gate == "components" or f.rule.startswith("components/")]
    missing = [
        f"{f.path}:{f.line}: {f.message}" if f.path else f.message for f in found if f.rule != _PATTERN
    ]
    if not claimed and not missing:
        return _not_asked("components present", "the plan claims none")
    return _box("components present", missing, f"{', '.join(claimed)}: defined and at work")


def _verification(seen: _Seen) -> Box:
    verdict = seen.verdict
    missing = [f"{one.rule}: {one.message}" for one in verdict.findings]
    missing += [one.sentence for one in verdict.gates if not one.ok]
    passed = ", ".join(one.gate for one in verdict.gates) or "no gate runs a command"
    excused = sum(not one.rule.endswith(_NOTES) for one in verdict.suppressed)
    more = f"; {excused} allowed with a reason" if excused else ""
    return _box("verification passes", missing, f"no finding{more}; {passed}")


def _tdd(seen: _Seen) -> Box:
    wanted = {gate.name for gate in seen.workstream.gates if gate.check == "tdd"}
    verdicts = [one for one in seen.verdict.gates if one.gate in wanted]
    if not wanted:
        return _not_asked("TDD evidence", "no gate of it is the check tdd")
    missing = [one.sentence for one in verdicts if not one.is_green]
    return _box("TDD evidence", missing, "RED and GREEN proved again")


def _trained(seen: _Seen, results: Results, *, asked: bool) -> Iterator[Box]:
    if not asked:
        why = "it claims no component, requires no metric and commits no results"
        for name in ("training done", "results committed", "metrics, pictures, checkpoint"):
            yield _not_asked(name, why)
        return
    measured = results.measured(seen.repository)
    yield _training(seen, measured)
    loose = [f"{path} is not committed" for path in _loose(seen)]
    none = [] if results.files else [f"nothing of its own in {seen.workstream.results}/"]
    where = f"{len(results.files)} file{'s' if len(results.files) != 1 else ''}, first {_first(results)}"
    yield _box("results committed", [*none, *loose], where)
    yield _evidence(seen, results, measured)


def _first(results: Results) -> str:
    return min((one.path for one in results.files), default="")


def _loose(seen: _Seen) -> list[str]:
    folder = seen.plan.worktree_here(seen.workstream)
    if folder is None or not Path(folder).is_dir():
        return []
    try:
        return list(uncommitted(Git(folder), seen.workstream))
    except CommandFailed:
        return []  # a folder of that name, but no worktree


def _training(seen: _Seen, measured: Measured | None) -> Box:
    """Done, says the journal; of a branch that was never launched from here its committed metrics say so."""
    name, record = "training done", seen.state.of(seen.workstream.name)
    if isinstance(record.phase, Done | Merged):
        return Box(name=name, ticked=True, evidence="done, as the journal has it")
    if record.launches:
        phase = type(record.phase).__name__.lower()
        return Box(
            name=name, ticked=False, evidence=f"it is {phase}: orchestrator status {seen.workstream.name}"
        )
    if measured is None:
        return Box(name=name, ticked=False, evidence="it was never started, and no metrics are committed")
    missing = list(_wanting(seen.workstream, measured))
    return _box(name, missing, f"not run from here; {measured.path} says what it came to")


def _wanting(workstream: Workstream, measured: Measured) -> Iterator[str]:
    name = measured.path.rpartition("/")[2]
    if len(workstream.stages) > 1 and name == METRICS[1]:
        yield f"there is only {name}, of the first stage; {METRICS[0]} is the last one's"
    texts = workstream.stages[-1].require if workstream.stages else ()
    rules = [parse_requirement(text) for text in texts]
    elapsed = measured.metrics.get(_NO_ELAPSED, math.nan)
    if math.isnan(elapsed):  # known to whoever ran it, who is not us
        rules = [rule for rule in rules if not (isinstance(rule, Bound) and rule.metric == _NO_ELAPSED)]
    yield from unmet(rules, measured.metrics, measured.history, elapsed)


def _evidence(seen: _Seen, results: Results, measured: Measured | None) -> Box:
    picture = results.with_ending(PICTURES)
    checkpoint = results.with_ending(CHECKPOINTS)
    beside = None if checkpoint is not None else _ignored_checkpoint(seen)
    missing = []
    if measured is None:
        missing.append("no metrics file with a number in it")
    if picture is None:
        missing.append("no picture")
    if checkpoint is None and beside is None:
        missing.append("no checkpoint")
    there = [measured.path if measured else "", picture.path if picture else ""]
    there.append(checkpoint.path if checkpoint else f"{beside} (ignored by git)")
    return _box("metrics, pictures, checkpoint", missing, ", ".join(there))


def _ignored_checkpoint(seen: _Seen) -> str | None:
    """Many are too large for git: one in the worktree counts where git was told to ignore it."""
    folder = seen.plan.worktree_here(seen.workstream)
    if folder is None or not Path(folder, ".git").exists():
        return None
    ignored = git.ignored_files(Git(folder), [seen.workstream.results])
    found = (path for path in ignored if path.endswith(CHECKPOINTS) and Path(folder, path).stat().st_size)
    return max(found, default=None)


def _forbidden(seen: _Seen, tip: str) -> Box:
    fork = git.merge_base(seen.repository, seen.base, tip) or seen.base
    patterns = claimed_patterns(
        seen.repository,
        seen.workstream.branch,
        seen.workstream.components,
        tree=tip,
        bases=(seen.base,),
        kept=seen.desk.home.state.root / "patterns-of-tips.json",
    )
    if not patterns:
        return _not_asked("no forbidden pattern", "its components forbid none")
    lines = [line for line in git.added_lines(seen.repository, fork, tip, ".") if is_judged(line.path)]
    missing = dict.fromkeys([*(hit.words() for hit in hits(patterns, lines))])
    found = [f"{f.path}:{f.line}: {f.message}" for f in seen.verdict.findings if f.rule == _PATTERN]
    return _box(
        "no forbidden pattern", missing or found, f"{len(patterns)} patterns, {len(lines)} added lines"
    )


def _review(seen: _Seen, tip: str) -> Box:
    name, approvals = "reviewed by a person", seen.state.of(seen.workstream.name).approvals
    tree = git.tree_of(seen.repository, tip)
    valid = [one for one in approvals if one.tree == tree]
    if valid:
        return Box(name=name, ticked=True, evidence=f"{valid[-1].by} approved it at {valid[-1].commit[:10]}")
    if approvals:
        last = approvals[-1]
        words = f"{last.by} approved {last.commit[:10]}; its files have changed since"
    else:
        words = "nobody has approved it"
    return Box(name=name, ticked=False, evidence=f"{words}: orchestrator approve {seen.workstream.name}")
