"""The daemon's ticks go on when somebody sets the clock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from orchestrator.ticking import SteadyScheduler


@pytest.fixture(name="scheduler")
def scheduler_fixture() -> Iterator[SteadyScheduler]:
    made = SteadyScheduler(timezone="UTC")
    yield made
    made.shutdown(wait=False)


def test_a_clock_that_was_set_back_by_a_day_stops_no_tick(scheduler: SteadyScheduler) -> None:
    """What the scheduler sees of it: its next time lies a day ahead."""
    ticked = threading.Event()
    job = scheduler.add_job(ticked.set, "interval", seconds=0.05, misfire_grace_time=None)
    scheduler.start()
    assert ticked.wait(10)
    job.modify(next_run_time=datetime.now(timezone.utc) + timedelta(days=1))
    ticked.clear()
    assert ticked.wait(10)


def test_a_scheduler_without_jobs_waits(scheduler: SteadyScheduler) -> None:
    scheduler.start()
    assert scheduler.running
