"""Starts the worker: in a session of its own, on its own terminal or on pipes.

The session's leader is a process of ours that only waits. Were it the worker's shell, the kernel would
hang up on all others of the session when a TERM ends that shell: on a training that is just saving.
The leader also keeps the session's number from being given to strangers.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
from fcntl import ioctl

from .adoption import adopt_orphans, reap
from .pane import copy_size
from .processes import TAG
from .spec import PIPED, PTY, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_Given = tuple[int, int, int]
# All news have this size, which a pipe takes and gives as one.
_NEWS_BYTES = 512


class NotStarted(Exception):
    """The command could not be run; the message says what failed, for people."""


class Worker:
    """The running command and the leader of its session.

    `terminal` is the master of its pty or None; `outputs` are to be read, each with the number of its
    stream; `news` becomes readable at the end: call `take_news` then. `held` is the pty's other side,
    kept open: else a worker that closes its terminal looks like its end.
    """

    def __init__(self, leader: int, news: int, release: int) -> None:
        self.pid = 0
        self.leader = leader
        self.news = news
        self.status: tuple[int | None, int | None] | None = None
        self.outputs: list[tuple[int, int]] = []
        self.terminal: int | None = None
        self.held: int | None = None
        self._release = release

    def take_news(self) -> None:
        """Note how the command ended: exit code or signal."""
        kind, value = _news(self.news)
        if kind == "exited":
            self.status = int(value), None
        else:
            # No word: the leader itself was killed, by someone who means us no good.
            self.status = None, int(value or signal.SIGKILL)

    def let_go(self) -> None:
        """Close our side of what it may still hold open, so that its output can come to an end."""
        held, self.held = self.held, None
        if held is not None:
            os.close(held)

    def reap(self) -> None:
        """Dismiss the leader."""
        os.kill(self.leader, signal.SIGKILL)
        os.waitpid(self.leader, 0)
        reap()
        os.close(self._release)


def start(spec: Spec, settings: list[Any] | None) -> Worker:
    """Start the command, on a terminal with `settings` if it is to have one.

    Raises:
        NotStarted: it cannot be run.
    """
    given: _Given
    terminal = held = None
    if spec.streams == PTY:
        terminal, held = _open_terminal(settings)
        given, outputs = (held, held, held), [(terminal, 1)]
    else:
        given, outputs = _open_pipes(spec)
    worker = _fork_leader(spec, given)
    worker.outputs, worker.terminal, worker.held = outputs, terminal, held
    for descriptor in {*given} - {0, held}:
        os.close(descriptor)
    kind, value = _news(worker.news)
    if kind != "started":
        worker.reap()
        raise NotStarted(value or "the session's leader was killed")
    worker.pid = int(value)
    return worker


def _open_terminal(settings: list[Any] | None) -> tuple[int, int]:
    try:
        master, slave = os.openpty()
    except OSError as error:
        raise NotStarted(f"no terminal is left: {error.strerror}") from error
    os.set_blocking(master, False)
    copy_size(master)
    # Editing keys and UTF-8 as in the terminal around it, unless that one is in some special mode.
    if settings and settings[3] & termios.ICANON and settings[3] & termios.ECHO:
        termios.tcsetattr(slave, termios.TCSANOW, settings)
    return master, slave


def _open_pipes(spec: Spec) -> tuple[_Given, list[tuple[int, int]]]:
    out, out_end = os.pipe()
    os.set_blocking(out, False)
    if spec.streams != PIPED:
        return (os.open(os.devnull, os.O_RDONLY), out_end, out_end), [(out, 1)]
    err, err_end = os.pipe()
    os.set_blocking(err, False)
    return (0, out_end, err_end), [(out, 1), (err, 2)]


def _fork_leader(spec: Spec, given: _Given) -> Worker:
    news, tell = os.pipe()
    released, release = os.pipe()
    leader = os.fork()
    if leader == 0:
        try:
            _lead(spec, given, tell, released)
        finally:
            os._exit(127)
    os.close(tell)
    os.close(released)
    return Worker(leader, news, release)


def _lead(spec: Spec, given: _Given, tell: int, released: int) -> None:
    """Lead the session: start the command, tell how it ended, stay until the supervisor is gone."""
    os.setsid()
    adopt_orphans()
    if spec.streams == PTY:
        ioctl(given[0], termios.TIOCSCTTY, 0)
    _set_signals(signal.SIG_IGN)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    failed, failing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(spec, given, failing)
    # Whatever stays open here seems still in use: the lock, the pane, the worker's output.
    _close_all_but({tell, released, failed, woken, wake})
    failure = _read_all(failed)
    with contextlib.suppress(OSError):  # of a supervisor that is dead
        _tell(tell, f"failed {failure}" if failure else f"started {pid}")
        _tell(tell, _end_of(pid, woken, released))
    os.read(released, 1)
    _outlive_the_worker()


def _end_of(pid: int, woken: int, released: int) -> str:
    """Wait for the end of the child, or of the supervisor."""
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    poll.register(released, select.POLLIN)
    while True:
        status = reap(pid)
        if status is not None:
            by_signal = os.WIFSIGNALED(status)
            return f"killed {os.WTERMSIG(status)}" if by_signal else f"exited {os.WEXITSTATUS(status)}"
        ready = dict(poll.poll())
        if released in ready:
            return "left"
        os.read(woken, 512)


def _outlive_the_worker() -> None:
    """The supervisor died: hang up as the kernel would, and stay the parent of whoever loses its own, so
    that all can be found by who settles this."""
    _hang_up()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _hang_up() -> None:
    """To our group, hence the command's; we ignore it ourselves."""
    for number in (signal.SIGHUP, signal.SIGCONT):
        with contextlib.suppress(OSError):
            os.killpg(0, number)


def _become(spec: Spec, given: _Given, failing: int) -> None:
    """Turn this forked process into the command; never returns."""
    doing = "cannot start"
    try:
        for target, descriptor in enumerate(given):
            os.dup2(descriptor, target)
        _set_signals(signal.SIG_DFL)
        doing = f"cannot enter {spec.cwd}"
        os.chdir(spec.cwd)
        doing = f"cannot run {spec.argv[0]}"
        os.execvpe(spec.argv[0], spec.argv, _environment(spec))
    except BaseException as error:  # noqa: BLE001 (nothing of the parent may run on in the child)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        os.write(failing, f"{doing}: {reason}".encode(errors="replace"))
    finally:
        os._exit(127)


def _set_signals(disposition: signal.Handlers) -> None:
    # Also those that Python, or a nohup around us, ignores: the worker should not inherit that.
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, disposition)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _close_all_but(kept: Iterable[int]) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    first = 3
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))


def _tell(descriptor: int, news: str) -> None:
    os.write(descriptor, news.encode(errors="replace").ljust(_NEWS_BYTES)[:_NEWS_BYTES])


def _news(descriptor: int) -> tuple[str, str]:
    """Return the next news; empty when whoever tells them is gone. Blocks until there are some."""
    kind, _, value = os.read(descriptor, _NEWS_BYTES).decode(errors="replace").rstrip().partition(" ")
    return kind, value


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


def _read_all(descriptor: int) -> str:
    with open(descriptor, "rb") as file:
        return file.read().decode(errors="replace")
