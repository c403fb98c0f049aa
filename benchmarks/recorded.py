"""Workers that are recorded and have no processes: journal entries, and folders as supervisors leave them.

The locks are held by this process, so that each counts as running.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core import facts as f

TOKEN = "recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A workstream's first launch."""

    name: str
    worktree: Path
    host: str = "local"

    @property
    def launch(self) -> f.LaunchId:
        return f.LaunchId(f"{self.name}-1-{TOKEN}")


def history(recorded: Iterable[Recorded]) -> Iterator[f.Fact]:
    """Every one was asked for, chosen and launched."""
    yield f.JournalBegun(token=TOKEN)
    for one in recorded:
        yield f.StartAsked(workstream=one.name, by="ada")
        yield f.LaunchChosen(workstream=one.name, launch=one.launch, host=one.host, stage="run", attempt=1)
        yield f.Launched(
            workstream=one.name, launch=one.launch, worktree=str(one.worktree), tip="0" * 40, made_branch=True
        )


@contextmanager
def alive(state: Path, recorded: Iterable[Recorded]) -> Iterator[None]:
    """Their folders below `state`, locked as long as this lasts."""
    with ExitStack() as held:
        for one in recorded:
            folder = state / "launches" / one.launch
            _write(folder, one.worktree / "results", one)
            lock = held.enter_context((folder / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(folder: Path, results: Path, one: Recorded) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    results.mkdir(parents=True, exist_ok=True)
    log = folder / "worker.log"
    whose = {"v": 1, "launch": one.launch, "attempt": 1, "stage": "run"}
    files: dict[Path, object] = {
        folder / "spec.json": whose | {"workstream": one.name, "log": str(log), "cwd": str(one.worktree)},
        folder / "supervisor.json": whose | {"pid": os.getpid()},
        folder / "heartbeat.json": {"v": 1, "seq": 7, "output_seq": 3},
        results / "progress.json": {
            "v": 1,
            "seq": 12,
            "step": 1200,
            "total": 5000,
            "unit": "step",
            "message": "epoch 3 of 10",
            "metrics": {"total_loss": 0.123, "classification_acc": 0.71, "prediction_mse": 0.09},
        },
    }
    for path, content in files.items():
        path.write_text(json.dumps(content))
    log.write_text("epoch 3 of 10, step 1200 of 5000\n")
