"""The daemon's clock work: a scheduler that no set clock puts to sleep."""

from __future__ import annotations

from datetime import datetime, timezone

from apscheduler.schedulers.background import BackgroundScheduler


class SteadyScheduler(BackgroundScheduler):  # type: ignore[misc]
    """Runs interval jobs on, whatever is done to the time of day.

    The library waits for a time of day. Where the clock is set back by a day, that lies a day ahead.
    """

    def _process_jobs(self) -> float | None:
        wait_s: float | None = super()._process_jobs()
        jobs = self.get_jobs()
        longest_s = max((job.trigger.interval_length for job in jobs), default=0.0)
        if wait_s is None or wait_s <= longest_s:
            return wait_s
        for job in jobs:
            job.modify(next_run_time=datetime.now(timezone.utc))
        return 0.0
