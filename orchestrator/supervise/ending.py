"""What the agent asks of a launch from outside: does it run, stop it, settle what a lost supervisor left."""

# ruff: noqa: PTH103, PTH110, PTH112, PTH116, PTH119

from __future__ import annotations

import contextlib
import os
import signal
import time

from . import evidence, kernel, processes
from .beat import last_step
from .records import (
    ExitRecord,
    boot_id,
    read_exit,
    read_json,
    replace_json,
    take_lock,
    write_exit,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

# A lost supervisor's worker has had the SIGHUP of its terminal already.
_LOST_GRACE_S = 2.0
# One that only lost its folder has had nothing yet.
_LOST_FOLDER_GRACE_S = 30.0
_LAST_WORD_S = 1.0
# What a supervisor needs beyond the grace: a scan, the drain, its last words.
_SLACK_S = 5.0
# Between a session and its supervisor's first file lies the start of a Python.
_COMES_UP_S = 2.0


def is_running(state_dir: str | PathLike[str]) -> bool:
    """Return whether a supervisor holds the launch's lock."""
    state = os.fspath(state_dir)
    if not os.path.exists(f"{state}/lock"):
        return False
    lock = take_lock(state, patience_s=0)
    if lock is None:
        return True
    os.close(lock)
    return False


def settle(state_dir: str | PathLike[str], grace_s: float = _LOST_GRACE_S) -> ExitRecord | None:
    """Return how the launch ended; None while it runs, or when it never began.

    If its supervisor was killed: end what it left behind, which blocks for `grace_s` and a little
    more, and write the record it could not write.
    """
    state = os.fspath(state_dir)
    if record := read_exit(state):
        return record
    about = read_json(f"{state}/supervisor.json")
    if not about or (lock := take_lock(state, patience_s=0)) is None:
        return None
    try:
        # It may have ended, and written its record, since the first look.
        return read_exit(state) or _settle_lost(state, about, grace_s)
    finally:
        os.close(lock)


def give_up(state_dir: str | PathLike[str], launch: str, attempt: int, stage: str) -> ExitRecord | None:
    """Record that a launch whose supervisor is long due never began; None if it did, or just does.

    A supervisor that comes after all finds the record, and starts nothing. Where its worker runs, and only
    the launch's folder was taken away, that is ended: nobody could tell its end.
    """
    state = os.fspath(state_dir)
    if (lock := take_lock(state, patience_s=0)) is None:
        return None
    try:
        if read_exit(state) or read_json(f"{state}/supervisor.json"):
            return None
        if ended := _end_without_folder(state, launch, _LOST_FOLDER_GRACE_S):
            return _record(state, launch, "lost", "its folder was removed", attempt, stage, len(ended))
        return _record(state, launch, "start-failed", "its supervisor did not come up", attempt, stage)
    finally:
        os.close(lock)


def _stop_without_folder(state: str, grace_s: float) -> ExitRecord | None:
    """End what runs on though its launch's folder was taken away; None if nothing does."""
    launch = os.path.basename(state)
    ended = _end_without_folder(state, launch, grace_s)
    if not ended:
        return None
    return _record(state, launch, "stopped", "its folder was removed", leftovers=len(ended))


def _end_without_folder(state: str, launch: str, grace_s: float) -> set[processes.Identity]:
    """Its supervisor, which knows of nothing, takes the end for a failure and is let say so first."""
    ended = _end_what_is_left({}, launch, grace_s)
    if ended:
        os.makedirs(state, mode=0o700, exist_ok=True)
    give_up_at = time.monotonic() + (_LAST_WORD_S if ended else 0)
    while not read_exit(state) and time.monotonic() < give_up_at:
        time.sleep(0.02)
    return ended


def _record(
    state: str, launch: str, cause: str, detail: str, attempt: int = 0, stage: str = "", leftovers: int = 0
) -> ExitRecord:
    """Of a launch that nobody measured."""
    record = ExitRecord(
        launch=launch,
        attempt=attempt,
        stage=stage,
        exit_code=None,
        signal=None,
        cause=cause,
        ended=time.time(),
        elapsed_s=0.0,
        leftovers=leftovers,
        detail=detail,
    )
    write_exit(state, None, "/", record)
    return record


def request_stop(state_dir: str | PathLike[str], grace_s: float | None = None) -> bool:
    """Ask the supervisor to end its worker within `grace_s`, without waiting.

    Return whether there is a supervisor to ask.
    """
    state = os.fspath(state_dir)
    about = read_json(f"{state}/supervisor.json")
    pid = about.get("pid")
    if not isinstance(pid, int) or pid <= 1 or not is_running(state):
        return False
    if about.get("pid_start") != processes.started(pid):
        return False
    if grace_s is not None:
        with contextlib.suppress(OSError):  # on a full disk it has the time that its launch was given
            replace_json(f"{state}/stop.json", {"grace_s": grace_s})
    try:
        os.kill(pid, signal.SIGTERM)
    except OSError:
        return False
    return True


def stop(state_dir: str | PathLike[str], grace_s: float) -> ExitRecord | None:
    """End the launch and return how it ended; None if it never began.

    Blocks until then: at most `grace_s` and some seconds, after which the supervisor is killed too.
    """
    state = os.fspath(state_dir)
    _await_supervisor(state)
    asked = request_stop(state, grace_s)
    give_up_at = time.monotonic() + grace_s + _SLACK_S
    while is_running(state) and time.monotonic() < give_up_at:
        time.sleep(0.02)
        asked = asked or request_stop(state, grace_s)  # it may just have been starting
    if is_running(state):
        _kill_supervisor(state)
    return settle(state, grace_s=0) or _stop_without_folder(state, grace_s)


def _await_supervisor(state: str) -> None:
    """One that was launched a moment ago can be asked nothing yet."""
    give_up_at = time.monotonic() + (_COMES_UP_S if os.path.isdir(state) else 0)
    known = (f"{state}/supervisor.json", f"{state}/exit.json")
    while not any(map(os.path.exists, known)) and time.monotonic() < give_up_at:
        time.sleep(0.02)


def _kill_supervisor(state: str) -> None:
    about = read_json(f"{state}/supervisor.json")
    pid = about.get("pid")
    if not isinstance(pid, int) or pid <= 1 or about.get("pid_start") != processes.started(pid):
        return
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return
    give_up_at = time.monotonic() + _SLACK_S
    while is_running(state) and time.monotonic() < give_up_at:
        time.sleep(0.02)


def _settle_lost(state: str, about: dict[str, Any], grace_s: float) -> ExitRecord:
    launch, attempt = str(about.get("launch") or ""), int(about.get("attempt") or 0)
    rebooted = about.get("boot_id") != boot_id()
    ended = _end_what_is_left(about, launch, grace_s) if launch and not rebooted else set()
    last_sign = time.time() if ended else _last_beat(state)
    killed = "" if rebooted else _memory_kill(state, about)
    cause = "rebooted" if rebooted else evidence.MEMORY if killed else "supervisor-lost"
    progress = about.get("progress")
    record = ExitRecord(
        launch=launch,
        attempt=attempt,
        stage=str(about.get("stage") or ""),
        exit_code=None,
        signal=None,
        cause=cause,
        ended=last_sign,
        elapsed_s=round(max(0.0, last_sign - _started(state, last_sign)), 3),
        leftovers=len(ended),
        step=last_step(progress if isinstance(progress, str) else None, state, launch, attempt),
        detail=killed,
    )
    with contextlib.suppress(OSError):  # a later look writes it, and what is known is known
        write_exit(state, about.get("results"), str(about.get("cwd") or "/"), record)
    return record


def _end_what_is_left(about: dict[str, Any], launch: str, grace_s: float) -> set[processes.Identity]:
    leader = _leader(about)
    kill_at = time.monotonic() + grace_s
    ended = processes.end(
        lambda: processes.belonging(launch, known=leader) - set(leader),
        lambda: kill_at - time.monotonic(),
        time.sleep,
    )
    for pid, start in leader:
        if processes.started(pid) == start:
            os.kill(pid, signal.SIGKILL)
    return ended


def _leader(about: dict[str, Any]) -> list[processes.Identity]:
    """It stays the parent of what loses its own, also when its supervisor is gone."""
    found = about.get("leader")
    is_one = isinstance(found, list) and len(found) == 2 and all(isinstance(part, int) for part in found)
    return [(found[0], found[1])] if found and is_one else []


def _memory_kill(state: str, about: dict[str, Any]) -> str:
    """What says that the supervisor was killed for memory, with its worker or instead of it."""
    beat = read_json(f"{state}/heartbeat.json")
    pids = {pid for pid in (about.get("pid"), beat.get("pid")) if isinstance(pid, int)}
    begun = about.get("pid_start")
    since = begun / os.sysconf("SC_CLK_TCK") if isinstance(begun, int) else time.monotonic()
    named = kernel.kill_named(kernel.log_since(since), pids)
    counters = beat.get("memory_kills")
    known = counters if isinstance(counters, dict) else {}
    groups = {path: count for path, count in known.items() if path != kernel.HOST and isinstance(count, int)}
    kills = kernel.rise(groups)
    return evidence.printable(named or (evidence.counted(kills) if kills else ""))


def _last_beat(state: str) -> float:
    for name in ("heartbeat.json", "supervisor.json"):
        with contextlib.suppress(OSError):
            return os.stat(f"{state}/{name}").st_mtime
    return time.time()


def _started(state: str, otherwise: float) -> float:
    started = read_json(f"{state}/heartbeat.json").get("started")
    return float(started) if isinstance(started, int | float) else otherwise
