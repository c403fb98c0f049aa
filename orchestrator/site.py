"""A project's place on a host: the link to its agent, its clone there, and commits to and from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import git
from orchestrator.core.plan import DEFAULT_ROOT, LOCAL, Host, HostName, Plan, Workstream
from orchestrator.git import Git
from orchestrator.home import Home as Home
from orchestrator.home import find_home as find_home
from orchestrator.link import Link, open_link
from orchestrator.settings import CALL_DEADLINE_S
from orchestrator.wire import OpenRepository, Place

TRANSFER_DEADLINE_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An open link to a host that has the project's clone."""

    host: Host
    link: Link
    place: Place
    home: Home
    plan_source: str

    def call(
        self,
        request: object,
        *,
        deadline_s: float = CALL_DEADLINE_S,
        on_item: Callable[[Any], None] | None = None,
    ) -> Any:
        """Ask the agent; see `Link.call`."""
        return self.link.call(request, deadline_s=deadline_s, on_item=on_item)

    @property
    def is_local(self) -> bool:
        return self.host.name == LOCAL

    def worktree_path(self, workstream: Workstream) -> str:
        if workstream.worktree is None:
            return f"{self.place.worktrees}/{workstream.name}"
        return str(
            Path(self.place.repository).joinpath(workstream.worktree).resolve()
            if self.is_local
            else Path(self.place.repository) / workstream.worktree
        )

    def send(self, commits: Iterable[str], branches: Mapping[str, str]) -> None:
        """Give the host's clone these commits, and the branches that stand here; one transfer.

        A branch that moved on over there is left as it is. Does nothing on this machine.
        """
        if self.is_local:
            return
        specs = [f"{commit}:refs/orchestrator/start/{commit}" for commit in sorted(set(commits))]
        git.push(self._transport(), self._url, specs)
        offers = [f"{commit}:refs/heads/{branch}" for branch, commit in branches.items()]
        if offers:
            git.push(self._transport(), self._url, offers)

    def fetch(self, branches: Iterable[str]) -> None:
        """Bring a remote host's branches here, each to its `remote_ref`."""
        specs = [f"+refs/heads/{b}:{self.remote_ref(b)}" for b in branches]
        if specs and not self.is_local:
            self._transport().run(
                "fetch",
                "--no-tags",
                "--no-write-fetch-head",
                self._url,
                *specs,
                timeout_s=TRANSFER_DEADLINE_S,
            )

    def remote_ref(self, branch: str) -> str:
        return f"refs/orchestrator/hosts/{self.host.name}/{branch}"

    @property
    def _url(self) -> str:
        return f"ssh://{self.host.name}{self.place.repository}"

    def _transport(self) -> Git:
        from orchestrator.ssh import git_ssh_environment  # Paramiko costs 0.1 s: a plan may need none

        return Git(self.home.root, environment=git_ssh_environment(self.plan_source))


class Sites:
    """The sites of a plan's hosts, opened when first needed and again after they broke. Thread-safe."""

    def __init__(self, plan: Plan, home: Home) -> None:
        self._plan = plan
        self._home = home
        self._open: dict[HostName, Site] = {}
        self._locks = {name: threading.Lock() for name in plan.hosts}

    def site(self, name: HostName) -> Site:
        """The host's site; blocks while it connects.

        Raises:
            HostUnreachable: it does not answer.
            Refused: its clone belongs to somebody else.
        """
        with self._locks[name]:
            site = self._open.get(name)
            if site is None or not site.link.alive:
                site = self._open[name] = self._connect(self._plan.hosts[name])
            return site

    def adopt(self, plan: Plan) -> None:
        """Follow a plan read again: sites of hosts that changed are closed."""
        for name, host in self._plan.hosts.items():
            if plan.hosts.get(name) != host:
                self.close(name)
        self._plan = plan
        self._locks = {name: self._locks.get(name, threading.Lock()) for name in plan.hosts}

    def close(self, name: HostName) -> None:
        site = self._open.pop(name, None)
        if site is not None:
            site.link.close()

    def close_all(self) -> None:
        for name in tuple(self._open):
            self.close(name)

    def _connect(self, host: Host) -> Site:
        link = open_link(host)
        try:
            place = link.call(self._repository_request(host), deadline_s=CALL_DEADLINE_S)
        except BaseException:
            link.close()
            raise
        return Site(host=host, link=link, place=place, home=self._home, plan_source=self._plan.source)

    def _repository_request(self, host: Host) -> OpenRepository:
        if host.name == LOCAL:
            return OpenRepository(
                project=self._plan.project, owner=self._home.owner, repository=str(self._home.root)
            )
        return OpenRepository(
            project=self._plan.project, owner=self._home.owner, root=host.root or DEFAULT_ROOT
        )
