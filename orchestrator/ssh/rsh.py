"""A remote command joined to our own stdin, stdout and stderr, byte for byte: for git, rsync and attach."""

from __future__ import annotations

import fcntl
import os
import select
import shlex
import signal
import struct
import sys
import termios
import threading
import tty as terminal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import paramiko

from orchestrator.core.plan import Host
from orchestrator.errors import HostUnreachable
from orchestrator.ssh.connection import CONNECT_DEADLINE_S, SshConnection, connect
from orchestrator.ssh.deadline import Deadline
from orchestrator.ssh.movement import Movement

_CHUNK_BYTES = 256 * 1024
_SENT_BYTES = 32 * 1024  # as much as goes into one packet
KILLED_BY_SIGNAL = 255  # as ssh says it

GIT_IDLE_S = 300.0
"""Git's other end says something every 5 s while it works; ours may have to pack for long before it sends."""

# With a plain -c the working directory, the user's repository, comes first and may shadow any module.
_RUN_US = (
    "import sys; sys.path[:] = [{root!r}, *filter(None, sys.path)]; sys.argv[0] = 'orchestrator'; "
    "import runpy; runpy.run_module('orchestrator', run_name='__main__')"
)


def rsh(
    host: Host,
    command: str,
    *,
    tty: bool = False,
    deadline_s: float = CONNECT_DEADLINE_S,
    idle_s: float | None = None,
) -> int:
    """Run `command` in the login shell of `host` and return its exit status.

    The deadline is for the start; the command may run for ever, and with `idle_s` not be silent for
    longer. With `tty` it gets a terminal as large as ours, which is raw meanwhile and restored however
    this ends.

    Raises:
        HostUnreachable: the host cannot be reached, the connection was lost meanwhile, or the host
            stopped to answer (not with `tty`: a person sees that).
    """
    deadline = Deadline.after(deadline_s, host.name)
    with connect(host, deadline_s=deadline_s) as connection:
        channel = _started(connection, host.name, command, deadline, tty=tty)
        if tty:
            with _window_changes() as changes, _raw_terminal():
                return _relay(connection, channel, changes, lambda: None)
        with Movement(connection.transport, host.name, idle_s) as movement:
            try:
                return _relay(connection, channel, None, movement.moved)
            except HostUnreachable as error:
                if movement.why:
                    raise HostUnreachable(movement.why) from error
                raise


def _started(
    connection: SshConnection, host: str, command: str, deadline: Deadline, *, tty: bool
) -> paramiko.Channel:
    channel = connection.open_session(deadline)
    channel.settimeout(deadline.left_s("starting the command"))
    try:
        if tty:
            columns, rows = _window_size()
            channel.get_pty(os.environ.get("TERM", "xterm-256color"), columns, rows)
        channel.exec_command(command)
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise HostUnreachable(f"{host} did not start the command: {error}") from error
    channel.settimeout(None)
    return channel


def git_ssh_environment(plan_source: str) -> dict[str, str]:
    """Environment in which git reaches host NAME of the plan as `ssh://NAME/absolute/path`."""
    command = [*rsh_command(plan_source), "--idle", f"{GIT_IDLE_S:g}"]
    return {"GIT_SSH_COMMAND": shlex.join(command), "GIT_SSH_VARIANT": "simple"}


def rsh_command(plan_source: str) -> list[str]:
    """`orchestrator rsh` for this plan, to be followed by a host's name and a command."""
    root = str(Path(__file__).parents[2])
    return [sys.executable, "-c", _RUN_US.format(root=root), "rsh", "--plan", plan_source]


Moved = Callable[[], None]


def _relay(connection: SshConnection, channel: paramiko.Channel, changes: int | None, moved: Moved) -> int:
    over_reader, over_writer = os.pipe()
    threads = [
        threading.Thread(target=_send_input, args=(channel, over_reader, changes, moved), daemon=True),
        threading.Thread(target=_receive, args=(channel.recv_stderr, 2, channel, moved), daemon=True),
    ]
    for thread in threads:
        thread.start()
    _receive(channel.recv, 1, channel, moved)
    threads[1].join()
    status = channel.recv_exit_status()
    os.write(over_writer, b"x")
    threads[0].join()
    os.close(over_reader)
    os.close(over_writer)
    if status == -1 and not connection.transport.is_active():
        raise HostUnreachable(f"lost {connection.target.name} while a command ran there")
    return KILLED_BY_SIGNAL if status == -1 else status


def _send_input(channel: paramiko.Channel, over: int, changes: int | None, moved: Moved) -> None:
    """Our stdin to the channel, until either ends."""
    watched = [0, over] if changes is None else [0, over, changes]
    try:
        while over not in (ready := select.select(watched, [], [])[0]):
            if changes in ready:
                _resize(channel, changes)
            if 0 in ready and not _pass_on(channel, moved):
                channel.shutdown_write()
                watched.remove(0)
    except OSError:
        return  # the command ended before it read everything


def _pass_on(channel: paramiko.Channel, moved: Moved) -> bool:
    """Send what stdin holds; False at its end."""
    try:
        data = os.read(0, _CHUNK_BYTES)
    except BlockingIOError:
        return True
    sent = 0
    while sent < len(data):
        sent += channel.send(data[sent : sent + _SENT_BYTES])
        moved()
    return bool(data)


def _receive(read: Callable[[int], bytes], descriptor: int, channel: paramiko.Channel, moved: Moved) -> None:
    """A stream of the channel to a descriptor of ours; a reader that went away ends the command."""
    try:
        while data := read(_CHUNK_BYTES):
            moved()
            _write_all(descriptor, data)
    except BrokenPipeError:
        channel.close()


def _write_all(descriptor: int, data: bytes) -> None:
    # rsync's pipes do not block, and their mode is shared with rsync: it is not ours to change.
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


@contextmanager
def _raw_terminal() -> Iterator[None]:
    if not os.isatty(0):
        yield
        return
    before = termios.tcgetattr(0)
    handled = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        terminal.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        for number, handler in handled.items():
            signal.signal(number, handler)


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _window_changes() -> Iterator[int]:
    """A descriptor that becomes readable when our window changes.

    The handler only writes to it: paramiko's locks are not for signal handlers, which may run in the
    thread that holds them.
    """
    reader, writer = os.pipe()
    before = signal.signal(signal.SIGWINCH, lambda *_: os.write(writer, b"w") and None)
    try:
        yield reader
    finally:
        signal.signal(signal.SIGWINCH, before)
        os.close(writer)
        os.close(reader)


def _resize(channel: paramiko.Channel, changes: int) -> None:
    os.read(changes, 64)
    columns, rows = _window_size()
    channel.resize_pty(columns, rows)


def _window_size() -> tuple[int, int]:
    try:
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))
    except OSError:
        return 80, 24
    return columns or 80, rows or 24
