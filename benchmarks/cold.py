"""What the first `up` costs more than a later one: daemon, agent and their caches from nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator

from benchmarks.measuring import Figure, median, seconds
from benchmarks.scene import down, scene, up, write_plan

LIMIT_S = 1.0


def measure(runs: int) -> Iterator[Figure]:
    found = [_cold_and_warm() for _ in range(runs)]
    cold, warm = (median(values) for values in zip(*found, strict=True))
    yield Figure(what="up of 1: cold, against warm", ours=cold, unit="s", baseline=warm)
    added = median(cold - warm for cold, warm in found)
    yield Figure(what="what a cold start adds", ours=added, unit="s", limit=LIMIT_S)


def _cold_and_warm() -> tuple[float, float]:
    """A fresh home has no agent unpacked; nothing but the installed package is there."""
    with scene(20) as project:
        write_plan(project, 1)
        os.sync()
        cold = seconds(lambda: up(project, "--wave", "1"))
        os.sync()
        warm = seconds(lambda: up(project, "--wave", "2"))
        down(project)
        return cold, warm
