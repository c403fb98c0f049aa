"""What crosses the SSH link: the time of one poll, and calls that must not grow with the workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.measuring import Figure, described, median, seconds
from benchmarks.scene import down, scene, until, until_marked, up, write_plan
from orchestrator.core.plan import HostName
from orchestrator.home import find_home
from orchestrator.journal import Journal
from orchestrator.observe import observe
from orchestrator.plan_file import load_plan
from orchestrator.site import Sites
from tests.support.project import Project
from tests.support.sshd import Sshd, run_sshd

HOST = "gpu"
POLLED = 100
LIMIT_MS = 20.0
POLLS_A_RUN = 10
FEW, MANY = 5, 50
WATCHED_S = 10.0


@dataclass(frozen=True, slots=True)
class Counts:
    """`connections` are SSH connections; the agent's is kept, git opens one for each transfer."""

    up_calls: int
    up_connections: int
    idle_calls: int
    idle_connections: int


def measure(runs: int) -> Iterator[Figure]:
    yield from _poll_time(runs)
    few, many = _counts(FEW), _counts(MANY)
    for field, what in (
        ("up_calls", "calls of an agent in one up"),
        ("up_connections", "SSH connections in one up"),
        ("idle_calls", f"calls of an agent in {WATCHED_S:g} s of polling"),
        ("idle_connections", f"SSH connections in {WATCHED_S:g} s of polling"),
    ):
        yield _same(f"{what}: {MANY} workers, against {FEW}", getattr(many, field), getattr(few, field))


def _same(what: str, many: int, few: int) -> Figure:
    """Not more for many than for few. Polls may fall by one inside or outside the same window."""
    if few == 0:
        return Figure(what=what, ours=many, unit="", limit=0)
    return Figure(what=what, ours=many, unit="", baseline=few, limit=1.1, of_ratio=True)


@contextmanager
def _remote_scene(count: int) -> Iterator[tuple[Project, Sshd]]:
    """All workstreams run on a host behind a real sshd on loopback."""
    with scene(20) as project, run_sshd(project.folder / "host", HOST) as sshd:
        project.env["ORCHESTRATOR_SSH_CONFIG"] = str(sshd.config)
        head = f"hosts:\n  {HOST}: {{ssh: {HOST}, root: {sshd.home}/root}}"
        write_plan(project, count, head, HOST)
        yield project, sshd


# --- time -----------------------------------------------------------------------------------------


def _poll_time(runs: int) -> Iterator[Figure]:
    with _remote_scene(POLLED - 1) as (project, _):
        up(project)
        until_marked(project, POLLED)
        first, later = _polls(project, runs * POLLS_A_RUN)
        yield Figure(what=f"first poll of {POLLED} workers over a new link", ours=first, unit="ms")
        yield Figure(
            what=f"poll of {POLLED} workers over SSH ({described(later)})",
            ours=median(later),
            unit="ms",
            limit=LIMIT_MS,
        )
        down(project)


def _polls(project: Project, count: int) -> tuple[float, list[float]]:
    """As the daemon does it, over a link of our own beside the daemon's."""
    with patch.dict(os.environ, project.env):
        plan, home = load_plan(project.root / "waves.yaml"), find_home(project.root)
        journal = Journal.read(home.state.journal)
        assert journal is not None
        state = journal.state()
        sites = Sites(plan, home)
        try:
            look = partial(observe, sites.site(HostName(HOST)), plan, state)
            times = [1000 * seconds(look) for _ in range(1 + count)]
            assert len(look().launches) == POLLED
        finally:
            sites.close_all()
            journal.close()
    return times[0], times[1:]


# --- counts ---------------------------------------------------------------------------------------


def _counts(workers: int) -> Counts:
    with _remote_scene(workers) as (project, sshd), _counting_daemon(project) as record:
        up(project, "--wave", "1")
        until_marked(project, 1)
        before, connected = _other_than_probes(record), _connections(sshd)
        up(project, "--wave", "2")
        after, connected_after = _other_than_probes(record), _connections(sshd)
        until_marked(project, 1 + workers)
        idle_calls, idle_connections = _idle(record, sshd)
        down(project)
        return Counts(after - before, connected_after - connected, idle_calls, idle_connections)


def _idle(record: Path, sshd: Sshd) -> tuple[int, int]:
    time.sleep(2.0)
    before, connected = len(_calls(record)), _connections(sshd)
    time.sleep(WATCHED_S)
    return len(_calls(record)) - before, _connections(sshd) - connected


@contextmanager
def _counting_daemon(project: Project) -> Iterator[Path]:
    record = project.folder / "calls.jsonl"
    record.touch()
    argv = [sys.executable, "-m", "benchmarks.counting", str(project.root / "waves.yaml"), str(record)]
    with (project.folder / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(argv, cwd="/", env=project.env, stdout=log, stderr=log)
    # Once it has ended it must not linger as our zombie: `down` waits until its process is gone.
    threading.Thread(target=daemon.wait, daemon=True).start()
    try:
        running = ("status", "--json")
        until(lambda: bool(project.ok(*running).json["daemon"]["running"]), "the daemon listens")
        yield record
    finally:
        daemon.terminate()
        daemon.wait(timeout=30)


def _calls(record: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["host"] == HOST]


def _other_than_probes(record: Path) -> int:
    counted = Counter(line["request"] for line in _calls(record))
    return sum(count for request, count in counted.items() if request != "Probe")


def _connections(sshd: Sshd) -> int:
    return sshd.log.count("Accepted publickey")
