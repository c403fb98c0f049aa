"""A link to a host's agent: calls over one pair of byte streams, a pipe here, a channel elsewhere.

Calls from several threads share the link and are told apart by id. A link that missed a deadline or
lost its stream is closed and never used again: the caller opens another.
"""

from __future__ import annotations

import itertools
import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO, Any, Protocol

from orchestrator import wire
from orchestrator.core.plan import Host
from orchestrator.errors import CommandFailed, ExitStatus, HostUnreachable, OrchestratorError, Refused
from orchestrator.shipping import agent_file

STDERR_KEPT_BYTES = 4096
OPEN_DEADLINE_S = 15.0
_READ_BYTES = 65536
_CLOSE_WAIT_S = 2.0
_LAST_WORDS_WAIT_S = 0.5
CLOSE_GRACE_S = 0.5


class AgentBug(OrchestratorError):
    """The agent failed in a way it did not foresee, or does not speak our protocol."""

    exit_status = ExitStatus.BUG


class Streams(Protocol):
    """An agent's standard streams. `close` makes blocked reads and writes return or raise."""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""

    def write(self, data: bytes) -> None: ...

    def read_errors(self, size: int) -> bytes: ...

    def close(self) -> None: ...


class Link:
    """Calls to the agent of host `name`. Owns `streams`."""

    facts: wire.HostFacts

    def __init__(self, name: str, streams: Streams, *, deadline_s: float = OPEN_DEADLINE_S) -> None:
        self.name = name
        self._streams = streams
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._waiting: dict[int, queue.SimpleQueue[dict[str, Any] | None]] = {}
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._errors: deque[bytes] = deque()
        self._errors_over = threading.Event()
        self._broken: str | None = None
        self._threads = [self._thread(run) for run in (self._receive, self._send, self._drain_errors)]
        try:
            self.facts = self._greet(deadline_s)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Not known to be broken, which proves nothing about the host: only an answer does."""
        return self._broken is None

    def call(
        self, request: object, *, deadline_s: float, on_item: Callable[[Any], None] | None = None
    ) -> Any:
        """The agent's reply. `on_item` is called in this thread with each item before it.

        Raises:
            HostUnreachable: no reply within `deadline_s` seconds, or the link is broken. The request
                may have been carried out. Every other call on this link fails too.
            Refused: the agent says no.
            CommandFailed: a program on the host failed.
            AgentBug: the agent failed in a way it did not foresee.
        """
        asked = type(request).__name__
        ident, answers = self._ask(request)
        ends_at = time.monotonic() + deadline_s
        try:
            while True:
                answer = self._next(answers, ends_at, f"{asked} within {deadline_s:g} s")
                if "item" in answer:
                    if on_item is not None:
                        on_item(self._decoded(answer["item"]))
                elif "reply" in answer:
                    return self._decoded(answer["reply"])
                else:
                    raise _failure(self.name, self._decoded(answer.get("error")))
        finally:
            with self._lock:
                self._waiting.pop(ident, None)

    def close(self) -> None:
        self._break("the link was closed")
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_CLOSE_WAIT_S)

    def _greet(self, deadline_s: float) -> wire.HostFacts:
        try:
            facts = self.call(wire.Hello(), deadline_s=deadline_s)
        except (AgentBug, Refused) as error:
            raise self._other_version(error.message.splitlines()[-1]) from error
        if not isinstance(facts, wire.HostFacts) or facts.protocol != wire.PROTOCOL_VERSION:
            raise self._other_version(f"it speaks protocol {getattr(facts, 'protocol', 'none')}")
        return facts

    def _other_version(self, why: str) -> AgentBug:
        return AgentBug(
            f"the agent on {self.name} is of another version than this program, which speaks protocol "
            f"{wire.PROTOCOL_VERSION}: {why}",
            "install the same version of orchestrator on both ends",
        )

    def _ask(self, request: object) -> tuple[int, queue.SimpleQueue[dict[str, Any] | None]]:
        answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        ident = next(self._ids)
        data = wire.frame({"id": ident, "request": wire.encode(request)})
        with self._lock:
            if self._broken is not None:
                raise self._unreachable()
            self._waiting[ident] = answers
        self._outgoing.put(data)
        return ident, answers

    def _next(
        self, answers: queue.SimpleQueue[dict[str, Any] | None], ends_at: float, what: str
    ) -> dict[str, Any]:
        try:
            answer = answers.get(timeout=max(0.0, ends_at - time.monotonic()))
        except queue.Empty:
            self._break(f"it did not answer {what}")
            raise HostUnreachable(f"{self.name} did not answer {what}") from None
        if answer is None:
            raise self._unreachable()
        return answer

    def _decoded(self, document: object) -> Any:
        try:
            return wire.decode(document)
        except wire.WireError as error:
            raise AgentBug(f"the agent on {self.name} sent what is no message: {error}") from error

    def _break(self, reason: str) -> None:
        with self._lock:
            if self._broken is not None:
                return
            self._broken = reason
            waiting = list(self._waiting.values())
        for answers in waiting:
            answers.put(None)
        self._outgoing.put(None)
        self._streams.close()

    def _unreachable(self) -> HostUnreachable:
        said = b"".join(self._errors)[-STDERR_KEPT_BYTES:].decode(errors="replace").strip()
        hint = f"the agent's last words: {said}" if said else None
        return HostUnreachable(f"lost the agent on {self.name}: {self._broken}", hint)

    def _thread(self, run: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=run, name=f"link {self.name} {run.__name__}", daemon=True)
        thread.start()
        return thread

    def _receive(self) -> None:
        buffered = _Buffered(self._streams.read)
        try:
            while True:
                answer = wire.read_frame(buffered.exactly)
                with self._lock:
                    answers = self._waiting.get(answer["id"])
                if answers is not None:
                    answers.put(answer)
        except EOFError:
            self._errors_over.wait(_LAST_WORDS_WAIT_S)
            self._break("it ended")
        except OSError as error:
            self._break(str(error))
        except (wire.WireError, ValueError, KeyError, TypeError) as error:
            self._break(f"the agent does not speak our protocol: {error}")

    def _send(self) -> None:
        # A thread of its own: a write to a frozen host blocks for ever, a caller's deadline must not.
        try:
            while (data := self._outgoing.get()) is not None:
                self._streams.write(data)
        except OSError as error:
            self._break(str(error))

    def _drain_errors(self) -> None:
        kept = 0
        while chunk := self._streams.read_errors(STDERR_KEPT_BYTES):
            self._errors.append(chunk)
            kept += len(chunk)
            while kept - len(self._errors[0]) >= STDERR_KEPT_BYTES:
                kept -= len(self._errors.popleft())
        self._errors_over.set()


def open_link(host: Host, *, deadline_s: float = OPEN_DEADLINE_S) -> Link:
    """A link to a fresh agent on `host`; blocks for at most about `deadline_s` seconds.

    Raises:
        HostUnreachable: its children in `orchestrator.ssh` say why and what to do.
    """
    if host.ssh is None:
        return Link(host.name, PipeStreams(local_agent_command()), deadline_s=deadline_s)
    from orchestrator.ssh import open_agent  # paramiko costs 0.1 s to import, a plan may need none

    started = time.monotonic()
    streams = open_agent(host, deadline_s=deadline_s)
    left_s = deadline_s - (time.monotonic() - started)
    return Link(host.name, streams, deadline_s=max(left_s, 1.0))


def local_agent_command() -> list[str]:
    return [sys.executable, "-S", "-E", str(agent_file())]


class PipeStreams:
    """An agent on this machine, in a session of its own: Ctrl-C in our terminal does not reach it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._writing = threading.Lock()
        self._wake_reader, self._wake_writer = os.pipe()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=_clean_environment(),
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._stdin, self._stdout, self._stderr = (
            self._process.stdin,
            self._process.stdout,
            self._process.stderr,
        )
        os.set_blocking(self._stdin.fileno(), False)

    def read(self, size: int) -> bytes:
        return self._read(self._stdout, size)

    def read_errors(self, size: int) -> bytes:
        return self._read(self._stderr, size)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._until_ready(self._stdin, select.POLLOUT)
            with self._writing:
                if self._stdin.closed:
                    raise BrokenPipeError("the link was closed")
                try:
                    view = view[os.write(self._stdin.fileno(), view) :]
                except BlockingIOError:
                    continue

    def close(self) -> None:
        """End the agent by the end of its input, or by a kill when it does not heed that."""
        os.write(self._wake_writer, b"x")
        with self._writing:
            self._stdin.close()
        try:
            self._process.wait(timeout=CLOSE_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self, file: IO[bytes], size: int) -> bytes:
        # Each file has one reading thread, which alone closes it: no descriptor is reused under a read.
        if file.closed:
            return b""
        data = os.read(file.fileno(), size) if self._until_ready(file, select.POLLIN) else b""
        if not data:
            file.close()
        return data

    def _until_ready(self, file: IO[bytes], event: int) -> bool:
        """Whether `file` became ready before the streams were closed."""
        poll = select.poll()
        try:
            poll.register(file, event)
        except ValueError:
            return False
        poll.register(self._wake_reader, select.POLLIN)
        return self._wake_reader not in dict(poll.poll())

    def __del__(self) -> None:
        os.close(self._wake_reader)
        os.close(self._wake_writer)


class _Buffered:
    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._buffer = bytearray()

    def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            chunk = self._read(_READ_BYTES)
            if not chunk:
                break
            self._buffer += chunk
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def _clean_environment() -> dict[str, str]:
    """Ours, less what would lead the agent's git and tmux to another repository or server."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") and name not in ("TMUX", "TMUX_PANE")
    }


def _failure(name: str, failure: object) -> OrchestratorError:
    match failure:
        case wire.Failure(kind="refused"):
            return Refused(failure.message, failure.hint)
        case wire.Failure(kind="failed"):
            return CommandFailed(failure.message, failure.hint)
        case wire.Failure():
            return AgentBug(f"a bug of the agent on {name}: {failure.message}", failure.hint)
        case _:
            return AgentBug(f"the agent on {name} sent an answer that is none: {failure!r:.80}")
