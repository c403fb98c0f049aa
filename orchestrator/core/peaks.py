"""How much of a device each run came to hold, as the driver told it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from orchestrator.core import facts as f
from orchestrator.core.devices import Census
from orchestrator.core.observation import Observation
from orchestrator.core.state import Ended, LaunchRecord, Running, State

WORTH_A_FACT = 1.1
SMALLEST_MB = 64


def with_peaks(observation: Observation, state: State, census: Census | None) -> Observation:
    """What was seen so far, and now; of launches that are still the newest of their workstream."""
    if census is None or not census.is_known:
        return observation
    current = {record.launch.id for record in state.workstreams.values() if record.launch}
    peaks = {launch: peak for launch, peak in observation.gpu_peaks.items() if launch in current}
    for launch, held_mb in _held(census).items():
        if launch in current:
            peaks[launch] = max(held_mb, peaks.get(launch, 0))
    return replace(observation, gpu_peaks=peaks)


def _held(census: Census) -> Mapping[str, int]:
    """By launch, what it holds on the device that it holds most of."""
    most: dict[str, int] = {}
    for gpu in census.gpus:
        here: dict[str, int] = {}
        for process in gpu.processes:
            for launch in process.launches:
                here[launch] = here.get(launch, 0) + (process.used_mb or 0)
        for launch, held_mb in here.items():
            most[launch] = max(held_mb, most.get(launch, 0))
    return most


def peak_facts(state: State, observation: Observation) -> Iterator[f.GpuPeakSeen]:
    """Peaks that grew by a tenth; of ended runs, all that grew."""
    if not observation.gpu_peaks:
        return
    for name, record in state.workstreams.items():
        launch = record.launch
        # Once its restart was asked for, what it held is to be forgotten.
        if launch is None or not launch.gpus or not isinstance(record.phase, Running | Ended):
            continue
        peak_mb = observation.gpu_peaks.get(launch.id, 0)
        if _is_worth_a_fact(launch, peak_mb, state.capacity.peaks.get(name, {}).get(launch.stage, 0)):
            yield f.GpuPeakSeen(workstream=name, launch=launch.id, stage=launch.stage, peak_mb=peak_mb)


def _is_worth_a_fact(launch: LaunchRecord, peak_mb: int, known_mb: int) -> bool:
    if launch.exit is not None:
        return peak_mb > known_mb
    return peak_mb >= max(SMALLEST_MB, known_mb * WORTH_A_FACT) and peak_mb > known_mb
