"""Everything a launch started, also what left its session, and how to end it.

A process belongs to a launch when it is in the worker's session, descends from it, or carries the
launch's tag in its environment (which survives `setsid`, `nohup` and a dead parent).
Where there is no /proc, only the worker's process group can be found.
"""

# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TAG = "ORCHESTRATOR_LAUNCH"
# A pid alone may be another process by now: its start time tells.
Identity = tuple[int, int]

# Long enough for a killed process to be gone, short enough to give up on one in an endless system call.
_DEATH_WAIT_S = 3.0


class _Row:
    __slots__ = ("parent", "session", "start")

    def __init__(self, parent: int, session: int, start: int) -> None:
        self.parent = parent
        self.session = session
        self.start = start


def started(pid: int) -> int | None:
    """Return when a living process started, in ticks since boot; None if it is dead or a zombie."""
    row = _row(pid)
    return row.start if row else None


def belonging(launch: str, worker: int | None = None) -> set[Identity]:
    """Return the living processes of `launch`; never the caller or what it descends from.

    `worker` must be our child, not yet reaped: only then its session cannot be a stranger's.
    """
    table = _table()
    if not table and worker is not None:
        return _group(worker)
    found = {
        pid
        for pid, row in table.items()
        if (worker is not None and worker in (pid, row.session)) or _is_tagged(pid, launch)
    }
    found = _with_descendants(found, table) - _with_ancestors(os.getpid(), table)
    return {(pid, table[pid].start) for pid in found}


def end(
    find: Callable[[], set[Identity]], remaining_s: Callable[[], float], wait: Callable[[float], None]
) -> set[Identity]:
    """TERM all that `find` returns, KILL what is left after the grace; return all that were asked.

    Each is asked once: for many programs a second TERM means "at once". `find` is called again for what
    appears meanwhile. `wait` lets a while pass.
    """
    asked: set[Identity] = set()
    pause = 0.01
    while remaining_s() > 0:
        if not any(map(_is_alive, asked)) and not _ask(find() - asked, asked):
            return asked
        wait(min(pause, max(0.0, remaining_s())))
        pause = min(0.2, pause * 1.5)
    asked |= _kill(find, wait)
    return asked


def _ask(found: set[Identity], asked: set[Identity]) -> bool:
    for each in found:
        _send(each, signal.SIGTERM)
        _send(each, signal.SIGCONT)  # a stopped process would keep the TERM pending
    asked |= found
    return bool(found)


def _kill(find: Callable[[], set[Identity]], wait: Callable[[float], None]) -> set[Identity]:
    killed: set[Identity] = set()
    give_up_at = time.monotonic() + _DEATH_WAIT_S
    while (found := find()) and time.monotonic() < give_up_at:
        for each in found:
            _send(each, signal.SIGKILL)
        killed |= found
        wait(0.02)
    return killed


def _send(process: Identity, number: int) -> None:
    pid, start = process
    if start >= 0 and started(pid) != start:
        return
    try:
        if start >= 0:
            os.kill(pid, number)
        else:
            os.killpg(pid, number)
    except OSError:
        pass


def _is_alive(process: Identity) -> bool:
    pid, start = process
    return started(pid) == start if start >= 0 else bool(_group(pid))


def _group(worker: int) -> set[Identity]:
    try:
        os.killpg(worker, 0)
    except OSError:
        return set()
    return {(worker, -1)}


def _table() -> dict[int, _Row]:
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return {}
    return {pid: row for pid in pids if (row := _row(pid))}


def _row(pid: int) -> _Row | None:
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            status = file.read(1024)
        # The name before the last parenthesis may hold anything.
        fields = status[status.rindex(b")") + 2 :].split()
        if fields[0] in b"ZX":
            return None
        return _Row(int(fields[1]), int(fields[3]), int(fields[19]))
    except (OSError, ValueError, IndexError):
        return None


def _is_tagged(pid: int, launch: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = b"\0" + file.read()
    except OSError:
        return False
    _, found, rest = environment.partition(f"\0{TAG}=".encode())
    # A keepalive inside a worker adds its own tag after the worker's.
    return bool(found) and launch.encode() in rest.partition(b"\0")[0].split(b" ")


def _with_descendants(found: set[int], table: dict[int, _Row]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, row in table.items():
        children.setdefault(row.parent, []).append(pid)
    reached, todo = set(found), list(found)
    while todo:
        fresh = [child for child in children.get(todo.pop(), ()) if child not in reached]
        reached.update(fresh)
        todo += fresh
    return reached


def _with_ancestors(pid: int, table: dict[int, _Row]) -> set[int]:
    line: set[int] = set()
    while pid in table and pid not in line:
        line.add(pid)
        pid = table[pid].parent
    return line
