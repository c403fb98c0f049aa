"""The toolchain of each host: read there before gates run, and kept for who only wants to know."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

from orchestrator.agent.files import load_json, write_json
from orchestrator.agent.toolchain import read_toolchain
from orchestrator.checks import runs_commands
from orchestrator.codec import WireError, build
from orchestrator.core.plan import LOCAL, Gate, HostName, Workstream
from orchestrator.desk import Desk
from orchestrator.gates.jobs import Job
from orchestrator.gates.keys import digest_of
from orchestrator.home import Home
from orchestrator.wire import ReadToolchain, Toolchain

FRESH_S = 5.0
"""What was read so recently still holds: the gates of a wave follow on those of its workstreams."""

_read_lately: dict[tuple[Path, str | None], tuple[float, Toolchain]] = {}
_asking = threading.Lock()


class Toolchains:
    """Each host is asked once. Thread-safe."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._found: dict[Path, Toolchain] = {}

    def of(self, job: Job, gate: Gate) -> Toolchain | None:
        """What the gate finds; None for a built-in check that runs no command.

        Raises:
            HostUnreachable: the host does not answer.
        """
        if not runs_commands(gate):
            return None
        path = job.env.get("PATH")
        place = _place(self._desk.home, job.host, path)
        with _asking:
            found = self._found.get(place)
            if found is None:
                found = self._found[place] = _lately(place, lambda: self._ask(job.host, path))
            return found

    def _ask(self, host: HostName, path: str | None) -> Toolchain:
        request = ReadToolchain(path=path)
        if host == LOCAL:
            return read_toolchain(request)  # no agent is needed to look at this machine
        answer: Toolchain = self._desk.site(host).call(request)
        return answer


def read_ahead(home: Home, workstreams: Iterable[Workstream]) -> None:
    """Begin to read this machine's toolchain, which gates of these are going to ask for."""
    paths = {w.env.get("PATH") for w in workstreams if w.host == LOCAL and any(map(runs_commands, w.gates))}
    for path in paths:
        threading.Thread(target=_read_here, args=(home, path), name="toolchain", daemon=True).start()


def _read_here(home: Home, path: str | None) -> None:
    with _asking:
        _lately(_place(home, LOCAL, path), lambda: read_toolchain(ReadToolchain(path=path)))


def _lately(place: Path, ask: Callable[[], Toolchain]) -> Toolchain:
    # Programs such as pyenv's are scripts that take a tenth of a second to say their version, and what
    # they say depends on more than themselves: it is asked for in each command.
    about = (place, os.environ.get("PATH"))
    read_at, found = _read_lately.get(about, (-FRESH_S, None))
    if found is None or time.monotonic() - read_at >= FRESH_S:
        found = ask()
        _read_lately[about] = (time.monotonic(), found)
    _keep(place, found)
    return found


def kept_toolchain(home: Home, job: Job) -> Toolchain | None:
    """The host's as it was last read; None when it never was."""
    try:
        return build(Toolchain, load_json(_place(home, job.host, job.env.get("PATH"))))
    except WireError:
        return None


def _keep(place: Path, found: Toolchain) -> None:
    content = asdict(found)
    if load_json(place) != content:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(place, content)


def _place(home: Home, host: HostName, path: str | None) -> Path:
    """Gates with a PATH of their own find other programs."""
    name = host if path is None else f"{host}-{digest_of(path)[:16]}"
    return home.state.gates / "toolchains" / f"{name}.json"
