"""A thousand workers on fifty hosts: what a poll costs, and the daemon that makes it.

The launches are folders as a supervisor leaves them, with locks that this process holds; agents, links,
journal and daemon are real. All fifty hosts are this one machine, so their agents share its cores.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from unittest.mock import patch

from benchmarks.measuring import Figure, described, median, seconds
from benchmarks.processes import Process, processes
from benchmarks.recorded import Recorded, alive, history
from benchmarks.scene import scene, until
from orchestrator import wire
from orchestrator.core.plan import Host, HostName, Plan
from orchestrator.core.state import State, replayed
from orchestrator.home import find_home
from orchestrator.journal import Journal
from orchestrator.observe import observe, results_path
from orchestrator.plan_file import load_plan
from orchestrator.site import Site, Sites
from tests.support.project import Project
from tests.support.sshd import Sshd, run_sshd

HOSTS, EACH = 50, 20
POLLS_A_RUN = 4
POLL_LIMIT_S = 0.2
POLL_LIMIT_KB = 50.0
RESIDENT_LIMIT_MB = 150.0
BACK_LIMIT_S = 3.0
SETTLE_S = 30.0
"""What a daemon does once when it comes, the forecast and the ageing among it, is over by then."""

IDLE_S = 30.0


def measure(runs: int) -> Iterator[Figure]:
    with _farm(HOSTS, EACH) as (project, plan, state):
        yield from _polls("over pipes", _without_ssh(plan), state, project, runs)
        yield from _polls("over SSH", plan, state, project, runs)
        yield from _daemon(project, plan, state, at_rest=True)
    with _farm(1, HOSTS * EACH) as (project, plan, state):
        yield from _daemon(project, plan, state, at_rest=False)


# --- the scene ------------------------------------------------------------------------------------


@contextmanager
def _farm(hosts: int, each: int) -> Iterator[tuple[Project, Plan, State]]:
    with scene(20) as project, run_sshd(project.folder / "farm", "h0") as sshd:
        _name_hosts(project, sshd, hosts, each)
        with patch.dict(os.environ, project.env):
            plan = load_plan(project.root / "waves.yaml")
            yield project, plan, replayed(history(_recorded(plan)))


def _name_hosts(project: Project, sshd: Sshd, hosts: int, each: int) -> None:
    """One server under many names, each with a folder of its own, and a plan that uses them."""
    names = [f"h{number}" for number in range(hosts)]
    project.env |= {"ORCHESTRATOR_SSH_CONFIG": str(sshd.config), "ORCHESTRATOR_POLL_S": "1"}
    sshd.config.write_text(sshd.config.read_text().replace("Host h0\n", "Host h*\n"))
    described = "".join(
        f"  {name}: {{ssh: {name}, root: {sshd.home}/{name}, python: {sys.executable}}}\n" for name in names
    )
    streams = "".join(
        f"      {name}-w{number}: {{branch: p/{name}-{number}, host: {name}, run: sleep 3600}}\n"
        for name in names
        for number in range(each)
    )
    project.plan(f"version: 1\nproject: p\nhosts:\n{described}waves:\n  1:\n    workstreams:\n{streams}")


def _without_ssh(plan: Plan) -> Plan:
    """The same hosts as agents of this machine, over pipes."""
    hosts: dict[HostName, Host] = {name: replace(host, ssh=None) for name, host in plan.hosts.items()}
    return replace(plan, hosts=hosts)


def _recorded(plan: Plan) -> list[Recorded]:
    return [
        Recorded(name=w.name, worktree=Path(f"{plan.hosts[w.host].root}/p.worktrees/{w.name}"), host=w.host)
        for w in plan.workstreams.values()
    ]


@contextmanager
def _launched(sites: Sequence[Site], plan: Plan) -> Iterator[None]:
    """What supervisors leave of every launch; alive as long as this lasts."""
    with ExitStack() as held:
        for site in sites:
            there = [one for one in _recorded(plan) if one.host == site.host.name]
            held.enter_context(alive(Path(site.place.state), there))
        yield


# --- polls ----------------------------------------------------------------------------------------


def _polls(how: str, plan: Plan, state: State, project: Project, runs: int) -> Iterator[Figure]:
    sites = Sites(plan, find_home(project.root))
    with ThreadPoolExecutor(HOSTS) as pool:
        try:
            connected = seconds(lambda: list(pool.map(sites.site, plan.hosts)))
            opened = [sites.site(name) for name in plan.hosts if name != "local"]
            yield Figure(what=f"{HOSTS} new links {how}, agents included", ours=connected, unit="s")
            with _launched(opened, plan):
                yield from _timed(how, opened, plan, state, pool, runs * POLLS_A_RUN)
        finally:
            sites.close_all()


def _timed(
    how: str, sites: Sequence[Site], plan: Plan, state: State, pool: ThreadPoolExecutor, polls: int
) -> Iterator[Figure]:
    def poll() -> int:
        answered = pool.map(lambda site: observe(site, plan, state), sites)
        return sum(len(one.launches) for one in answered)

    def everything() -> None:
        list(pool.map(lambda site: site.call(_full(site, plan, state)), sites))

    first = seconds(poll)
    assert poll() == HOSTS * EACH
    yield Figure(what=f"first poll {how}", ours=first, unit="s")
    before = _carried(sites)
    ours = [seconds(poll) for _ in range(polls)]
    between = _carried(sites)
    full = [seconds(everything) for _ in range(polls)]
    after = _carried(sites)
    what = f"poll of {HOSTS * EACH} workers on {HOSTS} hosts {how}, nothing changed"
    yield Figure(
        what=f"{what} ({described(ours)}); baseline: all is told each time",
        ours=median(ours),
        unit="s",
        baseline=median(full),
        limit=POLL_LIMIT_S,
    )
    if before is not None and between is not None and after is not None:
        yield Figure(
            what=f"bytes of one such poll, encrypted, both ways {how}",
            ours=(between - before) / polls / 1000,
            unit="kB",
            baseline=(after - between) / polls / 1000,
            limit=POLL_LIMIT_KB,
        )


def _full(site: Site, plan: Plan, state: State) -> wire.Probe:
    return wire.Probe(
        place=site.place,
        launches=tuple(
            wire.Watched(launch=record.launch.id, results=results_path(site, w, record))
            for w in plan.on_host(HostName(site.host.name))
            if (record := state.of(w.name)).launch is not None
        ),
    )


def _carried(sites: Sequence[Site]) -> int | None:
    """Bytes that the kernel carried for all links, both ways; None over pipes."""
    total = 0
    for site in sites:
        connection = getattr(site.link._streams, "_connection", None)
        if connection is None:
            return None
        info = connection.transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        total += sum(struct.unpack_from("=QQ", info, 120))  # tcpi_bytes_acked, tcpi_bytes_received
    return total


# --- the daemon -----------------------------------------------------------------------------------


def _daemon(project: Project, plan: Plan, state: State, *, at_rest: bool) -> Iterator[Figure]:
    home = find_home(project.root)
    home.state.create()
    journal = Journal.open(home.state.journal)
    journal.append(history(_recorded(plan)), datetime.now(timezone.utc))
    journal.close()
    sites, names = Sites(plan, home), [name for name in plan.hosts if name != "local"]
    with ThreadPoolExecutor(HOSTS) as pool:
        opened = list(pool.map(sites.site, names))
    with _launched(opened, plan):
        sites.close_all()
        begun = time.monotonic()
        daemon = _start(project)
        try:
            yield from _came(project, daemon.pid, len(names), begun)
            if at_rest:
                yield from _at_rest(daemon.pid)
        finally:
            daemon.kill()
            daemon.wait()


def _start(project: Project) -> subprocess.Popen[bytes]:
    with (project.folder / "daemon.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "orchestrator.daemon", str(project.root / "waves.yaml")],
            cwd="/",
            env=project.env,
            stdout=log,
            stderr=log,
        )


def _came(project: Project, pid: int, hosts: int, begun: float) -> Iterator[Figure]:
    from orchestrator.client import Client

    client = Client(find_home(project.root).state)
    until(client.is_running, "the daemon listens")
    yield Figure(
        what="daemon back: it has replayed its journal and listens", ours=time.monotonic() - begun, unit="s"
    )

    def answered() -> bool:
        time.sleep(0.25)  # an answer about a thousand workers costs both sides a good part of a core
        return all(host["reachable"] for host in client.status()["hosts"])

    until(answered, "every host has answered")
    yield Figure(
        what=f"daemon back: {HOSTS * EACH} workers seen on {hosts} hosts, agents on the same cores",
        ours=time.monotonic() - begun,
        unit="s",
        limit=BACK_LIMIT_S,
    )
    own = next(process for process in processes() if process.pid == pid).processor_s()
    yield Figure(what="the daemon's own part of that, of a core", ours=own, unit="s", limit=BACK_LIMIT_S)
    states = {w["state"] for w in client.status()["workstreams"]}
    assert states == {"running"}, states


def _at_rest(pid: int) -> Iterator[Figure]:
    time.sleep(SETTLE_S)
    daemon = next(process for process in processes() if process.pid == pid)
    yield Figure(
        what=f"daemon's memory, {HOSTS * EACH} workers on {HOSTS} hosts over SSH",
        ours=daemon.resident_mb(),
        unit="MB",
        limit=RESIDENT_LIMIT_MB,
    )
    yield Figure(what="daemon at rest, of a core", ours=_share(daemon), unit="%")


def _share(process: Process) -> float:
    used, since = process.processor_s(), time.monotonic()
    time.sleep(IDLE_S)
    return 100 * (process.processor_s() - used) / (time.monotonic() - since)
