"""`up` with a warm daemon, against a shell loop of `git worktree add` and `tmux new-session`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.measuring import Figure, described, interleaved, median
from benchmarks.scene import command, down, scene, until_marked, up, write_plan
from tests.support.project import Project

# What people type: a parent stays in each pane, so that something knows how the command ended.
_PARENT = "import subprocess, sys; sys.exit(subprocess.call(['/bin/sh', '-c', sys.argv[1]]))\n"
_LOOP = """\
set -e
i=0
while [ "$i" -lt "$COUNT" ]; do
  git worktree add --quiet -b "p/w$i" "$TREES/w$i" main
  tmux new-session -d -s "p_w$i" -c "$TREES/w$i" -- \\
    "$PYTHON" -S -E "$PARENT" ": > $MARKS/w$i; exec sleep 3600"
  i=$((i + 1))
done
"""


@dataclass(frozen=True, slots=True)
class Case:
    """`ratio` and `limit_s` are the most that is allowed; None where nothing is promised."""

    count: int
    files: int
    ratio: float | None = None
    limit_s: float | None = None


CASES = (
    Case(7, 20, limit_s=0.6),
    Case(50, 20, ratio=1.2),
    Case(200, 20, ratio=1.2),
    Case(50, 5000, ratio=1.1),
)


@dataclass(frozen=True, slots=True)
class Times:
    """Until the prompt is back, and until every worker's command runs."""

    returned_s: float
    working_s: float


def measure(runs: int) -> Iterator[Figure]:
    for case in CASES:
        ours, naive = interleaved(runs, partial(_ours, case), partial(_naive, case))
        yield from _figures(case, ours, naive)


def _figures(case: Case, ours: list[Times], naive: list[Times]) -> Iterator[Figure]:
    what = f"up of {case.count}, {case.files} files"
    returned = [times.returned_s for times in ours]
    yield Figure(
        what=f"{what}: prompt is back ({described(returned)})",
        ours=median(returned),
        unit="s",
        baseline=median(times.returned_s for times in naive),
        limit=case.ratio or case.limit_s,
        of_ratio=case.ratio is not None,
    )
    yield Figure(
        what=f"{what}: every command runs",
        ours=median(times.working_s for times in ours),
        unit="s",
        baseline=median(times.working_s for times in naive),
    )


def _ours(case: Case) -> Times:
    with scene(case.files) as project:
        write_plan(project, case.count)
        up(project, "--wave", "1")
        until_marked(project, 1)
        start = _settled()
        up(project, "--wave", "2")
        times = _times(project, case, start)
        down(project)
        return times


def _naive(case: Case) -> Times:
    with scene(case.files) as project:
        parent = project.folder / "parent.py"
        parent.write_text(_PARENT)
        project.tmux("new-session", "-d", "-s", "warm", "--", command(project, "warm"))
        until_marked(project, 1)
        start = _settled()
        _loop(project, case, str(parent))
        return _times(project, case, start)


def _loop(project: Project, case: Case, parent: str) -> None:
    trees = project.worktree("w0").parent
    given = {
        "COUNT": str(case.count),
        "TREES": str(trees),
        "PYTHON": sys.executable,
        "PARENT": parent,
        "MARKS": str(project.folder / "marks"),
    }
    subprocess.run(["/bin/sh", "-c", _LOOP], cwd=project.root, env=project.env | given, check=True)


def _settled() -> float:
    """The moment the measurement starts: after the disk has caught up."""
    os.sync()
    time.sleep(0.5)
    return time.perf_counter()


def _times(project: Project, case: Case, start: float) -> Times:
    returned_s = time.perf_counter() - start
    until_marked(project, 1 + case.count)
    return Times(returned_s, time.perf_counter() - start)
