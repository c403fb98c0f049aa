"""One launch from start to exit record: the supervisor itself."""

# ruff: noqa: PTH108, PTH110

from __future__ import annotations

import contextlib
import os
import signal
import time

from . import evidence, kernel, pane, processes, worker
from .adoption import adopt_orphans
from .beat import ENDED, STOPPING, Heartbeat, last_step
from .loop import READ, Loop
from .records import (
    ExitRecord,
    boot_id,
    held_results,
    read_json,
    replace_json,
    reserve,
    take_lock,
    write_exit,
)
from .relay import Outbox, Source
from .rotation import Log
from .spec import PIPED, PTY, Spec, SpecError, load_spec
from .written import Written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .worker import Worker

# What the worker wrote is in the pty by now; only what it left behind can keep it open.
_DRAIN_S = 0.5
_LAST_WORDS_S = 1.0
_PANE_BYTES = 1024 * 1024
_INPUT_BYTES = 64 * 1024

REFUSED, BAD_SPEC, CANNOT_START = 3, 2, 127


def main(argv: list[str]) -> int:
    _open_standard_streams()
    if len(argv) != 2:
        return _refuse("usage: supervise SPEC.json", BAD_SPEC)
    try:
        spec = load_spec(argv[1])
    except SpecError as error:
        return _refuse(f"supervise: {error}", BAD_SPEC)
    return supervise(spec)


def supervise(spec: Spec) -> int:
    """Run the launch to its end; return the worker's exit code, or 128 and its signal."""
    try:
        lock = take_lock(spec.state)
    except OSError as error:
        return _refuse(f"supervise: cannot lock {spec.state}: {error.strerror}", REFUSED)
    if lock is None:
        return _refuse(f"supervise: {spec.title} already has a supervisor", REFUSED)
    try:
        if os.path.exists(f"{spec.state}/exit.json"):
            return _refuse(f"supervise: {spec.title} has already ended", REFUSED)
        return Supervisor(spec).run()
    finally:
        os.close(lock)


