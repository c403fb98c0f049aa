"""Processor time of the commands people type most."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial

from benchmarks.measuring import Figure, interleaved, median
from benchmarks.scene import down, scene, up, write_plan
from tests.support.project import COMMAND, Project

LIMIT_S = 0.25
WORKSTREAMS = 6


def measure(runs: int) -> Iterator[Figure]:
    with scene(20) as project:
        write_plan(project, WORKSTREAMS)
        up(project)
        yield _figure(project, runs, "--help", ["--help"])
        yield _figure(project, runs, "status, daemon runs", ["status"])
        yield _figure(project, runs, "status --json, daemon runs", ["status", "--json"])
        down(project)
        yield _figure(project, runs, "status, no daemon", ["status"])


def _figure(project: Project, runs: int, what: str, arguments: Sequence[str]) -> Figure:
    ours, bare = interleaved(
        runs,
        partial(processor_s, project, [*COMMAND, *arguments]),
        partial(processor_s, project, [sys.executable, "-c", "pass"]),
    )
    return Figure(
        what=f"{what}, against python -c pass",
        ours=median(ours),
        unit="s cpu",
        baseline=median(bare),
        limit=LIMIT_S,
    )


def processor_s(project: Project, argv: Sequence[str]) -> float:
    """User and system time of one run, its children included."""
    with open(os.devnull, "w") as null:  # noqa: PTH123
        process = subprocess.Popen(argv, cwd=project.root, env=project.env, stdout=null, stdin=null)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{argv} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime
