"""A project's place on a host: the link to its agent, its clone there, and commits to and from it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator import git
from orchestrator.core.plan import DEFAULT_ROOT, LOCAL, Host, HostName, Plan, Workstream
from orchestrator.errors import CommandFailed, HostUnreachable, Refused
from orchestrator.git import Git
from orchestrator.home import Home as Home
from orchestrator.home import find_home as find_home
from orchestrator.link import OPEN_DEADLINE_S, Link, open_link
from orchestrator.settings import CALL_DEADLINE_S
from orchestrator.wire import Claim, Claimed, Hello, LaunchSeen, OpenRepository, Place, Watched

TRANSFER_DEADLINE_S = 12 * 3600.0
"""For a large history on a slow line; `rsh` ends a transfer that does not move long before."""

PLACE_DEADLINE_S = 4.0
CLOSE_WAIT_S = 2.0


@dataclass(slots=True)
class LookMemory:
    """What is known of a link's launches, so that its agent tells only what is new."""

    watched: tuple[Watched, ...] | None = None
    folders: tuple[str, ...] = ()
    number: int = 0
    seen: dict[str, LaunchSeen] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An open link to a host that has the project's clone."""

    host: Host
    link: Link
    place: Place
    home: Home
    plan_source: str
    taken_from: str | None = None
    """The owner that this link's claim put out."""
    memory: LookMemory = field(default_factory=LookMemory, compare=False)

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
        offers = [f"{commit}:refs/heads/{branch}" for branch, commit in branches.items()]
        with self._over_there():
            git.push(self._transport(), self._url, specs, timeout_s=TRANSFER_DEADLINE_S)
            if offers:
                git.push(self._transport(), self._url, offers, timeout_s=TRANSFER_DEADLINE_S)

    def fetch(self, branches: Iterable[str]) -> None:
        """Bring a remote host's branches here, each to its `remote_ref`."""
        specs = [f"+refs/heads/{b}:{self.remote_ref(b)}" for b in branches]
        if specs and not self.is_local:
            options = ("--no-tags", "--no-write-fetch-head")
            with self._over_there():
                self._transport().run("fetch", *options, self._url, *specs, timeout_s=TRANSFER_DEADLINE_S)

    @contextmanager
    def _over_there(self) -> Iterator[None]:
        """Git cannot tell a host that is gone from a refusal: a failure is the host's if that is silent.

        Raises:
            HostUnreachable: it is.
        """
        try:
            yield
        except CommandFailed:
            self.call(Hello())
            raise

    def remote_ref(self, branch: str) -> str:
        return f"refs/orchestrator/hosts/{self.host.name}/{branch}"

    @property
    def _url(self) -> str:
        return f"ssh://{self.host.name}{self.place.repository}"

    def _transport(self) -> Git:
        from orchestrator.ssh import git_ssh_environment  # Paramiko costs 0.1 s: a plan may need none

        return Git(self.home.root, environment=git_ssh_environment(self.plan_source))


class Superseded(HostUnreachable):
    """The attempt to connect was given up for another one, which may be begun at once."""


