"""The census of this host's GPUs, by `nvidia-smi`, in a thread of its own: a sick driver blocks for ever.

A program, and not the driver's library in this process: what hangs in the kernel takes its process
along, and the agent must stay one that can be ended.
"""

from __future__ import annotations

import math
import os
import pwd
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.core.devices import Census, Gpu, GpuProcess
from orchestrator.supervise import processes

EVERY_S = 3.0
SHARE_OF_TIME = 0.1
"""A look takes up to seconds where the driver has to wake first: it is no more than this of the time."""

LOOK_LIMIT_S = 15.0
FIRST_LOOK_S = 10.0
"""Who asks once waits this long for the first look; a driver may take seconds to wake."""

PROGRAM = "nvidia-smi"
SEARCHED_AGAIN_S = 60.0

# Names come last: they may hold a comma.
_DEVICES = ("index", "uuid", "memory.total", "memory.used", "memory.free", "utilization.gpu", "name")
_PROCESSES = ("gpu_uuid", "pid", "used_memory", "process_name")
# Of nvidia-smi: no device was found, no driver is loaded, no driver library is there.
_NO_DRIVER = (6, 9, 12)


class _NoDriver(Exception):
    """There is nothing to count here."""


class _Failed(Exception):
    """The driver is there and does not answer as it should; the message is for people."""


@dataclass(slots=True)
class GpuWatch:
    """The memory of one agent. `read` never blocks; `latest` blocks for the first look only."""

    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: Census | None = None
    _taken_at: float = 0.0
    _due_at: float = 0.0
    _began_at: float | None = None
    _looked: threading.Event = field(default_factory=threading.Event)
    _mig: tuple[int, ...] = ()
    _listed_at: float = -math.inf

    def read(self) -> Census:
        """What the last look saw; begins another when one is due."""
        with self._lock:
            now = self.clock()
            if self._began_at is None and now >= self._due_at:
                if shutil.which(PROGRAM) is None:
                    self._known, self._due_at = Census(driver=False), now + SEARCHED_AGAIN_S
                    self._looked.set()
                    return self._known
                self._began_at = now
                threading.Thread(target=self._look, name="gpus", daemon=True).start()
            return self._answer(now)

    def latest(self, wait_s: float = FIRST_LOOK_S) -> Census:
        """As `read`, after the first look: waits for that at most `wait_s` seconds."""
        self.read()
        self._looked.wait(wait_s)
        return self.read()

    def _divided(self, now: float) -> tuple[int, ...]:
        """Asked for seldom: it changes by hand only."""
        if now >= self._listed_at + SEARCHED_AGAIN_S:
            self._mig, self._listed_at = divided_devices(), now
        return self._mig

    def _answer(self, now: float) -> Census:
        known = self._known
        if known is None or not known.driver:
            silent_s = now - self._began_at if self._began_at is not None else 0.0
            error = f"{PROGRAM} has not answered for {silent_s:.0f} s" if silent_s > LOOK_LIMIT_S else ""
            return replace(known or Census(), error=error)
        return known if known.age_s is None else replace(known, age_s=now - self._taken_at)

    def _look(self) -> None:
        began = self.clock()
        try:
            seen = Census(age_s=0.0, gpus=take_census(), divided=self._divided(began))
        except _NoDriver:
            seen = Census(driver=False)
        except _Failed as error:
            seen = replace(self._known or Census(), driver=True, error=str(error))
        with self._lock:
            ended = self.clock()
            pause_s = max(EVERY_S, (ended - began) / SHARE_OF_TIME)
            self._due_at = ended + (pause_s if seen.driver else SEARCHED_AGAIN_S)
            if not seen.error:
                self._taken_at = began
            self._known, self._began_at = seen, None
        self._looked.set()


def take_census() -> tuple[Gpu, ...]:
    """Ask the driver; blocks, at worst for a little over twice `LOOK_LIMIT_S`.

    Raises:
        _NoDriver: there is none.
        _Failed: it does not answer as it should.
    """
    rows = _queried("--query-gpu", _DEVICES)
    computing = _by_device(_queried("--query-compute-apps", _PROCESSES))
    return tuple(replace(gpu, processes=tuple(computing.get(gpu.uuid, ()))) for gpu in map(_gpu, rows))


def divided_devices() -> tuple[int, ...]:
    """Those below which `nvidia-smi -L` lists MIG devices. Raises as `take_census`."""
    divided, index = [], None
    for line in _answered("-L").splitlines():
        device = re.match(r"GPU (\d+):", line)
        index = int(device[1]) if device else index
        if index is not None and re.match(r"\s+MIG .*\(UUID: ", line):
            divided.append(index)
    return tuple(dict.fromkeys(divided))


def _queried(query: str, fields: Sequence[str]) -> list[list[str]]:
    text = _answered(f"{query}={','.join(fields)}", "--format=csv,noheader,nounits")
    rows = [[cell.strip() for cell in line.split(",", len(fields) - 1)] for line in text.splitlines() if line]
    return [row for row in rows if len(row) == len(fields)]


def _answered(*arguments: str) -> str:
    program = shutil.which(PROGRAM)
    if program is None:
        raise _NoDriver
    try:
        done = subprocess.run([program, *arguments], capture_output=True, timeout=LOOK_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise _Failed(f"{PROGRAM} did not answer within {LOOK_LIMIT_S:.0f} s") from None
    except OSError as error:
        raise _Failed(f"{PROGRAM} cannot be run: {error.strerror}") from error
    if done.returncode in _NO_DRIVER:
        raise _NoDriver
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        said = (text + done.stderr.decode("utf-8", "replace")).strip().partition("\n")[0]
        raise _Failed(f"{PROGRAM} exited with status {done.returncode}: {said[:200]}")
    return text


def _gpu(row: Sequence[str]) -> Gpu:
    index, uuid, total, used, free, utilization, name = row
    numbers = [_number(cell) for cell in (index, total, used, free)]
    if None in numbers:
        raise _Failed(f"{PROGRAM} tells no memory of device {index} ({name})")
    at, total_mb, used_mb, free_mb = (number or 0 for number in numbers)
    return Gpu(
        index=at,
        uuid=uuid,
        name=name,
        total_mb=total_mb,
        used_mb=used_mb,
        free_mb=free_mb,
        utilization=_number(utilization),
    )


def _number(cell: str) -> int | None:
    """None where the driver writes `[N/A]` or the like."""
    return int(cell) if cell.isdecimal() else None


def _by_device(rows: Sequence[Sequence[str]]) -> dict[str, list[GpuProcess]]:
    found: dict[str, list[GpuProcess]] = {}
    for uuid, pid, used, name in rows:
        if pid.isdecimal():
            found.setdefault(uuid, []).append(_process(int(pid), _number(used), name))
    return found


def _process(pid: int, used_mb: int | None, name: str) -> GpuProcess:
    base = name.rpartition("/")[2]
    return GpuProcess(
        pid=pid,
        name="" if base.startswith("[") else base[:64],
        user=_user_of(pid),
        used_mb=used_mb,
        launches=tuple(dict.fromkeys(_launches(pid))),
    )


def _user_of(pid: int) -> str:
    try:
        number = os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116 (a Path costs as much as the call)
        return pwd.getpwuid(number).pw_name
    except OSError:
        return ""
    except KeyError:  # a container whose uid has no name
        return str(number)


def _launches(pid: int) -> Iterator[str]:
    """A child that cleared its environment still has a parent."""
    for each in processes.with_ancestors(pid):
        found = processes.tags(each)
        if found:
            yield from found
            return
