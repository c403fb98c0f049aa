"""One rsync: named files from a host's worktree into our staging folder, and nothing else.

Files are written in place there: whatever ends a transfer, the next one goes on from what has arrived.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestrator.agent.contract import short_line
from orchestrator.errors import CommandFailed, HostUnreachable, OrchestratorError

SILENCE_S = 60
"""A transfer in which no byte moves for this long is ended."""

STALLED_S = 900
"""Nor may it only keep the line busy: reading a large file again to compare it takes minutes."""

_LOOK_S = 0.25
_END_GRACE_S = 3.0
_STDERR_BYTES = 8192
# Some files vanished, or could not be read: what has arrived is looked at one by one anyway.
_DONE = (0, 23, 24)
_NO_ANSWER = (10, 12, 30, 35, 255)
_FULL = ("No space left", "Disk quota exceeded")


class NoRoom(OrchestratorError):
    """Our own disk is too full to go on; nothing that was here is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """`shell` and `host` are empty for this machine. `basis` is where earlier versions lie.

    `lock` stays open in rsync: it is held for as long as one writes into `staging`.
    """

    host: str
    shell: Sequence[str]
    worktree: str
    staging: Path
    basis: Path
    bandwidth: int | None
    lock: int


def transfer(job: Transfer, paths: Sequence[str], go_on: Callable[[], None]) -> None:
    """Fetch `paths`; blocks. `go_on` is asked several times a second, and raises to end it.

    Raises:
        HostUnreachable: the link broke, or nothing came any more.
        NoRoom: our disk is full.
        CommandFailed: rsync is missing here or there, or failed.
    """
    with tempfile.TemporaryFile() as names:
        names.write(b"".join(os.fsencode(path) + b"\0" for path in paths))
        names.seek(0)
        process = _start(job, names)
    try:
        said = _LastWords(process)
        _wait(process, go_on, _Arriving(job, paths))
    finally:
        _end(process)
    code = process.returncode
    if code not in _DONE:
        raise _failure(job, code, said.text())


def _start(job: Transfer, names: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            _argv(job),
            stdin=names,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(job.lock,),
            start_new_session=True,
            env=_environment(),
            cwd="/",
        )
    except FileNotFoundError as error:
        raise CommandFailed("rsync is not installed here.", "install rsync 3.1 or later") from error


def _argv(job: Transfer) -> list[str]:
    """No links, devices, owners or modes of theirs; the sender's list is checked against ours by rsync."""
    source = f"{job.worktree.rstrip('/')}/"
    limit = [f"--bwlimit={max(1, job.bandwidth // 1024)}"] if job.bandwidth else []
    return [
        # Two writes within one second are two files: nanoseconds count.
        "rsync", "--modify-window=-1",
        "--files-from=-", "--from0", "--protect-args", "--times", "--inplace", "--sparse",
        "--no-links", "--no-hard-links", "--no-devices", "--no-specials", "--no-perms", "--no-owner",
        "--no-group", "--chmod=D0700,F0600", f"--timeout={SILENCE_S}", f"--copy-dest={job.basis}", *limit,
        *(["-e", shlex.join(job.shell)] if job.shell else []),
        f"{job.host}:{source}" if job.shell else source,
        f"{job.staging}/",
    ]  # fmt: skip


def _environment() -> dict[str, str]:
    """Ours, without what would make this rsync another one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RSYNC_")}
    return {**kept, "LC_ALL": "C"}


class _LastWords:
    """The end of what rsync says: a host may go on for ever."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        self._stderr = process.stderr
        self._kept = b""
        self._reader = threading.Thread(target=self._read, name="rsync stderr", daemon=True)
        self._reader.start()

    def text(self) -> str:
        self._reader.join(1.0)
        return self._kept.decode("utf-8", "replace")

    def _read(self) -> None:
        while chunk := os.read(self._stderr.fileno(), 4096):
            self._kept = (self._kept + chunk)[-_STDERR_BYTES:]
        self._stderr.close()


class _Arriving:
    """Whether anything still comes, by what lies in our staging folder."""

    def __init__(self, job: Transfer, paths: Sequence[str]) -> None:
        self._job = job
        self._files = [Path(job.staging, path) for path in paths]
        self._seen: object = None
        self._since = self._look_at = time.monotonic()

    def require(self) -> None:
        """Raises: HostUnreachable: nothing has changed for too long."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + STALLED_S / 10
        seen = [_mark(file) for file in self._files]
        if seen != self._seen:
            self._seen, self._since = seen, now
        elif now - self._since > STALLED_S:
            raise HostUnreachable(f"nothing came from {self._job.host} for {STALLED_S} s.")


def _mark(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.lstat()
    except OSError:
        return None
    return found.st_size, found.st_blocks, found.st_ctime_ns


def _wait(process: subprocess.Popen[bytes], go_on: Callable[[], None], arriving: _Arriving) -> None:
    while True:
        try:
            process.wait(_LOOK_S)
            return
        except subprocess.TimeoutExpired:
            go_on()
            arriving.require()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_END_GRACE_S)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _failure(job: Transfer, code: int, said: str) -> OrchestratorError:
    lines = [short_line(line) for line in said.splitlines() if line.strip()]
    # The last line of rsync itself only counts its own source's lines.
    reason = next((line for line in lines if not line.startswith("rsync error")), "it did not say why")
    if any(text in said for text in _FULL):
        return NoRoom(f"no room in {job.staging.parent}: {reason}", "make room there; it goes on by itself")
    if code in _NO_ANSWER and job.shell:
        return HostUnreachable(f"the transfer from {job.host} broke off: {reason}")
    if code == 127 or "command not found" in said or "rsync: not found" in said:
        return CommandFailed(f"rsync is not installed on {job.host}.", "orchestrator doctor says more")
    return CommandFailed(f"rsync from {job.host or 'this machine'} failed with status {code}: {reason}")
