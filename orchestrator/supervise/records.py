"""The small files of a launch: atomic, bounded when read, durable where it matters."""

# ruff: noqa: PTH100, PTH103, PTH105, PTH108

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

READ_LIMIT_BYTES = 64 * 1024
# One block: no record is longer.
RESERVE_BYTES = 4096
# Others look at the lock by taking it for a moment: a supervisor that starts just then asks again.
LOCK_PATIENCE_S = 1.0


class ExitRecord:
    """How a launch ended. `exit_code` is None after death by a signal."""

    def __init__(
        self,
        *,
        launch: str,
        attempt: int,
        stage: str,
        exit_code: int | None,
        signal: str | None,
        cause: str,
        ended: float,
        elapsed_s: float,
        leftovers: int,
        step: float | None = None,
        detail: str = "",
    ) -> None:
        self.launch = launch
        self.attempt = attempt
        self.stage = stage
        self.exit_code = exit_code
        self.signal = signal
        self.cause = cause
        self.ended = ended
        self.elapsed_s = elapsed_s
        self.leftovers = leftovers
        self.step = step
        self.detail = detail


_BLANK_EXIT: Mapping[str, Any] = {
    "launch": "",
    "attempt": 1,
    "stage": "",
    "exit_code": None,
    "signal": None,
    "cause": "",
    "ended": 0.0,
    "elapsed_s": 0.0,
    "leftovers": 0,
    "step": None,
    "detail": "",
}


def leads_out(results: str | None, cwd: str) -> bool:
    """Whether links make `results`, which lies in `cwd`, something outside: there we write nothing.

    Results that never were to lie in `cwd` are where they are meant to be.
    """
    if not results or not _is_below(os.path.abspath(results), os.path.abspath(cwd)):
        return False
    return not _is_below(os.path.realpath(results), os.path.realpath(cwd))


@contextlib.contextmanager
def held_results(results: str | None, cwd: str) -> Iterator[str | None]:
    """A path that goes on to be the folder `results` is now, whatever link takes its place meanwhile.

    None where there is no such folder, or `leads_out` is true of it.
    """
    try:
        descriptor = os.open(results or "", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        held = f"/proc/self/fd/{descriptor}"
        if not os.path.isdir(held):  # noqa: PTH112 - no Linux
            held = results or ""
        meant = _is_below(os.path.abspath(results or ""), os.path.abspath(cwd))
        inside = _is_below(os.path.realpath(held), os.path.realpath(cwd))
        yield held if inside or not meant else None
    finally:
        os.close(descriptor)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def read_exit(state: str) -> ExitRecord | None:
    """None when there is none yet. What another version added is passed over, what it lacks is blank."""
    found = read_json(f"{state}/exit.json")
    if not isinstance(found.get("cause"), str):
        return None
    return ExitRecord(**{name: found.get(name, blank) for name, blank in _BLANK_EXIT.items()})


def reserve(path: str) -> None:
    """Take the room for a small file while there is some."""
    with contextlib.suppress(OSError):
        _write_whole(f"{path}.reserve", b" " * RESERVE_BYTES, durable=False)


def use_reserve(path: str, content: bytes, *, durable: bool = False) -> None:
    """Make the file of what was reserved for it, which needs no more room.

    Raises:
        OSError: nothing was reserved, or it cannot be written.
    """
    overwrite(f"{path}.reserve", content, durable=durable)
    os.replace(f"{path}.reserve", path)
    if durable:
        _sync_folder(os.path.dirname(path))  # noqa: PTH120


def write_exit(state: str, results: str | None, cwd: str, record: ExitRecord) -> None:
    """Write the authoritative record durably, then its copy in `results` if that can be done.

    On a full disk the record takes the room that was reserved for it. In `results` no record of a later
    launch is replaced.
    """
    content = {"v": 1, **vars(record)}
    try:
        replace_json(f"{state}/exit.json", content, durable=True)
    except OSError:
        use_reserve(f"{state}/exit.json", json.dumps(content).encode(), durable=True)
    for name in ("exit.json", "heartbeat.json"):
        with contextlib.suppress(OSError):
            os.unlink(f"{state}/{name}.reserve")
    with held_results(results, cwd) as folder, contextlib.suppress(OSError):
        if folder and _is_latest(folder, record.launch):
            replace_json(f"{folder}/exit.json", content)


def _is_latest(results: str, launch: str) -> bool:
    """Whether no other launch has beaten in these results since this one did."""
    return read_json(f"{results}/heartbeat.json").get("launch") in (None, launch)


def overwrite(path: str, content: bytes, *, durable: bool = False) -> None:
    """Write over a file in place, with blanks to its end: that needs no room on most file systems.

    Raises:
        OSError: there is no such plain file, or it cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is no plain file", path)
        os.pwrite(descriptor, content.ljust(status.st_size), 0)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: str) -> dict[str, Any]:
    """Return the object in a file; empty when there is none, or it is torn, huge or something else."""
    try:
        # A FIFO put in the file's place must not block us.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return {}
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > READ_LIMIT_BYTES:
            return {}
        found = json.loads(os.read(descriptor, READ_LIMIT_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    finally:
        os.close(descriptor)
    return found if isinstance(found, dict) else {}


def replace_json(path: str, content: Mapping[str, object], *, durable: bool = False) -> None:
    replace_file(path, json.dumps(content).encode() + b"\n", durable=durable)


def replace_file(path: str, content: bytes, *, durable: bool = False) -> None:
    folder, name = os.path.split(path)
    temporary = f"{folder}/.{name}.{os.getpid()}.tmp"
    try:
        _write_whole(temporary, content, durable)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        _sync_folder(folder)


def _write_whole(path: str, content: bytes, durable: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o666)
    try:
        while content:
            content = content[os.write(descriptor, content) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def take_lock(state: str, patience_s: float = LOCK_PATIENCE_S) -> int | None:
    """Return the descriptor that holds the launch's lock until closed, or None if another holds it."""
    os.makedirs(state, exist_ok=True)
    descriptor = os.open(f"{state}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    give_up_at = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES) or time.monotonic() >= give_up_at:
                os.close(descriptor)
                return None
        time.sleep(0.02)


def boot_id() -> str:
    """Tell one run of the machine from the next; empty where that cannot be told."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123
            return file.read().strip()
    except OSError:
        return ""