class Sites:
    """The sites of a plan's hosts, opened when first needed and again after they broke. Thread-safe.

    With `claims` what is opened is also claimed, so that it may be changed.
    """

    def __init__(self, plan: Plan, home: Home, claims: Claims | None = None) -> None:
        self._plan = plan
        self._home = home
        self._claims = claims
        self._lock = threading.Lock()
        self._open: dict[HostName, Site] = {}
        self._attempts: dict[HostName, Future[Site]] = {}

    def site(self, name: HostName) -> Site:
        """The host's site; blocks while it connects, for at most about 20 s.

        Who asks meanwhile shares that attempt, and how it ends.

        Raises:
            HostUnreachable: it does not answer.
            Refused: it belongs to another daemon.
        """
        with self._lock:
            site = self._open.get(name)
            if site is not None and site.link.alive:
                return site
            attempt = self._attempts.get(name)
            if attempt is None:
                attempt, host, ours = Future(), self._host(name), True
                self._attempts[name] = attempt
            else:
                ours = False
        if ours:
            self._try(attempt, host)
        return attempt.result()

    def adopt(self, plan: Plan) -> None:
        """Follow a plan read again: sites of hosts that changed are closed."""
        before, self._plan = self._plan, plan
        for name, host in before.hosts.items():
            if plan.hosts.get(name) != host:
                self.close(name)

    def close(self, name: HostName) -> None:
        """Forget the site, and an attempt to open it. Does not wait for its link to close."""
        with self._lock:
            site = self._open.pop(name, None)
            self._attempts.pop(name, None)
        if site is not None:
            _close_beside(site.link)

    def close_all(self) -> None:
        """Close every link, all at once: one that hangs delays the others not at all, and us little."""
        with self._lock:
            sites, self._open = tuple(self._open.values()), {}
            self._attempts.clear()
        closing = [_close_beside(site.link) for site in sites]
        give_up_at = time.monotonic() + CLOSE_WAIT_S
        for thread in closing:
            thread.join(max(0.0, give_up_at - time.monotonic()))

    def _host(self, name: HostName) -> Host:
        host = self._plan.hosts.get(name)
        if host is None:
            raise Refused(f"{self._plan.source} has no host {name} any more.")
        return host

    def _try(self, attempt: Future[Site], host: Host) -> None:
        try:
            site = self._connect(host)
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            wanted = self._is_over(attempt, host)
            attempt.set_exception(error if wanted else Superseded(str(error)))
            return
        if self._is_over(attempt, host, site):
            if self._claims:
                self._claims.known(host.name)
            attempt.set_result(site)
        else:
            _close_beside(site.link)
            attempt.set_exception(Superseded(f"the connection to {host.name} is not wanted any more"))

    def _is_over(self, attempt: Future[Site], host: Host, site: Site | None = None) -> bool:
        """Whether the attempt was still wanted; then its site is the open one."""
        with self._lock:
            if self._attempts.get(host.name) is not attempt:
                return False
            del self._attempts[host.name]
            if site is not None:
                self._open[host.name] = site
            return True

    def _connect(self, host: Host) -> Site:
        begun = time.monotonic()
        link = open_link(host)
        try:
            left_s = max(OPEN_DEADLINE_S - (time.monotonic() - begun), PLACE_DEADLINE_S)
            place = link.call(self._repository_request(host), deadline_s=left_s)
            taken_from = self._claims.claim(link, place, host) if self._claims else None
        except BaseException:
            link.close()
            raise
        return Site(
            host=host,
            link=link,
            place=place,
            home=self._home,
            plan_source=self._plan.source,
            taken_from=taken_from,
        )

    def _repository_request(self, host: Host) -> OpenRepository:
        if host.name == LOCAL:
            return OpenRepository(
                project=self._plan.project, owner=self._home.owner, repository=str(self._home.root)
            )
        return OpenRepository(
            project=self._plan.project, owner=self._home.owner, root=host.root or DEFAULT_ROOT
        )


def _close_beside(link: Link) -> threading.Thread:
    thread = threading.Thread(target=link.close, name=f"close {link.name}", daemon=True)
    thread.start()
    return thread


class Claims:
    """What one daemon holds of its plan's hosts. Thread-safe."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._daemon = secrets.token_hex(8)
        self._fences: dict[HostName, int] = {}
        self._taking: set[HostName] = set()
        self._put_out: dict[HostName, str] = {}

    def take_over(self, host: HostName) -> None:
        """Let nobody be in the way of the next claim."""
        self._taking.add(host)

    def claim(self, link: Link, place: Place, host: Host) -> str | None:
        """Be the daemon that changes things there; the owner that was put out for it, if any.

        Raises:
            Refused: another daemon is.
        """
        if host.ssh is None:  # this machine's daemons share a lock
            return None
        request = Claim(
            place=place,
            owner=self._owner,
            daemon=self._daemon,
            fence=self._fences.get(host.name, 0),
            take_over=host.name in self._taking,
        )
        try:
            claimed: Claimed = link.call(request, deadline_s=PLACE_DEADLINE_S)
        except Refused as no:
            hint = (no.hint or "").replace("HOST", host.name)
            raise Refused(no.message.replace("this host", f"host {host.name}"), hint or None) from None
        self._fences[host.name] = claimed.fence
        self._taking.discard(host.name)
        if claimed.taken_from is not None:
            self._put_out[host.name] = claimed.taken_from
        return self._put_out.get(host.name)

    def known(self, host: HostName) -> None:
        """An attempt that nobody wanted any more may have taken it: only a site that is open tells so."""
        self._put_out.pop(host, None)
