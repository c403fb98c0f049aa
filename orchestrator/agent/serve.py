"""The agent's loop: requests in on standard input, answers out, each request in a thread of its own.

The end of the input ends the agent at once; supervisors, workers and gates live on.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any, BinaryIO

from orchestrator.agent import bytecode, host, repository
from orchestrator.agent.environment import clean_environment
from orchestrator.agent.gpus import GpuWatch
from orchestrator.agent.host_look import HostLook
from orchestrator.agent.looks import Looks
from orchestrator.agent.ownership import Ownership
from orchestrator.agent.refusals import DISK_ERRORS
from orchestrator.agent.survivors import end_survivors
from orchestrator.agent.watch import Watch, read_metrics
from orchestrator.errors import OrchestratorError, Refused
from orchestrator.wire import (
    Capture,
    Claim,
    Claimed,
    CleanWorkstream,
    CloseSessions,
    CommitWork,
    DumpStacks,
    Failure,
    FindLaunches,
    ForgetKept,
    HashResults,
    Hello,
    Inspect,
    ListResults,
    Look,
    OpenRepository,
    Probe,
    Prune,
    PushBranch,
    ReadChanges,
    ReadGpus,
    ReadKept,
    ReadLog,
    ReadMetrics,
    ReadOutcome,
    ReadTips,
    ReadToolchain,
    ReadUncommitted,
    RunGates,
    RunKept,
    Start,
    Stop,
    StopKept,
    Type,
    WireError,
    decode,
    encode,
    frame,
    read_frame,
)

Emit = Callable[[object], None]
Handler = Callable[[Any, Emit], object]


_Answer = Callable[..., object]


def handlers() -> dict[type, Handler]:
    """What answers each request: `(request, emit)` to the reply, `emit` sending items before it."""
    ownership = Ownership()
    single = {**_looking(ownership), **_reading(), **_changing(ownership.guarded)}
    return _streaming(ownership.guarded) | {kind: _without_items(answer) for kind, answer in single.items()}


def _looking(ownership: Ownership) -> dict[type, _Answer]:
    """What remembers something between requests."""
    gpus = GpuWatch()
    seeing = HostLook(Watch(), gpus)
    return {
        OpenRepository: ownership.open_repository,
        Claim: _claiming(ownership),
        Probe: seeing.probe,
        Look: ownership.marking(Looks(seeing).look),
        ReadGpus: lambda _: gpus.latest(),
    }


def _reading() -> dict[type, _Answer]:
    """What everybody may ask; the runs of `keepalive` are whose id one knows."""
    return {
        Hello: host.hello,
        Inspect: host.inspect,
        ReadTips: repository.read_tips,
        ReadToolchain: _late("toolchain", "read_toolchain"),
        ReadChanges: repository.read_changes,
        ReadUncommitted: _late("uncommitted", "read_uncommitted"),
        ReadMetrics: read_metrics,
        FindLaunches: _late("running", "find_launches"),
        ReadOutcome: _late("outcome", "read_outcome"),
        ReadLog: _late("logs", "read_log"),
        Capture: _late("panes", "capture"),
        RunKept: _late("kept", "run_kept"),
        ReadKept: _late("kept", "read_kept"),
        StopKept: _late("kept", "stop_kept"),
        ForgetKept: _late("kept", "forget_kept"),
    }


def _changing(mine: Callable[[_Answer], _Answer]) -> dict[type, _Answer]:
    """What only the owner may ask."""
    return {
        PushBranch: mine(repository.push_branches),
        DumpStacks: mine(_late("stacks", "dump")),
        Type: mine(_late("panes", "type_text")),
        CloseSessions: mine(_late("panes", "close_sessions")),
        CleanWorkstream: mine(_late("cleaning", "clean")),
        Prune: mine(_late("pruning", "prune")),
        CommitWork: mine(_late("saving", "commit_work")),
    }


def _streaming(mine: Callable[[_Answer], _Answer]) -> dict[type, Handler]:
    """What answers with items before its reply."""
    return {
        Start: mine(_late("starting", "start")),
        Stop: mine(_late("launches", "stop")),
        RunGates: mine(_late("gates", "run_gates")),
        ListResults: _late("results", "list_results"),
        HashResults: _late("results", "hash_results"),
    }


def _claiming(ownership: Ownership) -> Callable[[Claim], Claimed]:
    """Also the moment to end, aside, what launches left behind while nobody was there."""

    def claim(request: Claim) -> Claimed:
        claimed = ownership.claim(request)
        threading.Thread(target=end_survivors, args=(request.place,), daemon=True).start()
        return claimed

    return claim


def _late(module: str, name: str) -> Callable[..., object]:
    """A handler whose module is read when it is first asked for: libtmux and what goes with it cost a
    fifth of a second of a core, and a daemon that comes back meets many agents at once."""

    def answer(*request: object) -> object:
        found: Callable[..., object] = getattr(import_module(f"orchestrator.agent.{module}"), name)
        bytecode.save()
        return found(*request)

    return answer


def _without_items(answer: Callable[[Any], object]) -> Handler:
    return lambda request, _: answer(request)


def main() -> int:
    requests, answers = _private_streams()
    clean_environment()
    server = Server(answers)
    try:
        while True:
            server.accept(read_frame(requests.read))
    except EOFError:
        status = 0
    except (WireError, ValueError) as error:
        sys.stderr.write(f"orchestrator.agent: {error}\n")
        status = 3
    sys.stderr.flush()
    os._exit(status)  # requests under way are abandoned: each can be repeated


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Frames get descriptors of their own: a stray print goes to stderr, a child reads /dev/null."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    return requests, answers


class Server:
    """Answers documents on one stream; writes whole frames, one at a time."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._writing = threading.Lock()
        self._handlers = handlers()

    def accept(self, document: Any) -> None:
        """Raises: WireError: the document is no request."""
        if not isinstance(document, dict) or not isinstance(document.get("id"), int):
            raise WireError("a request without an id")
        threading.Thread(
            target=self._answer, args=(document["id"], document.get("request")), daemon=True
        ).start()

    def _answer(self, number: int, document: object) -> None:
        def emit(item: object) -> None:
            self._send({"id": number, "item": encode(item)})

        try:
            request = decode(document)
            handler = self._handlers.get(type(request))
            if handler is None:
                raise WireError(f"{type(request).__name__} is no request")
            answer = {"id": number, "reply": encode(handler(request, emit))}
        except Exception as error:  # noqa: BLE001 (one request's bug must not end the agent)
            answer = {"id": number, "error": encode(_failure(error))}
        self._send(answer)

    def _send(self, document: object) -> None:
        data = memoryview(frame(document))
        with self._writing:
            try:
                while data:
                    data = data[self._answers.write(data) :]
            except OSError:  # nobody listens any more
                os._exit(0)


def _failure(error: Exception) -> Failure:
    if isinstance(error, Refused):
        return Failure(kind="refused", message=error.message, hint=error.hint)
    if isinstance(error, OrchestratorError):
        return Failure(kind="failed", message=error.message, hint=error.hint)
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return Failure(kind="failed", message=f"{error.strerror}: {error.filename}")
    return Failure(kind="bug", message="".join(traceback.format_exception(error)).rstrip())
