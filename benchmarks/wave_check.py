"""`wave check` of a wave that has not changed since the last one: all its gates are known."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial

from benchmarks.measuring import Figure, described, median, seconds
from benchmarks.scene import scene
from tests.support.project import Project
from tests.support.repository import PINNED

CASES = ((3, 20), (3, 5000), (20, 20))
"""Workstreams, and files of the repository."""

_LIMIT_S = 0.5


def measure(runs: int) -> Iterator[Figure]:
    for count, files in CASES:
        with scene(files) as project:
            _write_wave(project, count)
            first = seconds(partial(_check, project))
            again = [seconds(partial(_check, project)) for _ in range(runs)]
        what = f"second wave check of {count} workstreams, {files} files ({described(again)})"
        limit = _LIMIT_S if count == CASES[0][0] else None
        yield Figure(what=what, ours=median(again), unit="s", baseline=first, limit=limit)


def _check(project: Project) -> None:
    project.ok("wave", "check", "1", within_s=300)


def _write_wave(project: Project, count: int) -> None:
    gates = (
        "{tests: {run: 'true'}, part: {run: 'true', inputs: [part000/]}, log: {run: 'true', scope: commits}}"
    )
    names = [f"w{number}" for number in range(count)]
    for name in names:
        _branch(project, name)
    lines = "".join(f"      {name}: {{branch: p/{name}}}\n" for name in names)
    project.plan(
        f"version: 1\nproject: p\ngates: {gates}\ndefaults: {{gates: [tests, part, log, clean-merge]}}\n"
        f"waves:\n  1:\n    gates: [tests]\n    workstreams:\n{lines}"
    )


def _branch(project: Project, name: str) -> None:
    """One commit more than main, without a checkout."""
    stream = (
        f"commit refs/heads/p/{name}\ncommitter Ada <ada@example.org> 1700000000 +0000\ndata 1\nx\n"
        f"from refs/heads/main\nM 100644 inline {name}.txt\ndata 1\nx\n"
    )
    subprocess.run(
        ["git", "fast-import", "--quiet"],
        input=stream.encode(),
        cwd=project.root,
        env=project.env | PINNED,
        check=True,
    )
