"""One authenticated SSH connection, through as many jump hosts as it takes, always within a deadline."""

from __future__ import annotations

import logging
import socket
import subprocess
import threading
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import paramiko

from orchestrator.core.plan import Host
from orchestrator.errors import HostUnreachable
from orchestrator.ssh.deadline import Deadline, within
from orchestrator.ssh.known_hosts import check_host_key, known_keys
from orchestrator.ssh.login import log_in
from orchestrator.ssh.settings import Target, resolve, target_of

CONNECT_DEADLINE_S = 15.0
KEEPALIVE_S = 15
# Unacknowledged bytes for this long end the connection: the kernel's own limit is a quarter of an hour.
USER_TIMEOUT_MS = 15_000
# 2 MiB, paramiko's default, allows 20 MB/s over a round trip of 100 ms.
WINDOW_BYTES = 16 * 1024 * 1024
_MAX_HOPS = 8

# Paramiko logs a stack trace for what we report as one line.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class SshConnection:
    """An authenticated transport and the hops below it. `close` ends them all."""

    def __init__(self, target: Target, transport: paramiko.Transport, below: ExitStack) -> None:
        self.target = target
        self.transport = transport
        self._below = below

    def __enter__(self) -> SshConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open_session(self, deadline: Deadline) -> paramiko.Channel:
        try:
            return self.transport.open_session(
                window_size=WINDOW_BYTES, timeout=deadline.left_s("opening a channel")
            )
        except (paramiko.SSHException, EOFError, OSError) as error:
            deadline.left_s("opening a channel")
            raise HostUnreachable(f"{self.target.name} opened no channel: {error}") from error

    def close(self) -> None:
        self._below.close()


def connect(host: Host, *, deadline_s: float = CONNECT_DEADLINE_S) -> SshConnection:
    """Blocks for at most about `deadline_s` seconds, name resolution and jump hosts included.

    Raises:
        HostUnreachable: with a child of it for an unknown or changed host key and a refused login.
    """
    target = target_of(host)
    if target.connect_timeout_s is not None:
        deadline_s = min(deadline_s, target.connect_timeout_s)
    return _connect(target, Deadline.after(deadline_s, host.name), _MAX_HOPS)


def _connect(target: Target, deadline: Deadline, hops_left: int) -> SshConnection:
    if hops_left == 0:
        raise HostUnreachable(f"{target.name} is behind more than {_MAX_HOPS} jump hosts", "see ProxyJump")
    with ExitStack() as opened:
        sock = _reach(target, deadline, hops_left, opened)
        transport = _handshake(sock, target, deadline, opened)
        log_in(transport, target, deadline)
        transport.set_keepalive(KEEPALIVE_S)
        return SshConnection(target, transport, opened.pop_all())


def _reach(
    target: Target, deadline: Deadline, hops_left: int, opened: ExitStack
) -> socket.socket | _HopChannel:
    """A stream to the target's SSH port: direct, by a command, or through the last jump host."""
    if target.proxy_command is not None:
        return _run_proxy(target.proxy_command, opened)
    if not target.jumps:
        sock = _dial(target, deadline)
        opened.callback(sock.close)
        return sock
    *before, last = target.jumps
    hop = resolve(last, jump=",".join(before) or None)
    named = replace(deadline, host=f"jump host {hop.name}")
    connection = opened.enter_context(_connect(hop, named, hops_left - 1))
    return _through(connection, target, deadline)


def _through(connection: SshConnection, target: Target, deadline: Deadline) -> _HopChannel:
    try:
        channel = connection.transport.open_channel(
            "direct-tcpip",
            (target.address, target.port),
            ("127.0.0.1", 0),
            window_size=WINDOW_BYTES,
            timeout=deadline.left_s("asking the jump host"),
        )
        return _HopChannel(channel)
    except (paramiko.SSHException, EOFError) as error:
        deadline.left_s("asking the jump host")
        hop = connection.target.name
        raise HostUnreachable(
            f"jump host {hop} cannot reach {target.address} port {target.port}: {_words(error)}",
            f"try: ssh {hop} nc -vz {target.address} {target.port}",
        ) from error


