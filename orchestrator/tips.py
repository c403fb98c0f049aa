"""Where the planned branches stand: here for local workstreams, on their hosts for the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator import git
from orchestrator.core.plan import LOCAL, CommitId, HostName, Plan, Workstream
from orchestrator.errors import OrchestratorError
from orchestrator.git import Git

if TYPE_CHECKING:
    from orchestrator.desk import Desk
    from orchestrator.home import Home
    from orchestrator.site import Site


def read_tips(
    desk: Desk, names: Collection[str] | None = None, *, reachable_only: bool = False
) -> dict[str, CommitId]:
    """Each workstream's committed tip; one whose branch does not exist yet has no entry.

    Commits of other hosts are brought here, and the local branch of the same name follows them where
    that loses nothing. `reachable_only` leaves out workstreams whose host does not answer.

    Raises:
        HostUnreachable: a host does not answer, and `reachable_only` is False.
    """
    workstreams = [w for w in desk.plan.workstreams.values() if names is None or w.name in names]
    heads = git.branches(desk.home.git, [w.branch for w in workstreams])
    found: dict[str, str] = {w.name: heads[w.branch] for w in workstreams if w.branch in heads}
    for host in dict.fromkeys(w.host for w in workstreams if w.host != LOCAL):
        group = [w for w in workstreams if w.host == host]
        try:
            found |= _fetched(desk, host, group)
        except OrchestratorError as error:
            if not reachable_only:
                raise
            desk.say(f"{host}: {error.message}")
            found = {name: tip for name, tip in found.items() if desk.plan.workstream(name).host != host}
    return {w.name: CommitId(found[w.name]) for w in workstreams if w.name in found}


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


def _fetched(desk: Desk, host: HostName, group: Sequence[Workstream]) -> dict[str, str]:
    from orchestrator.wire import ReadTips  # not for `status` without a daemon

    site = desk.site(host)
    branches = tuple(w.branch for w in group)
    there = site.call(ReadTips(place=site.place, branches=branches)).commits
    here = _mirrored(desk.home.git, site, there)
    moved = [branch for branch, commit in there.items() if here.get(branch) != commit]
    if moved:
        site.fetch(moved)
        here = _mirrored(desk.home.git, site, there)
    _follow(desk.home.git, here)
    return {w.name: here[w.branch] for w in group if w.branch in here}


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
