"""What a run says that it cost, among its metrics: kept with the decision on its stage."""

from __future__ import annotations

from collections.abc import Mapping

COSTS = (
    "peak_gpu_memory_mb",
    "peak_memory_mb",
    "step_time_s",
    "train_seconds",
    "checkpoint_bytes",
)
"""Names of metrics that are costs. Memory is in MiB."""


def costs_among(metrics: Mapping[str, float]) -> Mapping[str, float]:
    return {name: metrics[name] for name in COSTS if name in metrics}
