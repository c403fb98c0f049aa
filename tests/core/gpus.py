"""Devices as a driver would tell them, and hosts that were seen with them."""

from __future__ import annotations

from orchestrator.core.devices import Census, Gpu, GpuProcess
from orchestrator.core.observation import HostSeen, Observation

TOTAL_MB = 81920


def process(pid: int, used_mb: int | None, *launches: str, user: str = "bob") -> GpuProcess:
    return GpuProcess(pid=pid, name="python", user=user, used_mb=used_mb, launches=launches)


def gpu(index: int, *processes: GpuProcess, total_mb: int = TOTAL_MB, hidden_mb: int = 0) -> Gpu:
    """`hidden_mb` belong to no process that the driver shows."""
    used_mb = hidden_mb + sum(one.used_mb or 0 for one in processes)
    return Gpu(
        index=index,
        uuid=f"GPU-{index}",
        name="A100",
        total_mb=total_mb,
        used_mb=used_mb,
        free_mb=total_mb - used_mb,
        processes=processes,
    )


def there(*gpus: Gpu, host: str = "gpu", at: float = 0.0, **more: object) -> Observation:
    """A reachable host with a census; a driver is there when devices are."""
    census = Census(age_s=0.0, gpus=gpus) if gpus else None
    seen = HostSeen(reachable=True, census=census, census_at=at, **more)  # type: ignore[arg-type]
    return Observation(hosts={host: seen})
