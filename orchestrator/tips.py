"""Where the planned branches stand: here for local workstreams, on their hosts for the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from orchestrator import git
from orchestrator.core.plan import LOCAL, CommitId, HostName, Plan, Workstream
from orchestrator.errors import OrchestratorError
from orchestrator.git import Git

T = TypeVar("T")

if TYPE_CHECKING:
    from orchestrator.desk import Desk
    from orchestrator.home import Home
    from orchestrator.site import Site


def read_tips(
    desk: Desk, names: Collection[str] | None = None, *, reachable_only: bool = False
) -> dict[str, CommitId]:
    """Each workstream's committed tip; one whose branch does not exist yet has no entry.

    Commits of other hosts are brought here, and the local branch of the same name follows them where
    that loses nothing. All hosts are asked at once. `reachable_only` leaves out workstreams whose host
    does not answer.

    Raises:
        HostUnreachable: a host does not answer, and `reachable_only` is False.
    """
    found: dict[str, CommitId] = {}
    for host, tips in tips_by_host(desk, names).items():
        if not isinstance(tips, OrchestratorError):
            found |= tips
        elif reachable_only:
            desk.say(f"{host}: {tips.message}")
        else:
            raise tips
    return {name: found[name] for name in desk.plan.workstreams if name in found}


def tips_by_host(
    desk: Desk, names: Collection[str] | None = None
) -> dict[HostName, dict[str, CommitId] | OrchestratorError]:
    """As `read_tips`, for each host apart: one that does not answer delays nobody's answer but the last."""
    groups: dict[HostName, list[Workstream]] = {}
    for workstream in desk.plan.workstreams.values():
        if names is None or workstream.name in names:
            groups.setdefault(workstream.host, []).append(workstream)
    found = _at_once({host: partial(_tips_of, desk, host, group) for host, group in groups.items()})
    for host, tips in found.items():
        if host != LOCAL and not isinstance(tips, OrchestratorError):
            _follow(desk.home.git, {desk.plan.workstream(name).branch: tip for name, tip in tips.items()})
    return found


def _at_once(asked: Mapping[HostName, Callable[[], T]]) -> dict[HostName, T]:
    """The answers, each from a thread of its own, which keeps nobody from leaving by Ctrl-C."""
    futures: dict[HostName, Future[T]] = {host: Future() for host in asked}

    def ask(host: HostName) -> None:
        try:
            futures[host].set_result(asked[host]())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
            futures[host].set_exception(error)

    for host in asked:
        threading.Thread(target=ask, args=(host,), name=f"tips {host}", daemon=True).start()
    return {host: future.result() for host, future in futures.items()}


def _tips_of(
    desk: Desk, host: HostName, group: Sequence[Workstream]
) -> dict[str, CommitId] | OrchestratorError:
    heads = git.branches(desk.home.git, [w.branch for w in group])
    found: dict[str, CommitId] = {w.name: CommitId(heads[w.branch]) for w in group if w.branch in heads}
    if host == LOCAL:
        return found
    try:
        return found | _fetched(desk, host, group)
    except OrchestratorError as error:
        return error


def known_tips(home: Home, plan: Plan) -> dict[str, CommitId]:
    """The tips as far as this repository knows them; asks no host."""
    workstreams = plan.workstreams.values()
    known = git.refs(home.git, "refs/heads/", "refs/orchestrator/hosts/")
    tips = {w.name: next((known[ref] for ref in tip_refs(w) if ref in known), None) for w in workstreams}
    return {name: CommitId(tip) for name, tip in tips.items() if tip is not None}


def tip_refs(workstream: Workstream) -> tuple[str, ...]:
    """The refs here that may hold its tip, the one that counts first."""
    head = f"refs/heads/{workstream.branch}"
    if workstream.host == LOCAL:
        return (head,)
    return (f"refs/orchestrator/hosts/{workstream.host}/{workstream.branch}", head)


def _fetched(desk: Desk, host: HostName, group: Sequence[Workstream]) -> dict[str, CommitId]:
    from orchestrator.wire import ReadTips  # not for `status` without a daemon

    site = desk.site(host)
    branches = tuple(w.branch for w in group)
    there = site.call(ReadTips(place=site.place, branches=branches)).commits
    here = _mirrored(desk.home.git, site, there)
    moved = [branch for branch, commit in there.items() if here.get(branch) != commit]
    if moved:
        site.fetch(moved)
        here = _mirrored(desk.home.git, site, there)
    return {w.name: CommitId(here[w.branch]) for w in group if w.branch in here}


def _mirrored(repository: Git, site: Site, branches: Collection[str]) -> dict[str, str]:
    if not branches:
        return {}
    found = git.refs(repository, *(site.remote_ref(branch) for branch in branches))
    return {branch: found[ref] for branch in branches if (ref := site.remote_ref(branch)) in found}


def _follow(repository: Git, commits: Mapping[str, str]) -> None:
    """Let local branches follow, so that people see them; one checked out here, or ahead, is left alone."""
    heads = git.branches(repository, list(commits))
    behind = {branch: commit for branch, commit in commits.items() if heads.get(branch) != commit}
    if not behind:
        return
    checked_out = {worktree.branch for worktree in git.list_worktrees(repository)}
    for branch, commit in behind.items():
        if branch in checked_out:
            continue
        ref, old = f"refs/heads/{branch}", heads.get(branch)
        if old is not None and not git.is_ancestor(repository, old, commit):
            continue
        change = git.Create(ref, commit) if old is None else git.Update(ref, commit, old)
        with suppress(git.RefsNotMoved):  # somebody else moved it: it is theirs
            git.update_refs(repository, [change], "orchestrator: follow the host")
