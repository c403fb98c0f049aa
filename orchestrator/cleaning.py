"""`clean`: after a landing, its worktrees, sessions and branches are taken away, and no work with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from orchestrator import git
from orchestrator.agent import gates
from orchestrator.codec import plain_fields
from orchestrator.core.facts import CleaningAsked, CleaningRefused, WorkstreamCleaned
from orchestrator.core.plan import LOCAL, Workstream
from orchestrator.core.state import Merged
from orchestrator.desk import Desk
from orchestrator.errors import HostUnreachable, OrchestratorError, Refused
from orchestrator.gates.jobs import checkouts_of, wave_checkout
from orchestrator.land.recovery import landing_lock
from orchestrator.tips import read_tips, tip_refs
from orchestrator.wire import Cleaned, CleanWorkstream

CLEAN_DEADLINE_S = 3600.0
"""Every kept file is read once for its checksum, and copied where `kept/` is on another file system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningOutcome:
    """`outcome`: `cleaned`, `cleanable` (a dry run), `clean` (nothing was left), `refused`, `unreachable`."""

    name: str
    host: str
    outcome: str
    commit: str | None = None
    found: Cleaned = field(default_factory=Cleaned)

    def document(self) -> dict[str, Any]:
        head = {"name": self.name, "host": self.host, "outcome": self.outcome, "commit": self.commit}
        return {**head, **plain_fields(self.found)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningReport:
    """`waves` are those whose own checkout for gates goes, since nothing else is left of them."""

    outcomes: tuple[CleaningOutcome, ...]
    waves: tuple[int, ...] = ()
    dry_run: bool = False

    def document(self) -> dict[str, Any]:
        return {
            "ok": not any(one.outcome in ("refused", "unreachable") for one in self.outcomes),
            "dry_run": self.dry_run,
            "waves": list(self.waves),
            "workstreams": [one.document() for one in self.outcomes],
        }


def clean(desk: Desk, names: Sequence[str] = (), *, by: str = "", dry_run: bool = False) -> CleaningReport:
    """Take away what landed workstreams left; all of them, or those named. One stands for itself alone.

    Raises:
        Refused: a landing is under way.
    """
    if dry_run:
        would = tuple(_each(desk, names, dry_run=True))
        return CleaningReport(outcomes=would, waves=tuple(_emptied(desk, would)), dry_run=True)
    with landing_lock(desk.home):
        desk.record(CleaningAsked(workstreams=tuple(names), by=by))
        outcomes = []
        for outcome in _each(desk, names, dry_run=False):
            desk.record(*_facts(desk, outcome))
            outcomes.append(outcome)
        emptied = tuple(n for n in _emptied(desk, outcomes) if _remove_checkout(desk, n))
    return CleaningReport(outcomes=tuple(outcomes), waves=emptied)


def _each(desk: Desk, names: Sequence[str], *, dry_run: bool) -> Iterator[CleaningOutcome]:
    for workstream in desk.plan.workstreams.values():
        landed = isinstance(desk.state.of(workstream.name).phase, Merged)
        if workstream.name not in names if names else not landed:
            continue
        if not dry_run:
            desk.require_asker()
        try:
            yield _clean(desk, workstream, dry_run=dry_run)
        except HostUnreachable as error:
            yield _refused(workstream, [error.message], outcome="unreachable")
        except OrchestratorError as error:
            yield _refused(workstream, [error.message])


def _emptied(desk: Desk, outcomes: Sequence[CleaningOutcome]) -> Iterator[int]:
    """Waves with a checkout for gates, of which no workstream has anything left."""
    gone = {one.name for one in outcomes if one.outcome in ("cleaned", "cleanable", "clean")}
    gone |= {name for name in desk.plan.workstreams if desk.state.of(name).cleaned}
    place = desk.site(LOCAL).place
    for number, wave in desk.plan.waves.items():
        made = any(gates.is_checkout(place, name) for name in _checkouts(number))
        if gone.issuperset(wave.workstreams) and made:
            yield number


def _remove_checkout(desk: Desk, number: int) -> bool:
    removed = []
    for name in _checkouts(number):
        with suppress(Refused):  # its gates run just now: the next clean takes it
            removed.append(gates.remove_checkout(desk.site(LOCAL).place, name))
    return any(removed)


def _checkouts(number: int) -> list[str]:
    return checkouts_of(wave_checkout(number), is_wave=True)


def _clean(desk: Desk, workstream: Workstream, *, dry_run: bool) -> CleaningOutcome:
    if not isinstance(desk.state.of(workstream.name).phase, Merged):
        return _refused(workstream, [f"wave {workstream.wave} has not landed with it"])
    tip = read_tips(desk, [workstream.name]).get(workstream.name)
    unmerged = [] if tip is None else _unmerged(desk, workstream, tip)
    if unmerged:
        return _refused(workstream, unmerged, commit=tip)
    site = desk.site(workstream.host)
    record = desk.state.of(workstream.name)
    request = CleanWorkstream(
        place=site.place,
        tmux_socket=desk.plan.tmux_socket,
        workstream=workstream.name,
        session=desk.plan.session(workstream.name),
        launch=record.launch.id if record.launch else None,
        path=record.worktree or site.worktree_path(workstream),
        branch=workstream.branch,
        tip=tip,
        results=workstream.results,
        copied=workstream.copy,
        dry_run=dry_run,
    )
    found: Cleaned = site.call(request, deadline_s=CLEAN_DEADLINE_S)
    if found.reasons:
        return _outcome(workstream, "refused", tip, found)
    if not dry_run and tip is not None:
        _forget_here(desk, workstream, tip)
    word = "clean" if not _has_left_anything(found) else "cleanable" if dry_run else "cleaned"
    return _outcome(workstream, word, tip, found)


def _unmerged(desk: Desk, workstream: Workstream, tip: str) -> list[str]:
    base = git.resolve(desk.home.git, f"refs/heads/{desk.plan.base}")
    if git.is_ancestor(desk.home.git, tip, base):
        return []
    count = git.commits_ahead(desk.home.git, base, tip)
    commits = "commit is" if count == 1 else "commits are"
    return [f"{count} {commits} not in {desk.plan.base}: git log {desk.plan.base}..{tip[:12]}"]


def _has_left_anything(found: Cleaned) -> bool:
    """Whether there was anything to take away."""
    return any((found.worktree, found.branch, found.session, found.gate_checkout, found.ports, found.kept))


def _forget_here(desk: Desk, workstream: Workstream, tip: str) -> None:
    """What this repository knows of a branch on another host; a local one that went on is left alone."""
    if workstream.host == LOCAL:
        return
    repository = desk.home.git
    checked_out = {worktree.branch for worktree in git.list_worktrees(repository)}
    there = git.refs(repository, *tip_refs(workstream))
    gone = [git.Delete(ref, tip) for ref, commit in there.items() if commit == tip]
    if workstream.branch in checked_out:
        gone = [deletion for deletion in gone if not deletion.ref.startswith("refs/heads/")]
    with suppress(git.RefsNotMoved):  # somebody moved one just now: it is theirs
        git.update_refs(repository, gone, "orchestrator: clean")


def _refused(
    workstream: Workstream, reasons: Sequence[str], *, commit: str | None = None, outcome: str = "refused"
) -> CleaningOutcome:
    return _outcome(workstream, outcome, commit, Cleaned(reasons=tuple(reasons)))


def _outcome(workstream: Workstream, word: str, commit: str | None, found: Cleaned) -> CleaningOutcome:
    return CleaningOutcome(
        name=workstream.name, host=workstream.host, outcome=word, commit=commit, found=found
    )


def _facts(desk: Desk, outcome: CleaningOutcome) -> tuple[WorkstreamCleaned | CleaningRefused, ...]:
    found = outcome.found
    if found.reasons:
        return (CleaningRefused(workstream=outcome.name, reasons=found.reasons),)
    if outcome.outcome == "clean" and desk.state.of(outcome.name).cleaned:
        return ()
    cleaned = WorkstreamCleaned(
        workstream=outcome.name,
        branch=desk.plan.workstream(outcome.name).branch,
        tip=outcome.commit,
        worktree=found.worktree,
        kept=found.kept,
        kept_bytes=found.kept_bytes,
        trash=found.trash,
    )
    return (cleaned,)
