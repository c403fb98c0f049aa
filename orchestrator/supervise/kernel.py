"""What the kernel tells of processes it killed and devices that failed: counters, and its log where it
may be read. Everything here is empty where there is no such thing.
"""

# ruff: noqa: PTH123

from __future__ import annotations

import os
import re
import time

CGROUPS = "/sys/fs/cgroup"
HOST = "/proc/vmstat"
_COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_KILLED = re.compile(r"[Kk]illed process (\d+)\b")
_XID = re.compile(r"NVRM: Xid .*?: (\d+)(?:, pid='?(\d+))?")
_RECORDS_LIMIT = 20_000
_RECORD_BYTES = 8192
# The log's clock is not corrected as the monotonic one is: they drift apart by one part in 2000 at most.
_SLACK_S, _DRIFT = 1.0, 1 / 2000
# From the kill to the end of a process that has much memory to give back, with a margin.
_LOOK_BACK_S = 15.0
_READ_LIMIT = 64 * 1024


def memory_kills(pid: int | str = "self", *, proc: str = "/proc", cgroups: str = CGROUPS) -> dict[str, int]:
    """How often the kernel killed for memory, by the file that counts it: of the process's own control
    group (version 2 or 1), and `HOST`, of the whole machine."""
    files = [*_counting(f"{proc}/{pid}/cgroup", cgroups), f"{proc}/vmstat"]
    return {path: int(count[1]) for path in files if (count := _COUNT.search(_text(path)))}


def rise(before: dict[str, int]) -> dict[str, int]:
    """By how much each of these counters rose since; without those that did not, or are gone."""
    now = {path: _COUNT.search(_text(path)) for path in before}
    rose = {path: int(count[1]) - before[path] for path, count in now.items() if count}
    return {path: more for path, more in rose.items() if more > 0}


class Kills:
    """The counters of a process as they were some seconds ago: who dies now was killed after that.

    Not as they were at the start: on a machine that is up for weeks somebody is always killed.
    """

    def __init__(self) -> None:
        self.since = self._marked_at = time.monotonic()
        self.before = memory_kills()
        self._marked = dict(self.before)

    def mark(self, pid: int | None) -> None:
        """Look again; `pid` may have moved to another control group."""
        now, counters = time.monotonic(), memory_kills(pid or "self")
        for path, count in counters.items():
            self.before.setdefault(path, count)
            self._marked.setdefault(path, count)
        if now - self._marked_at >= _LOOK_BACK_S:
            self.since, self.before = self._marked_at, self._marked
            self._marked_at, self._marked = now, counters


def log_since(monotonic_s: float, path: str = "/dev/kmsg") -> list[str]:
    """The messages of the kernel's log from that moment on, if we may read it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        first = monotonic_s * (1 - _DRIFT) - _SLACK_S
        return [text for at, text in _records(descriptor) if at >= first]
    finally:
        os.close(descriptor)


def kill_named(lines: list[str], pids: set[int] | None = None) -> str:
    """The last message of a kill for memory, of one of `pids` where they are given; else empty."""
    hits = [line for line in lines if (hit := _KILLED.search(line)) and (pids is None or int(hit[1]) in pids)]
    return hits[-1].split(", file-rss", 1)[0] if hits else ""


def device_error(lines: list[str], pids: set[int] | None = None) -> str:
    """The last message of an NVIDIA driver about a fault, of one of `pids` where they are given."""
    hits = [
        line for line in lines if (hit := _XID.search(line)) and (pids is None or int(hit[2] or 0) in pids)
    ]
    return hits[-1] if hits else ""


def _counting(listed: str, cgroups: str) -> list[str]:
    """The counting files of the groups listed in a /proc/PID/cgroup.

    In a container the listed path may be the host's: then the group is what is mounted.
    """
    found = []
    for line in _text(listed).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            mounts, name = [cgroups, f"{cgroups}/unified"], "memory.events"
        elif "memory" in controllers.split(","):
            mounts, name = [f"{cgroups}/memory"], "memory.oom_control"
        else:
            continue
        candidates = [f"{mount}{inner}/{name}" for mount in mounts for inner in (path.rstrip("/"), "")]
        found += [each for each in candidates if os.path.exists(each)][:1]  # noqa: PTH110
    return found


def _records(descriptor: int) -> list[tuple[float, str]]:
    records: list[tuple[float, str]] = []
    give_up_at = time.monotonic() + 1.0
    while len(records) < _RECORDS_LIMIT and time.monotonic() < give_up_at:
        try:
            record = os.read(descriptor, _RECORD_BYTES)
        except BrokenPipeError:  # overwritten while we read: the next one is there
            continue
        except OSError:
            break
        if not record:
            break
        head, _, text = record.partition(b";")
        fields = head.split(b",")
        if len(fields) > 2 and fields[2].isdigit():
            line = text.split(b"\n", 1)[0].decode("utf-8", "replace")
            records.append((int(fields[2]) / 1e6, line))
    return records


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_READ_LIMIT)
    except OSError:
        return ""
