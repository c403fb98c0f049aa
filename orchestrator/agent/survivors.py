"""What outlived its launch: found by its tag, and ended before it can write into a later one's results."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

from orchestrator import supervise
from orchestrator.agent.launches import launch_folder, workstream_of
from orchestrator.agent.refusals import is_safe_name
from orchestrator.supervise import processes
from orchestrator.wire import Place

GRACE_S = 2.0
"""Its supervisor, or what took that along, has had its say already."""


def survivors(place: Place) -> dict[str, set[str]]:
    """The launches of this place that have ended, or are forgotten, and of which something lives; by
    workstream."""
    found: dict[str, set[str]] = {}
    for (pid, _), tags in processes.tagged().items():
        for launch in tags:
            workstream = _whose(place, launch, pid)
            if workstream is not None:
                found.setdefault(workstream, set()).add(launch)
    return found


def end_survivors(place: Place, workstreams: Collection[str] | None = None) -> set[str]:
    """End what is left of these workstreams' earlier launches, or of everybody's; the launches it was.

    Blocks for the grace and a little more when there is something.
    """
    ended = set()
    for workstream, launches in survivors(place).items():
        if workstreams is None or workstream in workstreams:
            for launch in launches:
                _end(place, launch)
            ended |= launches
    return ended


def _whose(place: Place, launch: str, pid: int) -> str | None:
    """The workstream, when this launch is one of this place and has no supervisor any more."""
    if not is_safe_name(launch):
        return None
    folder = launch_folder(place, launch)
    if folder.is_dir():
        return None if supervise.is_running(folder) else workstream_of(folder)
    workstream = processes.variable(pid, "ORCHESTRATOR_WORKSTREAM")
    results = processes.variable(pid, "ORCHESTRATOR_RESULTS")
    # A keepalive typed in a worktree carries a tag of its own kind, and no workstream.
    is_ours = workstream != "" and launch.startswith(f"{workstream}-") and _is_below(results, place.worktrees)
    return workstream if is_ours else None


def _is_below(path: str, folder: str) -> bool:
    return path != "" and Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents


def _end(place: Place, launch: str) -> None:
    folder = launch_folder(place, launch)
    if folder.is_dir():
        supervise.settle(str(folder))
        if supervise.is_running(folder):  # somebody else is settling it
            return
    give_up_at = time.monotonic() + GRACE_S
    processes.end(lambda: processes.belonging(launch), lambda: give_up_at - time.monotonic(), time.sleep)
