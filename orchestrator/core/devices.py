"""What a host said of its GPUs and its disk. It travels, so it needs no more than the standard library."""

from __future__ import annotations

from dataclasses import dataclass

CENSUS_LIMIT_S = 30.0
"""An older census is none: the driver does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcess:
    """A process that computes on a device. `launches` are those whose tag it carries: none of ours, none.

    `used_mb` is None where the driver does not tell. `user` is empty for a process outside the host's
    sight, of another container say.
    """

    pid: int
    name: str = ""
    user: str = ""
    used_mb: int | None = None
    launches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A device by the driver's index, that of the PCI bus. Memory in MiB."""

    index: int
    uuid: str
    name: str
    total_mb: int
    used_mb: int
    free_mb: int
    utilization: int | None = None
    processes: tuple[GpuProcess, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """The last look at the devices, `age_s` seconds ago; None: the first is still under way.

    `driver` is False where there is none; `error` says why the last look failed. A failed look leaves
    the devices as they were seen before. `divided` are devices that MIG splits into instances.
    """

    driver: bool = True
    age_s: float | None = None
    error: str = ""
    gpus: tuple[Gpu, ...] = ()
    divided: tuple[int, ...] = ()

    @property
    def is_pending(self) -> bool:
        return self.driver and self.age_s is None and not self.error

    @property
    def is_known(self) -> bool:
        return self.driver and self.age_s is not None and self.age_s <= CENSUS_LIMIT_S

    def gpu(self, index: int) -> Gpu | None:
        return next((gpu for gpu in self.gpus if gpu.index == index), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The file system with the least room of those that worktrees and state lie on."""

    folder: str
    free_bytes: int
    total_bytes: int


def in_mib(megabytes: int) -> str:
    """Device memory for people: MiB below one GiB, else GiB."""
    return f"{megabytes} MiB" if megabytes < 1024 else f"{megabytes / 1024:.1f} GiB"


def process_in_words(process: GpuProcess) -> str:
    """As `pid 4711 (python, user bob)`."""
    known = [process.name, f"user {process.user}" if process.user else ""]
    about = ", ".join(filter(None, known))
    return f"pid {process.pid}" + (f" ({about})" if about else "")


def holds_in_words(process: GpuProcess) -> str:
    held = "memory" if process.used_mb is None else in_mib(process.used_mb)
    return f"{process_in_words(process)} holds {held}"