class Supervisor:
    """Holds the worker, its streams, its log and its beat. The steps are in `run`."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.loop = Loop()
        self.pane = pane.Pane()
        self.log = Log(spec.log, spec.log_limit_bytes, spec.log_keep)
        self.heartbeat = Heartbeat(spec, spec.env.get("ORCHESTRATOR_RESULTS") or spec.results)
        self.worker: Worker | None = None
        self.sources: list[Source] = []
        self.outboxes: list[Outbox] = []
        self.cause: str | None = None
        self.kill_at = 0.0
        self.others: set[processes.Identity] = set()
        self.tail = evidence.Tail()
        self.kills = kernel.Kills()
        self.written = Written(spec.state, spec.results)
        self.started_at = time.monotonic()
        self.ended_at, self.ended = self.started_at, time.time()

    def run(self) -> int:
        """Start; serve until the end, a signal or the timeout; end what is left; record; say so."""
        self._listen()
        adopt_orphans()
        self._begin()
        try:
            self._start()
        except worker.NotStarted as failure:
            return self._end_without_start(str(failure))
        ended = self.loop.run(self._is_over, self.spec.timeout_s)
        if not ended:
            self._begin_ending("timeout", self.spec.stop_grace_s)
        if self.cause:
            self._end_all()
            self.loop.run(self._has_ended)  # even KILL waits for a system call that does not return
        self._drain()
        self._end_all()
        record = self._record()
        self._write(record)
        self._last_words(record)
        return record.exit_code if record.exit_code is not None else 128 + (self._status()[1] or 0)

    def _listen(self) -> None:
        self.loop.on_signals([signal.SIGTERM], self._asked_to_stop)
        # `nohup` around a keepalive means what it says.
        if self.spec.streams == PTY or signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            self.loop.on_signals([signal.SIGHUP], self._hung_up)
        for number in (signal.SIGTTOU, signal.SIGTTIN, signal.SIGPIPE, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGQUIT):
            if self.spec.streams == PIPED:
                self.loop.on_signals([number], lambda number=number: self._pass_on(number))  # type: ignore[misc]
            else:
                signal.signal(number, signal.SIG_IGN)

    def _announce(self, leader: processes.Identity | None = None) -> None:
        about = {
            "pid": os.getpid(),
            "pid_start": processes.started(os.getpid()),
            "boot_id": boot_id(),
            "launch": self.spec.launch,
            "attempt": self.spec.attempt,
            "stage": self.spec.stage,
            "results": self.spec.results,
            "cwd": self.spec.cwd,
            "progress": self.heartbeat.progress_folder,
            "leader": leader,
        }
        replace_json(f"{self.spec.state}/supervisor.json", about)

    def _begin(self) -> None:
        for name in ("exit.json", "heartbeat.json"):
            reserve(f"{self.spec.state}/{name}")
        self.written.begin()
        self._announce()
        with held_results(self.spec.results, self.spec.cwd) as results, contextlib.suppress(OSError):
            if results:
                os.unlink(f"{results}/exit.json")  # of the attempt before

    def _start(self) -> None:
        self.log.write(b"")  # there is a log from the start
        relays = self.spec.streams == PTY
        keys = relays and self.pane.enter_raw()
        self.worker = worker.start(self.spec, self.pane.saved)
        self.heartbeat.pid = self.worker.pid
        with contextlib.suppress(OSError):
            self._announce((self.worker.leader, processes.started(self.worker.leader) or 0))
        self.loop.watch(self.worker.news, READ, self._take_news)
        for descriptor, stream in self.worker.outputs:
            self._read_output(descriptor, self._outbox(stream))
        terminal = self.worker.terminal
        if terminal is not None:
            pane.copy_size(terminal)
            self.loop.on_signals([signal.SIGWINCH], lambda: pane.copy_size(terminal))
            if keys:
                typed = Outbox(self.loop, terminal, limit_bytes=_INPUT_BYTES, nonblocking=True)
                Source(self.loop, 0, _drop, typed)
        self.loop.repeat(self._beat)

    def _outbox(self, stream: int) -> Outbox | None:
        if self.spec.streams == PTY:
            descriptor, nonblocking = pane.open_output()
            outbox = Outbox(
                self.loop, descriptor, limit_bytes=_PANE_BYTES, lossy=True, nonblocking=nonblocking
            )
        elif self.spec.streams == PIPED:
            outbox = Outbox(self.loop, stream, limit_bytes=_INPUT_BYTES)
        else:
            return None
        self.outboxes.append(outbox)
        return outbox

    def _read_output(self, descriptor: int, outbox: Outbox | None) -> None:
        source = Source(self.loop, descriptor, self._take_output, outbox)
        self.sources.append(source)
        if outbox and self.spec.streams == PIPED:
            # Whoever read us has gone: the command shall see that as it would without us.
            outbox.on_dead = lambda: _cut_off(source, descriptor)

    def _take_news(self) -> None:
        assert self.worker is not None
        self.worker.take_news()
        self._note_the_end()
        self.loop.ignore(self.worker.news, READ)

    def _note_the_end(self) -> None:
        self.ended_at, self.ended = time.monotonic(), time.time()

    def _take_output(self, data: bytes) -> None:
        self.heartbeat.output_bytes += len(data)
        self.log.write(data)
        self.tail.put(data)
        self.heartbeat.log_error = self.log.error

    def _beat(self) -> float:
        self.kills.mark(self.heartbeat.pid)
        self.heartbeat.memory_kills = self.kills.before
        return self.heartbeat.beat()

    def _is_over(self) -> bool:
        return self.cause is not None or self._has_ended()

    def _has_ended(self) -> bool:
        return self.worker is not None and self.worker.status is not None

    def _asked_to_stop(self) -> None:
        grace_s = read_json(f"{self.spec.state}/stop.json").get("grace_s")
        self._begin_ending(
            "stopped", float(grace_s) if isinstance(grace_s, int | float) else self.spec.stop_grace_s
        )

    def _hung_up(self) -> None:
        self._begin_ending("hangup", self.spec.stop_grace_s)

    def _begin_ending(self, cause: str, grace_s: float) -> None:
        """The first cause stays; a later request can only bring the end nearer."""
        kill_at = time.monotonic() + grace_s
        self.kill_at = min(self.kill_at, kill_at) if self.kill_at else kill_at
        if self.cause is None and not self._has_ended():
            self.cause = cause
            self.heartbeat.state = STOPPING
            self.loop.repeat(self._beat)

    def _pass_on(self, number: int) -> None:
        if self.worker and not self._has_ended():
            os.killpg(self.worker.leader, number)

    def _end_all(self) -> None:
        """End the worker, if it still runs, and all it left behind, serving its output meanwhile."""
        self.kill_at = self.kill_at or time.monotonic() + self.spec.stop_grace_s
        leader = self.worker.leader if self.worker else None
        found = processes.end(
            lambda: processes.belonging(self.spec.launch, leader),
            lambda: self.kill_at - time.monotonic(),
            self._serve_for,
        )
        self.others |= found
        if self.cause and any(pid != self.heartbeat.pid for pid, _ in found):
            # What was asked to end has ended with the last of them, not with the shell around them.
            self._note_the_end()

    def _serve_for(self, seconds: float) -> None:
        self.loop.run(lambda: False, seconds)

    def _drain(self) -> None:
        if self.worker:
            self.worker.let_go()
        self.loop.run(lambda: all(source.ended for source in self.sources), _DRAIN_S)

    def _status(self) -> tuple[int | None, int | None]:
        return (self.worker.status if self.worker else None) or (None, None)

    def _record(self, cause: str | None = None) -> ExitRecord:
        code, number = self._status()
        cause, detail = (cause or self.cause, "") if cause or self.cause else self._why()
        return ExitRecord(
            launch=self.spec.launch,
            attempt=self.spec.attempt,
            stage=self.spec.stage,
            exit_code=code,
            signal=signal_name(number),
            cause=cause or ("exited" if number is None else "signal"),
            ended=self.ended,
            elapsed_s=round(self.ended_at - self.started_at, 3),
            leftovers=len({pid for pid, _ in self.others} - {self.heartbeat.pid}),
            step=self._last_step(),
            detail=detail,
        )

    def _last_step(self) -> float | None:
        return last_step(self.heartbeat.progress_folder, self.spec.state, self.spec.launch, self.spec.attempt)

    def _why(self) -> tuple[str | None, str]:
        """Cause and evidence of an end that nobody asked for."""
        code, number = self._status()
        if code == 0:
            return None, ""
        return evidence.cause_of(
            evidence.End(
                exit_code=code,
                signal=number,
                pids={pid for pid, _ in self.others} | {self.heartbeat.pid or 0},
                since=self.kills.since,
                kills=kernel.rise(self.kills.before),
                tail=self.tail.lines(),
                folders=tuple(filter(None, (self.heartbeat.progress_folder, self.spec.cwd))),
            )
        )

    def _write(self, record: ExitRecord) -> None:
        self.heartbeat.state = ENDED
        self.heartbeat.beat()
        self.log.close()
        self.written.end()
        try:
            write_exit(self.spec.state, self.spec.results, self.spec.cwd, record)
        except OSError as error:
            # The agent will find lock free and no record, and write one when it can.
            _refuse(f"supervise: cannot record the end: {error.strerror}", REFUSED)
        if self.worker:
            self.worker.reap()

    def _end_without_start(self, reason: str) -> int:
        self.pane.restore()
        self.log.write(f"{self.spec.title}: {reason}\n".encode(errors="replace"))
        if self.spec.streams != "logged":
            _refuse(f"{self.spec.title}: {reason}", CANNOT_START)
        self._write(self._record("start-failed"))
        return CANNOT_START

    def _last_words(self, record: ExitRecord) -> None:
        if self.spec.streams == PTY and self.outboxes:
            start = b"" if self.outboxes[0].ends_line else b"\r\n"
            how = f"exit {record.exit_code}" if record.signal is None else f"killed by {record.signal}"
            # tmux scrolls a dead pane by one line: without the first one, this would be what it hides.
            line = f"\r\n── {self.spec.title} ended: {how} after {duration(record.elapsed_s)} ──\r\n"
            self.outboxes[0].put(start + line.encode())
        self.loop.run(lambda: all(outbox.empty for outbox in self.outboxes), _LAST_WORDS_S)
        self.pane.restore()


def duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {rest:02}s" if minutes else f"{seconds:.1f}s"


def signal_name(number: int | None) -> str | None:
    if number is None:
        return None
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"  # real-time signals have no names


def _open_standard_streams() -> None:
    """Make sure that 0, 1 and 2 are taken, so that no file of ours becomes the worker's output."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _refuse(message: str, status: int) -> int:
    with contextlib.suppress(OSError):
        os.write(2, f"{message}\n".encode(errors="replace"))
    return status


def _cut_off(source: Source, descriptor: int) -> None:
    source.close()
    os.close(descriptor)


def _drop(data: bytes) -> None:
    """Keys are passed on, nothing else is done with them."""
