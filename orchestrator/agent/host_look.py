"""One look at a host: its launches, its GPUs, and the room on its disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.agent.gpus import GpuWatch
from orchestrator.agent.watch import Watch
from orchestrator.core.devices import Disk
from orchestrator.wire import Probe, Seen


@dataclass(frozen=True, slots=True)
class HostLook:
    watch: Watch
    gpus: GpuWatch

    def probe(self, request: Probe) -> Seen:
        """Answers at once, however long the driver takes."""
        folders = (request.place.worktrees, request.place.state, *request.folders)
        return replace(
            self.watch.probe(request),
            census=self.gpus.read() if request.gpus else None,
            disk=fullest_disk(folders),
        )


def fullest_disk(folders: Iterable[str]) -> Disk | None:
    """Of the file systems that the folders lie, or will lie, on; None when none can be measured."""
    measured = (_measured(folder) for folder in dict.fromkeys(folders))
    return min((disk for disk in measured if disk), key=lambda disk: disk.free_bytes, default=None)


def _measured(folder: str) -> Disk | None:
    for path in (Path(folder), *Path(folder).parents):
        try:
            found = os.statvfs(path)
        except OSError:
            continue
        block = found.f_frsize
        return Disk(
            folder=str(path),
            free_bytes=found.f_bavail * block,
            total_bytes=found.f_blocks * block,
        )
    return None
