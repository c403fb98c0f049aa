"""All that a surface knows of the daemon: its socket, and how to start one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator import __version__
from orchestrator.errors import ExitStatus, OrchestratorError
from orchestrator.requests import VERSION_HEADER, Request
from orchestrator.settings import StatePaths

if TYPE_CHECKING:
    from http.client import HTTPResponse

FULL_BELOW_BYTES = 64 * 1024
START_DEADLINE_S = 20.0
STATUS_DEADLINE_S = 10.0


class NoDaemon(OrchestratorError):
    """No daemon listens for this repository."""


class NoAnswer(OrchestratorError):
    """A daemon listens but gives no proper answer."""


class OtherVersion(NoAnswer):
    """The daemon and this program do not understand each other."""

    def __init__(self, theirs: str | None, why: str) -> None:
        runs = f"runs version {theirs}" if theirs else "runs an older version"
        super().__init__(f"the daemon {runs}, this is {__version__}: {why}.", _RENEW)


_RENEW = "orchestrator down --keep-workers && orchestrator up, with one version; the workers stay"


class Answer(OrchestratorError):
    """The daemon refused a request; carries the exit status it chose."""

    def __init__(self, message: str, hint: str | None, status: int) -> None:
        super().__init__(message, hint)
        self.exit_status = ExitStatus(status)


class Client:
    """Talks to the daemon of one repository."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths

    def is_running(self) -> bool:
        try:
            self.status()
        except NoDaemon:
            return False
        return True

    def status(self) -> dict[str, Any]:
        """The status document of the interface.

        Raises:
            NoDaemon: none listens.
        """
        response = self._open("GET", "/v1/status", timeout_s=STATUS_DEADLINE_S)
        document: dict[str, Any] = json.load(response, object_hook=_reading(response))
        return document

    def ask(self, request: Request, say: Callable[[str], None]) -> Any:
        """Send a request and block until its answer; `say` gets what the daemon tells meanwhile.

        Raises:
            NoDaemon: none listens, or it ended before it answered.
            Answer: it refused.
        """
        from orchestrator.codec import encode  # not for `status`, which is asked every second

        response = self._open("POST", "/v1/ask", body=json.dumps(encode(request)))
        for line in response:
            message = json.loads(line, object_hook=_reading(response))
            if "say" in message:
                say(message["say"])
            elif "refused" in message:
                refused = message["refused"]
                raise Answer(refused["message"], refused["hint"], refused["exit_status"])
            elif "answer" in message:
                return message["answer"]
        raise NoDaemon("the daemon ended before it answered.", _where_to_look(self._paths))

    def events(self, after: int, follow: bool) -> Iterator[dict[str, Any]]:
        """Journal entries as `{"id", "at", "kind", …}`; with `follow`, for ever."""
        for line in self._open("GET", f"/v1/events?after={after}&follow={int(follow)}"):
            if line.strip():
                yield json.loads(line)

    def _open(
        self, method: str, path: str, body: str | None = None, timeout_s: float | None = None
    ) -> HTTPResponse:
        wire = self._connect(timeout_s)
        from http.client import (
            HTTPConnection,
            HTTPException,
        )  # a tenth of `status`, for nothing without a daemon

        connection = HTTPConnection("localhost", timeout=timeout_s)
        connection.sock = wire
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
        except ConnectionResetError as error:
            raise _no_daemon() from error
        except (HTTPException, OSError) as error:
            raise self._no_answer(error) from error
        if response.status >= 400:
            theirs = response.getheader(VERSION_HEADER)
            said = response.read(500).decode(errors="replace")
            if theirs != __version__:
                raise OtherVersion(theirs, f"it answered {response.status}, {said}")
            raise NoAnswer(f"the daemon answered {response.status}: {said}")
        return response

    def _connect(self, timeout_s: float | None) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout_s)
            connection.connect(str(self._paths.socket))
        except OSError as error:
            connection.close()
            if isinstance(error, FileNotFoundError | ConnectionRefusedError | ConnectionResetError):
                raise _no_daemon() from error
            raise self._no_answer(error) from error
        return connection

    def _no_answer(self, error: Exception) -> OrchestratorError:
        return OrchestratorError(f"the daemon does not answer: {error}", f"see {self._paths.log}")


class _Foreign(dict[str, Any]):
    """An object of another version's answer: what is missing in it is no bug."""

    theirs: str | None

    def __missing__(self, key: str) -> Any:
        raise OtherVersion(self.theirs, f"its answer has no {key!r}")


def _reading(response: HTTPResponse) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    theirs = response.getheader(VERSION_HEADER)
    if theirs == __version__:
        return None

    def foreign(plain: dict[str, Any]) -> dict[str, Any]:
        found = _Foreign(plain)
        found.theirs = theirs
        return found

    return foreign


def _no_daemon() -> NoDaemon:
    return NoDaemon("no daemon runs for this repository.", "start one with `orchestrator up`")


def start_daemon(plan: Path, paths: StatePaths) -> Client:
    """Start the daemon in the background, in a session of its own; blocks until it listens.

    Raises:
        OrchestratorError: it did not come up; the message holds the end of its log.
    """
    paths.create()
    with paths.log.open("ab") as log:
        said = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator.daemon", str(plan)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=_environment(),
        )
    client = Client(paths)
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        if client.is_running():
            return client
        if process.poll() is not None:
            why = f"the daemon ended at once: {_last_line(paths.log, said)}"
            raise OrchestratorError(why, _where_to_look(paths))
        time.sleep(0.02)
    raise OrchestratorError("the daemon does not listen.", f"see {paths.log}")


def _environment() -> dict[str, str]:
    """Ours, without the tag of a worker that typed the command: the daemon must not end with it."""
    kept = {name: value for name, value in os.environ.items() if name != "ORCHESTRATOR_LAUNCH"}
    return {**kept, "PYTHONSAFEPATH": "1"}


def _last_line(path: Path, start: int) -> str:
    """What it wrote last, from `start` on: before that, others wrote."""
    with path.open("rb") as log:
        log.seek(start)
        lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _where_to_look(paths: StatePaths) -> str:
    """On a full disk a daemon can write neither why it ended, nor anything else."""
    disk = os.statvfs(paths.root)
    if disk.f_bavail * disk.f_frsize < FULL_BELOW_BYTES:
        return f"the disk of {paths.root} is full: make room there and run it again"
    return f"see {paths.log}"
