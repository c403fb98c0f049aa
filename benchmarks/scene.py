"""Scratch repositories with a plan, a home and a tmux server of their own; gone when a run is over."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.processes import processes
from tests.support.project import Project, project_in
from tests.support.repository import PINNED

MARK_DEADLINE_S = 300.0
UP_DEADLINE_S = 300.0
_LINES_PER_FILE = 40


@contextmanager
def scene(files: int) -> Iterator[Project]:
    """A repository with one commit of `files` files, in folders of 50."""
    with _scratch() as folder, project_in(folder) as project:
        marks(project).mkdir()
        _fill(project.root, files)
        git = [["add", "-A"], ["commit", "--quiet", "-m", "first"], ["gc", "--quiet"]]
        for arguments in git:
            subprocess.run(["git", *arguments], cwd=project.root, env=project.env | PINNED, check=True)
        os.sync()  # what was written here is not to be paid for by what is measured
        yield project


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder; what still runs there when it is left is killed."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        try:
            yield Path(name)
        finally:
            until(lambda: not _killed(name), "its processes end", within_s=20)


def _killed(folder: str) -> int:
    """Kill every process that names the folder; how many there were."""
    found = [process for process in processes() if folder in process.command]
    for process in found:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    return len(found)


def _fill(root: Path, files: int) -> None:
    for number in range(files):
        path = root / f"part{number // 50:03}" / f"module{number:05}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"value_{line} = {number + line}\n" for line in range(_LINES_PER_FILE)))


def marks(project: Project) -> Path:
    """Where each worker leaves an empty file once its command runs."""
    return project.folder / "marks"


def command(project: Project, name: str) -> str:
    """A worker's command: says that it runs, then does nothing for long."""
    return f": > {marks(project)}/{name}; exec sleep 3600"


def write_plan(project: Project, count: int, head: str = "", host: str = "local") -> None:
    """A plan of `warm` in wave 1 and of `count` workstreams in wave 2."""
    warm = _workstream(project, "warm", host)
    others = "".join(_workstream(project, f"w{number}", host) for number in range(count))
    project.plan(
        f"version: 1\nproject: p\n{head}\nwaves:\n  1:\n    workstreams:\n{warm}"
        f"  2:\n    workstreams:\n{others}"
    )


def _workstream(project: Project, name: str, host: str) -> str:
    return f"      {name}: {{branch: p/{name}, host: {host}, run: '{command(project, name)}'}}\n"


def up(project: Project, *arguments: str) -> None:
    project.ok("up", *arguments, within_s=UP_DEADLINE_S)


def down(project: Project) -> None:
    project.ok("down", within_s=UP_DEADLINE_S)


def until(condition: Callable[[], bool], what: str, within_s: float = MARK_DEADLINE_S) -> None:
    """Asks every 5 ms, so that the wait itself hardly costs the two cores anything.

    Raises:
        TimeoutError: `condition` did not come true.
    """
    give_up_at = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"{what}: not within {within_s:g} s")
        time.sleep(0.005)


def until_marked(project: Project, count: int) -> None:
    """Until `count` commands run."""
    until(lambda: len(os.listdir(marks(project))) >= count, f"{count} commands run")  # noqa: PTH208
