"""Everything a launch started, also what left its session, and how to end it.

A process belongs to a launch when it is in the worker's session, descends from it, or carries the
launch's tag in its environment (which survives `setsid`, `nohup` and a dead parent).
Where there is no /proc, only the worker's process group and what descends from it can be found.
"""

# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import contextlib
import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TAG = "ORCHESTRATOR_LAUNCH"
# A pid alone may be another process by now: its start time tells.
Identity = tuple[int, int]

_HAS_PROC = os.path.exists("/proc/self/stat")  # noqa: PTH110

# Long enough for a killed process to be gone, short enough to give up on one in an endless system call.
_DEATH_WAIT_S = 5.0
_ROUNDS_ONE_BY_ONE = 3
_LOOKS = 5


class _Row:
    __slots__ = ("group", "parent", "session", "start")

    def __init__(self, parent: int, group: int, session: int, start: int) -> None:
        self.parent = parent
        self.group = group
        self.session = session
        self.start = start


def started(pid: int) -> int | None:
    """Return when a living process started, in ticks since boot (0 without /proc); None if it is dead."""
    row = _row(pid) if _HAS_PROC else _row_from_ps(pid)
    return row.start if row else None


def process_state(pid: int) -> str:
    """The kernel's letter: R and S are well, T is stopped, D waits for a device; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            status = file.read(1024)
        return status[status.rindex(b")") + 2 :][:1].decode("ascii", "replace")
    except (OSError, ValueError):
        return ""


def belonging(launch: str, leader: int | None = None, known: Iterable[Identity] = ()) -> set[Identity]:
    """Return the living processes of `launch`; never the caller or what it descends from.

    `leader` leads the worker's session; it is not among them. It must be our living child, or us: only
    then the session cannot be a stranger's, and our own children are the worker's too. `known` were seen
    to belong to it before.
    """
    table = _table()
    found = {
        pid
        for pid, row in table.items()
        if (leader is not None and (leader in (pid, row.session) or row.parent == os.getpid()))
        or (_HAS_PROC and launch in tags(pid))
    }
    found |= {pid for pid, start in known if pid in table and table[pid].start == start}
    found = _with_descendants(found, table) - _with_ancestors(os.getpid(), table) - {leader}
    return {(pid, table[pid].start) for pid in found}


def tagged() -> dict[Identity, tuple[str, ...]]:
    """Every living process that carries tags, whoever's; without /proc none."""
    table = _table() if _HAS_PROC else {}
    return {(pid, row.start): found for pid, row in table.items() if (found := tags(pid))}


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
    for each in _eldest_first(found):
        _send(each, signal.SIGTERM)
        _send(each, signal.SIGCONT)  # a stopped process would keep the TERM pending
    asked |= found
    return bool(found)


def _kill(find: Callable[[], set[Identity]], wait: Callable[[float], None]) -> set[Identity]:
    killed: set[Identity] = set()
    give_up_at = time.monotonic() + _DEATH_WAIT_S
    rounds = 0
    while (found := find()) and time.monotonic() < give_up_at:
        for each in _eldest_first(found):
            _send(each, signal.SIGKILL)
        rounds += 1
        if rounds > _ROUNDS_ONE_BY_ONE:
            kill_groups(found)
        killed |= found
        wait(0.02)
    return killed


def kill_groups(found: set[Identity]) -> None:
    """Who forks faster than we look is killed with its whole group at one moment, if all of it is ours."""
    table = _table()
    ours = {pid for pid, _ in found}
    groups = {table[pid].group for pid in ours if pid in table} - {os.getpgrp(), 0, 1}
    # Newer ones may have come, and have lost their parents to the session's leader, which is our child.
    ours = _with_descendants(ours | {pid for pid, row in table.items() if row.parent == os.getpid()}, table)
    for group in groups:
        if all(pid in ours for pid, row in table.items() if row.group == group):
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)


def _eldest_first(found: set[Identity]) -> list[Identity]:
    """A shell before its children: else it goes on to the next command of its list."""
    return sorted(found, key=lambda process: (process[1], process[0]))


def _send(process: Identity, number: int) -> None:
    pid, start = process
    if started(pid) == start:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def _is_alive(process: Identity) -> bool:
    return started(process[0]) == process[1]


def _table() -> dict[int, _Row]:
    if not _HAS_PROC:
        return _table_from_ps("-A")
    for _ in range(_LOOKS):
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        table = {pid: row for pid in pids if (row := _row(pid))}
        if all(row.parent in table or row.parent <= 1 for row in table.values()):
            break
        # A parent died while we read: whom its children fell to, only another look tells.
        time.sleep(0.002)
    return table


def _table_from_ps(*which: str) -> dict[int, _Row]:
    """Process groups stand in for sessions, which not every ps shows; nobody knows the start."""
    import subprocess  # only where there is no /proc: it doubles the time to start

    argv = ["ps", *which, "-o", "pid=,ppid=,pgid=,stat="]
    listed = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False).stdout
    rows = (line.split() for line in listed.splitlines())
    return {
        int(row[0]): _Row(int(row[1]), int(row[2]), int(row[2]), 0)
        for row in rows
        if not row[3].startswith("Z")
    }


def _row_from_ps(pid: int) -> _Row | None:
    return _table_from_ps("-p", str(pid)).get(pid)


def _row(pid: int) -> _Row | None:
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            status = file.read(1024)
        # The name before the last parenthesis may hold anything.
        fields = status[status.rindex(b")") + 2 :].split()
        if fields[0] in b"ZX":
            return None
        return _Row(int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))
    except (OSError, ValueError, IndexError):
        return None


def with_ancestors(pid: int) -> list[int]:
    """Return a process and what it descends from, itself first."""
    line: list[int] = []
    while pid > 0 and pid not in line:
        line.append(pid)
        row = _row(pid) if _HAS_PROC else None
        pid = row.parent if row else 0
    return line


def tags(pid: int) -> tuple[str, ...]:
    """The launches named in a process's environment: a keepalive inside a worker adds its own."""
    found = variable(pid, TAG)
    return tuple(found.split(" ")) if found else ()


def variable(pid: int, name: str) -> str:
    """What a process was started with under that name; empty too where we may not read it."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = b"\0" + file.read()
    except OSError:
        return ""
    return environment.partition(f"\0{name}=".encode())[2].partition(b"\0")[0].decode("utf-8", "replace")


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
