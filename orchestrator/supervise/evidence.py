"""Why a command ended: what the kernel, the disk and its own last words say beside its exit code.

A cause is named only where something says so: what nobody explains has `exited` or ended by a `signal`.
"""

from __future__ import annotations

import os
import re

from . import kernel

MEMORY, GPU_MEMORY, GPU_FAULT, DISK = "memory", "gpu-memory", "gpu-fault", "disk"

TAIL_BYTES = 16 * 1024
DETAIL_LIMIT = 300
_LINE_LIMIT = 2000
_FULL_BYTES = 1024 * 1024
_KILLED_CODE = 128 + 9

# A parent that tells of a child's death: the shell, PyTorch's loader and launcher, multiprocessing.
_KILLED_CHILD = re.compile(
    r"\bKilled\b|killed by signal: (?:9|Killed)|\bSIGKILL\b|exitcode:? *-9\b|BrokenProcessPool"
)
_SAYINGS = (
    (
        GPU_MEMORY,
        re.compile(
            r"torch(?:\.cuda)?\.OutOfMemoryError|\b(?:CUDA|HIP|XPU)(?: error:)? out of memory"
            r"|hipErrorOutOfMemory|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|CU(?:BLAS|DNN|SOLVER)_STATUS_ALLOC_FAILED"
            r"|MPS backend out of memory|RESOURCE_EXHAUSTED: Out of memory|OOM when allocating tensor"
        ),
    ),
    (
        DISK,
        re.compile(
            r"No space left on device|Disk quota exceeded|\bENOSPC\b|\bEDQUOT\b|database or disk is full"
        ),
    ),
    (
        GPU_FAULT,
        re.compile(
            r"an illegal memory access was encountered|uncorrectable ECC error|unspecified launch failure"
            r"|CUDA_ERROR_(?:ILLEGAL_ADDRESS|ECC_UNCORRECTABLE|LAUNCH_FAILED|LAUNCH_TIMEOUT)"
            r"|CUDA error: (?:the launch timed out|unknown error)|cudaErrorIllegalAddress"
            r"|Watchdog caught collective operation timeout|NCCL\b.{0,80}\b(?:timeout|timed out)"
            r"|NCCL error|DistBackendError|NVRM: Xid|fallen off the bus"
        ),
    ),
)
_ON_DEVICE = re.compile(r"\bCUDA\b|\bcuda|\bNCCL\b|\bcuDNN\b")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")


class Tail:
    """The last bytes of an output, kept in memory: the log may be on a disk that is full."""

    def __init__(self) -> None:
        self._kept = b""

    def put(self, data: bytes) -> None:
        self._kept = (self._kept + data)[-TAIL_BYTES:] if len(data) < TAIL_BYTES else data[-TAIL_BYTES:]

    def lines(self) -> list[str]:
        text = self._kept.decode("utf-8", "replace").replace("\r", "\n")
        return [line[:_LINE_LIMIT] for line in text.split("\n") if line.strip()]


class End:
    """What is known when a command ended badly: `kills` is by how much the kernel's counters rose since
    `since`, `tail` its last lines, `folders` are where it writes."""

    def __init__(
        self,
        *,
        exit_code: int | None,
        signal: int | None,
        pids: set[int],
        since: float,
        kills: dict[str, int],
        tail: list[str],
        folders: tuple[str, ...],
    ) -> None:
        self.killed = signal == _KILLED_CODE - 128 or exit_code == _KILLED_CODE
        self.pids = pids
        self.since = since
        self.kills = kills
        self.tail = tail
        self.folders = folders


def cause_of(end: End) -> tuple[str | None, str]:
    """The cause and one line that shows it; None and nothing where nobody says."""
    lines = kernel.log_since(end.since)
    if detail := _memory(end, lines):
        return MEMORY, printable(detail)
    for cause, saying in _SAYINGS:
        if said := _last(saying, end.tail):
            return cause, printable(said)
    if full := next(filter(is_full, end.folders), None):
        return DISK, printable(f"the file system of {full} is full")
    if xid := kernel.device_error(lines, None if _last(_ON_DEVICE, end.tail) else end.pids):
        return GPU_FAULT, printable(xid)
    return None, ""


def _memory(end: End, lines: list[str]) -> str:
    if end.killed and (named := kernel.kill_named(lines, end.pids)):
        return named
    groups = {path: more for path, more in end.kills.items() if path != kernel.HOST}
    if end.killed and end.kills:
        return kernel.kill_named(lines) or counted(groups or end.kills)
    if groups and (said := _last(_KILLED_CHILD, end.tail)):
        return kernel.kill_named(lines) or said
    return ""


def counted(kills: dict[str, int]) -> str:
    path, more = next(iter(kills.items()))
    return f"the kernel killed {more} for want of memory meanwhile, says {path}"


def _last(saying: re.Pattern[str], lines: list[str]) -> str:
    return next((line for line in reversed(lines) if saying.search(line)), "")


def is_full(folder: str) -> bool:
    """Whether nothing can be written there: no room, or no inode is left to us."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    size = found.f_blocks * found.f_frsize
    free = found.f_bavail * found.f_frsize
    return free < min(_FULL_BYTES, size // 100) or (found.f_files > 0 and found.f_favail == 0)


def printable(text: str) -> str:
    """One line for people, without what a terminal would obey."""
    plain = _ESCAPES.sub("", text[: 8 * DETAIL_LIMIT])
    return "".join(c if c.isprintable() else " " for c in plain).strip()[:DETAIL_LIMIT]
