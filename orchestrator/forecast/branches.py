"""The branches a forecast is made of: where they stand, and what is uncommitted in their worktrees."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator import git
from orchestrator.agent.uncommitted import take_uncommitted
from orchestrator.core.plan import LOCAL, HostName, Workstream
from orchestrator.desk import Desk
from orchestrator.errors import CommandFailed, HostUnreachable, OrchestratorError
from orchestrator.forecast.cache import ForecastCache
from orchestrator.forecast.model import Branch, LeftOut
from orchestrator.git import Git
from orchestrator.tips import known_tips, tips_by_host
from orchestrator.wire import ReadUncommitted, Uncommitted

SNAPSHOT_DEADLINE_S = 120.0
"""For `git status` in worktrees with many files on a cold disk, and for what is new in them."""

_THREADS = 4

Reach = Callable[[HostName], bool]


@dataclass(slots=True)
class Reading:
    """What was found, and what people should know about it."""

    branches: list[Branch] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_branches(
    desk: Desk, quarantine: Git, base: str, cache: ForecastCache, reach: Reach = lambda host: True
) -> Reading:
    """Every planned branch that exists. Hosts that `reach` denies are not asked.

    What is uncommitted is written to `quarantine`; no worktree and no index is touched.
    """
    reading = Reading()
    tips, silent = _tips(desk, reach, reading)
    standing = _standing(desk, quarantine, tips, reading)
    work = _uncommitted(desk, quarantine, [w for w in standing if w.host not in silent], reading)
    branches = [_branch(w, tips[w.name], work.get(w.name)) for w in standing]
    reading.branches = _with_forks(quarantine, base, cache, branches)
    return reading


def _branch(workstream: Workstream, tip: str, work: str | None) -> Branch:
    return Branch(
        name=workstream.name,
        wave=workstream.wave,
        branch=workstream.branch,
        host=workstream.host,
        tip=tip,
        commit=work or tip,
    )


# --- tips -----------------------------------------------------------------------------------------


def _tips(desk: Desk, reach: Reach, reading: Reading) -> tuple[Mapping[str, str], set[HostName]]:
    """The tips, and the hosts that did not answer: for them those last known here."""
    hosts = dict.fromkeys(w.host for w in desk.plan.workstreams.values())
    asked = [host for host in hosts if host == LOCAL or reach(host)]
    answers = tips_by_host(desk, [w.name for w in desk.plan.workstreams.values() if w.host in asked])
    tips: dict[str, str] = {}
    silent: set[HostName] = set()
    for host in hosts:
        answer = answers.get(host, HostUnreachable(f"{host} does not answer"))
        if not isinstance(answer, OrchestratorError):
            tips |= answer
        elif isinstance(answer, HostUnreachable):
            silent.add(host)
            known = known_tips(desk.home, desk.plan)
            tips |= {w.name: known[w.name] for w in desk.plan.on_host(host) if w.name in known}
            reading.notes.append(f"{answer.message}; the last known tips of its branches count")
        else:
            raise answer
    return tips, silent


def _standing(desk: Desk, quarantine: Git, tips: Mapping[str, str], reading: Reading) -> list[Workstream]:
    """The workstreams whose branch is there and means a commit."""
    commits = git.find_commits(quarantine, tips.values())
    found: list[Workstream] = []
    for workstream in desk.plan.workstreams.values():
        tip = tips.get(workstream.name)
        if tip is not None and commits[tip] == tip:
            found.append(workstream)
            continue
        lacks = _absent(desk, workstream) if tip is None else f"points to {tip}, which is no commit here"
        reading.left_out.append(
            LeftOut(name=workstream.name, reason=f"its branch {workstream.branch} {lacks}")
        )
    return found


def _absent(desk: Desk, workstream: Workstream) -> str:
    cleaned = desk.state.of(workstream.name).cleaned
    return "has landed and was cleaned away" if cleaned else "does not exist yet"


# --- uncommitted work -----------------------------------------------------------------------------


def _uncommitted(
    desk: Desk, quarantine: Git, workstreams: Sequence[Workstream], reading: Reading
) -> dict[str, str]:
    """The commits of uncommitted work, by workstream."""
    found: dict[str, str] = {}
    for host in dict.fromkeys(w.host for w in workstreams):
        group = [w for w in workstreams if w.host == host]
        try:
            for workstream, work in _work_on(desk, quarantine, host, group):
                commit = _counted(workstream, work, reading)
                if commit is not None:
                    found[workstream.name] = commit
        except OrchestratorError as error:
            reading.notes.append(f"{host}: what is uncommitted there is not known: {error.message}")
    here = git.find_commits(quarantine, found.values())
    for name, commit in found.items():
        if here[commit] is None:  # what was sent builds on a commit newer than the tip that was fetched
            reading.notes.append(f"{name}: its branch moved meanwhile; its uncommitted work does not count")
    return {name: commit for name, commit in found.items() if here[commit] is not None}


def _work_on(
    desk: Desk, quarantine: Git, host: HostName, group: Sequence[Workstream]
) -> Iterator[tuple[Workstream, Uncommitted]]:
    if host == LOCAL:
        by_branch: dict[str | None, Workstream] = {w.branch: w for w in group}
        places = {
            listed.path: by_branch[listed.branch]
            for listed in git.list_worktrees(desk.home.git)
            if not listed.bare and listed.branch in by_branch
        }
        answers = take_uncommitted(quarantine, {path: w.results for path, w in places.items()})
    else:
        site = desk.site(host)
        places = {desk.state.of(w.name).worktree or site.worktree_path(w): w for w in group}
        worktrees = {path: w.results for path, w in places.items()}
        request = ReadUncommitted(place=site.place, worktrees=worktrees)
        answers = site.call(request, deadline_s=SNAPSHOT_DEADLINE_S).worktrees
        for answer in answers:
            _take_in(quarantine, answer)
    yield from ((places[answer.path], answer) for answer in answers)


def _take_in(quarantine: Git, work: Uncommitted) -> None:
    pack = base64.b64decode(work.pack).decode("utf-8", "surrogateescape")
    if pack:
        with suppress(CommandFailed):  # the commit is missing then, and that is said
            git.unpack(quarantine, pack)


def _counted(workstream: Workstream, work: Uncommitted, reading: Reading) -> str | None:
    where = f"{workstream.name}: uncommitted work in {work.path}"
    if work.reason is not None:
        reading.notes.append(f"{where} does not count: {work.reason}")
    if work.commit is None:
        return None
    if work.branch != workstream.branch:
        reading.notes.append(f"{where} does not count: {work.branch or 'no branch'} is checked out there")
        return None
    if work.left_out:
        listed = ", ".join(work.left_out[:5]) + (" …" if len(work.left_out) > 5 else "")
        reading.notes.append(f"{where} counts without what is too large: {listed}")
    return work.commit


# --- where they left base -------------------------------------------------------------------------


def _with_forks(quarantine: Git, base: str, cache: ForecastCache, branches: list[Branch]) -> list[Branch]:
    ahead = git.not_contained(quarantine, [b.commit for b in branches], base)

    def compute(commits: Sequence[str]) -> dict[str, Any]:
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="forks") as pool:
            bases = pool.map(lambda commit: git.merge_base(quarantine, base, commit), commits)
            return dict(zip(commits, bases, strict=True))

    forks, _ = cache.complete(ahead, lambda commit: f"fork:{base}:{commit}", compute)
    return [replace(b, fork=forks.get(b.commit), contained=b.commit not in ahead) for b in branches]
