"""Starts the worker: a session of its own, on its own terminal or on pipes."""

from __future__ import annotations

import contextlib
import os
import signal
import termios
from fcntl import ioctl

from .processes import TAG
from .spec import PIPED, PTY, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class NotStarted(Exception):
    """The command could not be run; the message says what failed, for people."""


class Worker:
    """The running child. It stays a zombie until `reap`, so that its pid, hence its session, is ours.

    `terminal` is the master of its pty or None; `outputs` are read, paired with the number of the stream.
    `held` is the pty's other side, kept open: else a worker that closes its terminal looks like its end.
    """

    def __init__(
        self, pid: int, outputs: list[tuple[int, int]], terminal: int | None, held: int | None
    ) -> None:
        self.pid = pid
        self.outputs = outputs
        self.terminal = terminal
        self.held = held
        self.status: tuple[int | None, int | None] | None = None

    def has_ended(self) -> bool:
        """Return whether it ended, and note its exit code and signal."""
        if self.status is None:
            self.status = _ended(self.pid)
        return self.status is not None

    def let_go(self) -> None:
        """Close our side of what it may still hold open, so that its output can come to an end."""
        held, self.held = self.held, None
        if held is not None:
            os.close(held)

    def reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def start(spec: Spec, settings: list[Any] | None) -> Worker:
    """Start the command, on a terminal with `settings` if it is to have one.

    Raises:
        NotStarted: it cannot be run.
    """
    given: tuple[int, int, int]
    terminal = held = None
    if spec.streams == PTY:
        terminal, held = _open_terminal(settings)
        given, outputs = (held, held, held), [(terminal, 1)]
    else:
        given, outputs = _open_pipes(spec)
    told, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(spec, given, telling)
    os.close(telling)
    for descriptor in {*given} - {0, held}:
        os.close(descriptor)
    failure = _read_all(told)
    worker = Worker(pid, outputs, terminal, held)
    if failure:
        worker.reap()
        raise NotStarted(failure)
    return worker


def _open_terminal(settings: list[Any] | None) -> tuple[int, int]:
    try:
        master, slave = os.openpty()
    except OSError as error:
        raise NotStarted(f"no terminal is left: {error.strerror}") from error
    os.set_blocking(master, False)
    # Editing keys and UTF-8 as in the terminal around it, unless that one is in some special mode.
    if settings and settings[3] & termios.ICANON and settings[3] & termios.ECHO:
        termios.tcsetattr(slave, termios.TCSANOW, settings)
    return master, slave


def _open_pipes(spec: Spec) -> tuple[tuple[int, int, int], list[tuple[int, int]]]:
    out, out_end = os.pipe()
    os.set_blocking(out, False)
    if spec.streams != PIPED:
        return (os.open(os.devnull, os.O_RDONLY), out_end, out_end), [(out, 1)]
    err, err_end = os.pipe()
    os.set_blocking(err, False)
    return (0, out_end, err_end), [(out, 1), (err, 2)]


def _become(spec: Spec, given: tuple[int, int, int], telling: int) -> None:
    """Turn this forked process into the command; never returns."""
    doing = "cannot start"
    try:
        os.setsid()
        if spec.streams == PTY:
            ioctl(given[0], termios.TIOCSCTTY, 0)
        for target, descriptor in enumerate(given):
            os.dup2(descriptor, target)
        _default_signals()
        doing = f"cannot enter {spec.cwd}"
        os.chdir(spec.cwd)
        doing = f"cannot run {spec.argv[0]}"
        os.execvpe(spec.argv[0], spec.argv, _environment(spec))
    except BaseException as error:  # noqa: BLE001 (nothing of the parent may run on in the child)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        os.write(telling, f"{doing}: {reason}".encode(errors="replace"))
    finally:
        os._exit(127)


def _default_signals() -> None:
    # Also those that Python, or a nohup around us, ignores: the worker should not inherit that.
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _environment(spec: Spec) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TMUX") and name not in ("ORCHESTRATOR_SPEC", TAG)
    }
    kept.update(spec.env)
    # A keepalive inside a worker hands the worker's tag on: the worker's end ends both.
    outer = [tag for tag in spec.env.get(TAG, "").split() if tag != spec.launch]
    kept[TAG] = " ".join([*outer, spec.launch])
    return kept


def _ended(pid: int) -> tuple[int | None, int | None] | None:
    if not hasattr(os, "waitid"):
        return _ended_and_reaped(pid)
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return None
    return (found.si_status, None) if found.si_code == os.CLD_EXITED else (None, found.si_status)


def _ended_and_reaped(pid: int) -> tuple[int | None, int | None] | None:
    reaped, status = os.waitpid(pid, os.WNOHANG)
    if not reaped:
        return None
    return (None, os.WTERMSIG(status)) if os.WIFSIGNALED(status) else (os.WEXITSTATUS(status), None)


def _read_all(descriptor: int) -> str:
    with open(descriptor, "rb") as file:
        return file.read().decode(errors="replace")
