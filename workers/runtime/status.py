"""`BRANCH_status.json`: what a monitor shows of a branch in one line."""

import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from workers.runtime.atomic import replace_json

SHOWN = {"accuracy": "classification_acc", "loss": "total_loss", "mae": "forecast_mae"}
# A status may be five minutes old at most; a synced one is seen later than it was written.
INTERVAL_S = 60.0


class StatusFile:
    def __init__(
        self, directory: Path, branch: str | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.branch = branch or os.environ.get("ORCHESTRATOR_WORKSTREAM") or "branch"
        self.path = directory / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', self.branch)}_status.json"
        self._clock = clock
        self._began = clock()
        self._first_step: int | None = None
        self._written: tuple[float, int] | None = None  # when, at which step

    def write(self, message: str, step: int, total: int | None, metrics: Mapping[str, float]) -> None:
        """Write after each step, and between steps once a minute."""
        now = self._clock()
        if self._first_step is None:
            self._first_step = step
        if self._written and self._written[1] == step and now - self._written[0] < INTERVAL_S:
            return
        self._written = now, step
        status = {
            "v": 1,
            "branch": self.branch,
            "epoch": step,
            "epochs": total,
            **{name: metrics.get(metric) for name, metric in SHOWN.items()},
            "message": message,
            "eta_s": self._remaining(now, step, total),
            "updated": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        try:
            replace_json(self.path, status)
        except (OSError, ValueError) as error:  # a full disk or a NaN: the training decides for itself
            print(f"{self.path.name} was not written: {error}", file=sys.stderr)

    def _remaining(self, now: float, step: int, total: int | None) -> float | None:
        done = step - (self._first_step or 0)
        if total is None or done <= 0:
            return None
        return round((now - self._began) / done * max(0, total - step), 1)
