"""What the daemon, its agent and the supervisors use while 50 workers run and nothing happens."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from benchmarks.measuring import Figure
from benchmarks.processes import Process, processes
from benchmarks.scene import down, scene, until_marked, up, write_plan
from tests.support.project import Project

WORKERS = 50
SETTLE_S = 5.0
WINDOW_S = 30.0
"""As long as a heartbeat's interval, so that each supervisor beats once."""

RESIDENT_LIMIT_MB = 100.0
PROCESSOR_LIMIT_PERCENT = 1.0


def measure(runs: int) -> Iterator[Figure]:
    """One window, however many runs are asked for: it is a mean over half a minute already."""
    with scene(20) as project:
        write_plan(project, WORKERS - 1)
        up(project)
        until_marked(project, WORKERS)
        time.sleep(SETTLE_S)
        yield from _look(project)
        down(project)


def _look(project: Project) -> Iterator[Figure]:
    everything = processes()
    daemon = next(process for process in everything if process.pid == project.daemon_pid())
    agent = next(process for process in everything if process.parent == daemon.pid)
    supervisors = [process for process in everything if str(project.folder) in _supervised(process)]
    yield Figure(what="daemon's memory", ours=daemon.resident_mb(), unit="MB", limit=RESIDENT_LIMIT_MB)
    yield Figure(what="local agent's memory", ours=agent.resident_mb(), unit="MB")
    own = sum(supervisor.own_mb() for supervisor in supervisors) / WORKERS
    yield Figure(what="a worker's supervisor and leader, memory of their own", ours=own, unit="MB")
    commands_s, since = daemon.commands_s(), time.monotonic()
    usage = _percent([daemon], [agent], supervisors)
    git = 100 * (daemon.commands_s() - commands_s) / (time.monotonic() - since)
    names = ("daemon", "local agent", f"{len(supervisors)} supervisors and leaders")
    for name, percent in zip(names, usage, strict=True):
        yield Figure(what=f"{name}, of a core", ours=percent, unit="%")
    yield Figure(what="git commands of the daemon, which looks for conflicts, of a core", ours=git, unit="%")
    both = usage[0] + usage[1]
    yield Figure(what="daemon and agent, of a core", ours=both, unit="%", limit=PROCESSOR_LIMIT_PERCENT)


def _supervised(process: Process) -> str:
    return process.command if ".supervise " in process.command or "/supervise " in process.command else ""


def _percent(*groups: Sequence[Process]) -> list[float]:
    """Each group's share of one core over the window."""
    before = [sum(process.processor_s() for process in group) for group in groups]
    start = time.monotonic()
    time.sleep(WINDOW_S)
    window_s = time.monotonic() - start
    after = [sum(process.processor_s() for process in group) for group in groups]
    return [100 * (late - early) / window_s for early, late in zip(before, after, strict=True)]
