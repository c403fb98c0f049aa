"""The worker's half of result syncing: what it says while it runs, and checkpoints worth fetching.

The orchestrator's half beats for the process and copies the results directory away. Beside the progress
files there is `BRANCH_status.json`, one line of a monitor: epoch, accuracy, loss, MAE.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator import progress
from workers.runtime.checkpoint import Checkpoint, save_checkpoint
from workers.runtime.status import StatusFile


class ResultSyncer:
    def __init__(
        self,
        local_results_dir: Path | str,
        heartbeat_interval: float = 30.0,
        checkpoint_interval: int = 2,
        clock: Callable[[], float] = time.monotonic,
        branch: str | None = None,
    ) -> None:
        """`heartbeat_interval` is in seconds, `checkpoint_interval` in epochs.

        Without `branch` the status file is named after `$ORCHESTRATOR_WORKSTREAM`, else `branch`.
        """
        self.local_results_dir = Path(local_results_dir)
        self.local_results_dir.mkdir(parents=True, exist_ok=True)
        self.heartbeat_interval = heartbeat_interval
        self.checkpoint_interval = checkpoint_interval
        self._clock = clock
        self._status = StatusFile(self.local_results_dir, branch, clock)
        self._reported_at: float | None = None
        self._step = 0
        self._total: int | None = None
        self._metrics: dict[str, float] = {}
        self._checkpoint: str | None = None

    def update_heartbeat(
        self,
        message: str,
        *,
        step: int | None = None,
        total: int | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> bool:
        """Set the progress message, keeping step and metrics where none are given.

        With `step` it is always reported, without it at most once per heartbeat interval.
        Returns whether it was.
        """
        now = self._clock()
        recent = self._reported_at is not None and now - self._reported_at < self.heartbeat_interval
        if step is None and recent:
            return False
        self._step = self._step if step is None else step
        self._total = self._total if total is None else total
        self._metrics = self._metrics if metrics is None else dict(metrics)
        self._reported_at = now
        self._report(message)
        return True

    def checkpoint_due(self, epoch: int) -> bool:
        return epoch % self.checkpoint_interval == 0

    def save_checkpoint(self, checkpoint: Checkpoint) -> Path:
        """Write it atomically into the results directory and announce it."""
        path = save_checkpoint(self.local_results_dir, checkpoint)
        self._checkpoint = path.name
        self._report(f"saved {path.name}")
        return path

    def _report(self, message: str) -> None:
        progress.report(
            step=self._step,
            total=self._total,
            unit="epoch",
            message=message,
            metrics=self._metrics,
            checkpoint=self._checkpoint,
        )
        self._status.write(message, self._step, self._total, self._metrics)
