"""Starts the agent on a host: one channel, a loader that ships the zip when the host lacks it.

The login shell may print what it likes, before and beside the loader: nothing counts until a marker
that only this connection knows.
"""

from __future__ import annotations

import base64
import re
import secrets

import paramiko

from orchestrator.core.plan import Host
from orchestrator.errors import HostUnreachable
from orchestrator.shipping import Shipment, agent_shipment
from orchestrator.ssh.connection import CONNECT_DEADLINE_S, SshConnection, connect
from orchestrator.ssh.deadline import Deadline
from orchestrator.ssh.problems import PythonUnusable

OLDEST_PYTHON = (3, 10)
_NOISE_LIMIT_BYTES = 1024 * 1024
_STDERR_KEPT_BYTES = 4096
_SHELL_FOUND_NO_COMMAND = (126, 127)

# Read by any Python since 2.7, so that an old one can say that it is old.
_LOADER = """\
import os, sys
mark, digest, size = {mark!r}, {digest!r}, {size}
def say(word):
    os.write(1, (mark + word + "\\n").encode())
if sys.version_info < {oldest!r}:
    say("OLD %d.%d" % sys.version_info[:2])
    sys.exit(1)
import hashlib
root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
folder = os.path.join(root, "orchestrator", "agent")
path = os.path.join(folder, digest + ".zip")
def right(content):
    return hashlib.sha256(content).hexdigest() == digest
def cached():
    try:
        with open(path, "rb") as f:
            return right(f.read())
    except OSError:
        return False
try:
    if not cached():
        import tempfile
        os.makedirs(folder, mode=0o700, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
        say("SEND")
        content = b""
        while len(content) < size:
            chunk = os.read(0, min(65536, size - len(content)))
            if not chunk:
                break
            content += chunk
        with os.fdopen(descriptor, "wb") as f:
            f.write(content)
        if not right(content):
            os.unlink(temporary)
            raise OSError("the agent was damaged on its way")
        os.replace(temporary, path)
except OSError as error:
    say("FAIL %s" % error)
    sys.exit(1)
say("READY")
os.execv(sys.executable, [sys.executable, "-S", "-E", path])
"""


class ChannelStreams:
    """An agent's streams over one channel. Owns the connection."""

    def __init__(self, connection: SshConnection, channel: paramiko.Channel, early: bytes) -> None:
        self._connection = connection
        self._channel = channel
        self._early = early

    def read(self, size: int) -> bytes:
        early, self._early = self._early, b""
        return early or self._channel.recv(size)

    def read_errors(self, size: int) -> bytes:
        return self._channel.recv_stderr(size)

    def write(self, data: bytes) -> None:
        try:
            self._channel.sendall(data)
        except EOFError as error:  # Paramiko's word for a connection that was cut under the write
            raise OSError("the connection was lost") from error

    def close(self) -> None:
        # Not channel.close(): it writes, and so waits for a frozen host. The server sees the end of
        # the connection, the agent the end of its input.
        self._connection.close()


def open_agent(host: Host, *, deadline_s: float = CONNECT_DEADLINE_S) -> ChannelStreams:
    """Streams of a fresh agent on `host`.

    Raises:
        HostUnreachable: or a child of it: no connection, no login.
        PythonUnusable: no Python there that runs the agent.
    """
    deadline = Deadline.after(deadline_s, host.name)
    connection = connect(host, deadline_s=deadline_s)
    try:
        return _start(connection, host, agent_shipment(), deadline)
    except BaseException:
        connection.close()
        raise


def _start(connection: SshConnection, host: Host, shipment: Shipment, deadline: Deadline) -> ChannelStreams:
    mark = secrets.token_hex(8) + " "
    channel = connection.open_session(deadline)
    greeting = _Greeting(channel, host, mark, deadline)
    try:
        channel.exec_command(loader_command(host.python, shipment, mark))
        word = greeting.next_word()
        if word == "SEND":
            _send(channel, shipment.content, deadline)
            word = greeting.next_word()
    except (paramiko.SSHException, EOFError, OSError) as error:
        deadline.left_s("starting the agent")
        raise HostUnreachable(f"lost {host.name} while starting the agent: {error}") from error
    if word != "READY":
        raise _unusable(host, word, greeting)
    channel.settimeout(None)
    return ChannelStreams(connection, channel, greeting.rest)


def loader_command(python: str, shipment: Shipment, mark: str) -> str:
    """A command that every login shell reads alike: base64 has nothing to quote."""
    loader = _LOADER.format(
        mark=mark, digest=shipment.digest, size=len(shipment.content), oldest=OLDEST_PYTHON
    )
    encoded = base64.b64encode(loader.encode()).decode()
    quoted = python if re.fullmatch(r"[\w./~+-]+", python) else "'" + python.replace("'", "'\\''") + "'"
    return f"""exec {quoted} -S -E -c 'import binascii;exec(binascii.a2b_base64("{encoded}").decode())'"""


def _send(channel: paramiko.Channel, content: bytes, deadline: Deadline) -> None:
    view = memoryview(content)
    while view:
        channel.settimeout(deadline.left_s("sending the agent"))
        view = view[channel.send(bytes(view[:65536])) :]


class _Greeting:
    """The loader's words, picked out of whatever else the shell prints."""

    def __init__(self, channel: paramiko.Channel, host: Host, mark: str, deadline: Deadline) -> None:
        self._channel = channel
        self._host = host
        self._mark = mark.encode()
        self._deadline = deadline
        self.rest = b""
        self.noise = b""

    def next_word(self) -> str | None:
        """The next word, or None when the loader ended without one."""
        while True:
            before, _, after = self.rest.partition(self._mark)
            word, newline, rest = after.partition(b"\n")
            if newline:
                self.rest = rest
                return word.decode(errors="replace")
            if len(before) > _NOISE_LIMIT_BYTES:
                raise HostUnreachable(
                    f"the login shell of {self._host.name} prints without end",
                    "make ~/.bashrc silent for shells that are not interactive",
                )
            self._channel.settimeout(self._deadline.left_s("starting the agent"))
            chunk = self._channel.recv(65536)
            if not chunk:
                self.noise = before
                return None
            self.rest += chunk

    def errors(self) -> str:
        """The end of what was printed to stderr, once the loader has ended."""
        self._channel.settimeout(max(0.1, min(2.0, self._deadline.at)))
        kept = b""
        try:
            while chunk := self._channel.recv_stderr(65536):
                kept = (kept + chunk)[-_STDERR_KEPT_BYTES:]
        except TimeoutError:
            pass
        return (kept or self.noise[-_STDERR_KEPT_BYTES:]).decode(errors="replace").strip()


def _unusable(host: Host, word: str | None, greeting: _Greeting) -> HostUnreachable:
    kind, _, detail = (word or "").partition(" ")
    oldest = ".".join(map(str, OLDEST_PYTHON))
    hint = f"install Python {oldest} or later there, or set `python:` of host {host.name} to one"
    if kind == "OLD":
        return PythonUnusable(f"{host.python} on {host.name} is Python {detail}, older than {oldest}", hint)
    if kind == "FAIL":
        return HostUnreachable(
            f"the agent cannot be written on {host.name}: {detail}",
            "free space or mend the rights of ~/.cache/orchestrator there",
        )
    said = greeting.errors().splitlines()
    last = said[-1] if said else "it said nothing"
    return PythonUnusable(f"{host.python} did not start on {host.name}: {last}", hint)
