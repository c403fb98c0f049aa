"""A killed daemon that comes back to a thousand workers.

The workers are folders as their supervisors leave them, with locks that this process holds: they have no
processes of their own. Daemon, agent and journal are real.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

from benchmarks.processes import processes
from benchmarks.recorded import Recorded, alive, history
from faults.figures import Answer, Options, none_of, plain, within
from faults.scene import Scene, scene
from orchestrator.client import Client
from orchestrator.errors import OrchestratorError
from orchestrator.journal import Journal
from orchestrator.settings import StatePaths
from tests.support.eventually import eventually

WORKERS = 1000
BACK_WITHIN_S = 3.0


def measure(options: Options) -> Iterator[Answer]:
    times = 3
    with scene(poll_s=options.poll_s) as stage:
        names = [f"w{number}" for number in range(WORKERS)]
        stage.plan(*(f"{name}: {{branch: w/{name}, run: sleep 3600}}" for name in names))
        with _recorded(stage, names):
            _back(stage)  # once, so that every cache is warm as it was before a kill
            took, used = zip(*(_back(stage) for _ in range(times)), strict=True)
            kinds = [event["kind"] for event in stage.project.events()]
    yield within(
        f"daemon killed, and back with {WORKERS} recorded workers, the longest of {times}",
        max(took),
        BACK_WITHIN_S,
    )
    yield plain("daemon back: its own part of that, of a core", max(used), "s")
    yield none_of("daemon back: launches chosen anew", kinds.count("LaunchChosen") - WORKERS)
    yield none_of("daemon back: runs called ended", kinds.count("LaunchEnded"))


def _back(stage: Scene) -> tuple[float, float]:
    """Start the daemon; how long until every beat is known again, and its processor time; then kill it."""
    log = (stage.folder / "daemon.out").open("ab")
    begun = time.monotonic()
    with log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "orchestrator.daemon", str(stage.project.root / "waves.yaml")],
            cwd="/",
            env=stage.project.env,
            stdout=log,
            stderr=log,
        )
    try:
        eventually(lambda: _all_seen(stage), 120, "all are seen", every_s=0.3)
        took = time.monotonic() - begun
        used = next(one for one in processes() if one.pid == daemon.pid).processor_s()
        return took, used
    finally:
        daemon.kill()
        daemon.wait()


def _all_seen(stage: Scene) -> bool:
    try:
        document = Client(StatePaths(root=stage.project.state)).status()
    except OrchestratorError:  # it does not listen yet
        return False
    beats = [one["heartbeat_age_s"] is not None for one in document["workstreams"]]
    return bool(document["daemon"]["running"]) and all(beats)


@contextmanager
def _recorded(stage: Scene, names: list[str]) -> Iterator[None]:
    state = stage.project.state
    state.mkdir(parents=True)
    trees = stage.project.worktree("x").parent
    workers = [Recorded(name=name, worktree=trees / name) for name in names]
    journal = Journal.open(state / "state.db")
    journal.append(history(workers), datetime.now(timezone.utc))
    journal.close()
    with alive(state, workers):
        yield