class _HopChannel:
    """A jump host's channel, as the socket of the connection behind it.

    Closing a channel writes to the hop. Where the hop is gone that raises, in the middle of paramiko's
    own cleaning up, which then wakes nobody who waits for the connection behind.
    """

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def close(self) -> None:
        with suppress(EOFError, OSError, paramiko.SSHException):
            self._channel.close()


def _dial(target: Target, deadline: Deadline) -> socket.socket:
    addresses = _resolve(target, deadline)
    failure: OSError | None = None
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = socket.socket(family, kind, protocol)
        try:
            # A share for each: a black hole at the first address leaves time for the others.
            sock.settimeout(deadline.left_s("connecting") / (len(addresses) - tried))
            sock.connect(address)
            _tune(sock)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    if isinstance(failure, TimeoutError):
        raise deadline.missed(f"connecting to {target.address} port {target.port}") from failure
    raise HostUnreachable(
        f"{target.name} refused the connection to {target.address} port {target.port}: {_words(failure)}",
        "check that sshd runs there and that the port is right",
    ) from failure


def _resolve(target: Target, deadline: Deadline) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    def look_up() -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return socket.getaddrinfo(target.address, target.port, type=socket.SOCK_STREAM)  # type: ignore[return-value]

    try:
        return within(deadline, "resolving its name", look_up)
    except (socket.gaierror, UnicodeError) as error:
        raise HostUnreachable(
            f"{target.name}: there is no machine called {target.address!r}: {_words(error)}",
            "check `ssh:` in the plan, or HostName in ~/.ssh/config",
        ) from error


def _tune(sock: socket.socket) -> None:
    # Without TCP_NODELAY an exec costs 52 ms instead of 4: Nagle's algorithm against delayed ACKs.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)


def _run_proxy(command: str, opened: ExitStack) -> socket.socket:
    """OpenSSH's ProxyCommand, on a socket pair: paramiko's own leaves a zombie and cannot be polled."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            start_new_session=True,
        )
    opened.callback(process.wait)
    opened.callback(process.kill)
    opened.callback(ours.close)
    return ours


def _handshake(
    sock: socket.socket | _HopChannel, target: Target, deadline: Deadline, opened: ExitStack
) -> paramiko.Transport:
    """A transport whose keys are exchanged and whose host key is the known one."""
    known = known_keys(target.known_hosts, target.known_name)
    done = threading.Event()
    try:
        transport = paramiko.Transport(sock)  # type: ignore[arg-type]  # what a Channel can, it can
        opened.callback(transport.close)
        transport.banner_timeout = deadline.left_s("the SSH handshake")
        transport.handshake_timeout = deadline.left_s("the SSH handshake")
        _prefer(transport, {key.kind for key in known})
        # Waited for by ourselves: start_client(timeout=) returns in silence when the time is over.
        transport.start_client(event=done)
        if not done.wait(deadline.left_s("the SSH handshake")):
            raise deadline.missed("the SSH handshake")
        if not transport.is_active():
            raise transport.get_exception() or EOFError("it hung up")
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise HostUnreachable(
            f"{target.name} ({target.where}) does not speak SSH with us: {_words(error)}",
            f"see what `ssh -v {target.address} -p {target.port}` says",
        ) from error
    check_host_key(target, transport.get_remote_server_key(), known)
    return transport


def _prefer(transport: paramiko.Transport, kinds: set[str]) -> None:
    """Ask for the host key we know, or a server with several shows one that we do not."""
    options = transport.get_security_options()
    wanted = {"rsa-sha2-512", "rsa-sha2-256"} | kinds if "ssh-rsa" in kinds else kinds
    options.key_types = tuple(sorted(options.key_types, key=lambda kind: kind not in wanted))


def _words(error: BaseException | None) -> str:
    """The error in words, without its number."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
