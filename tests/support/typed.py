"""Types orchestrator commands into a process that has loaded it already: a fork costs a tenth of a start.

`python -m tests.support.typed FD` takes requests from a socket, and forks for each: what runs is the
command line's own `main`, in a process, with a folder, variables and streams of its own.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import random
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import orchestrator
from orchestrator.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
_REQUEST_BYTES = 100_000
_PR_SET_CHILD_SUBREAPER = 36


class Typist:
    """One for a test process; its commands may run at the same time."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._typing = Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.typed", str(theirs.fileno())],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # after Ctrl-C it is still needed, to end what runs
            )
        atexit.register(self.close)

    def run(
        self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str], within_s: float
    ) -> tuple[int, str, str]:
        """Exit status, standard output and standard error, as of `python -m orchestrator`.

        Raises:
            subprocess.TimeoutExpired: it took longer; it is killed.
        """
        request = {"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}
        pipes = [os.pipe() for _ in range(3)]
        with self._typing:
            socket.send_fds(self._socket, [json.dumps(request).encode()], [write for _, write in pipes])
        for _, write in pipes:
            os.close(write)
        ended, out, err = (os.fdopen(read, "rb") for read, _ in pipes)
        with ended, out, err, ThreadPoolExecutor(2) as readers:
            said, told = (readers.submit(stream.read) for stream in (out, err))
            pid = int(ended.readline())
            if not select.select([ended], [], [], within_s)[0]:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired([*arguments], within_s)
            status = int(ended.readline())
            return status, said.result().decode(), told.result().decode()

    def close(self) -> None:
        self._socket.close()
        self._process.wait(timeout=20)


@cache
def typist() -> Typist:
    return Typist()


def _load() -> None:
    for module in pkgutil.walk_packages(orchestrator.__path__, "orchestrator."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


def _adopt_orphans() -> None:
    """Reap at once what commands leave behind: `down` waits for that, and not every init is quick."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGCHLD, _reap)


def _reap(number: int, frame: object) -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _answer(request: dict[str, Any], ended: int, out: int, err: int) -> None:
    """Run the command in a child and tell its number, and how it ended."""
    child = os.fork()
    if child == 0:
        _become(request, ended, out, err)
        return
    for stream in (out, err):
        os.close(stream)  # whoever reads them waits for the command alone
    with os.fdopen(ended, "w") as told:
        print(child, file=told, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=told)
    os._exit(0)


def _become(request: dict[str, Any], ended: int, out: int, err: int) -> None:
    os.dup2(out, 1)
    os.dup2(err, 2)
    for number in (ended, out, err):
        os.close(number)
    # The ones at hand took their ways from what stood there before.
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path[0] = request["cwd"]
    sys.argv = [sys.argv[0], *request["arguments"]]
    random.seed()


def _take_requests(requests: socket.socket) -> None:
    """Returns in each child that is to run a command, and ends the process when nobody types any more."""
    while True:
        message, streams, _, _ = socket.recv_fds(requests, _REQUEST_BYTES, 3)
        if not message:
            sys.exit()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            return _answer(json.loads(message), *streams)
        for stream in streams:
            os.close(stream)


if __name__ == "__main__":
    _load()
    _adopt_orphans()
    _take_requests(socket.socket(fileno=int(sys.argv[1])))
    sys.exit(main())
