"""The toolchain of each host: read there before gates run, and kept for who only wants to know."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import asdict
from pathlib import Path

from orchestrator.agent.files import load_json, write_json
from orchestrator.agent.toolchain import read_toolchain
from orchestrator.checks import runs_commands
from orchestrator.codec import WireError, build
from orchestrator.core.plan import LOCAL, Gate
from orchestrator.desk import Desk
from orchestrator.gates.jobs import Job
from orchestrator.gates.keys import digest_of
from orchestrator.site import Home
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
        place = _place(self._desk.home, job)
        with _asking:
            found = self._found.get(place)
            if found is None:
                found = self._found[place] = self._lately(job, place)
            return found

    def _lately(self, job: Job, place: Path) -> Toolchain:
        # Programs such as pyenv's are scripts that take a tenth of a second to say their version.
        about = (place, os.environ.get("PATH"))
        read_at, found = _read_lately.get(about, (-FRESH_S, None))
        if found is None or time.monotonic() - read_at >= FRESH_S:
            found = self._ask(job)
            _read_lately[about] = (time.monotonic(), found)
        _keep(place, found)
        return found

    def _ask(self, job: Job) -> Toolchain:
        request = ReadToolchain(path=job.env.get("PATH"))
        if job.host == LOCAL:
            return read_toolchain(request)  # no agent is needed to look at this machine
        answer: Toolchain = self._desk.site(job.host).call(request)
        return answer


def kept_toolchain(home: Home, job: Job) -> Toolchain | None:
    """The host's as it was last read; None when it never was."""
    try:
        return build(Toolchain, load_json(_place(home, job)))
    except WireError:
        return None


def _keep(place: Path, found: Toolchain) -> None:
    content = asdict(found)
    if load_json(place) != content:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(place, content)


def _place(home: Home, job: Job) -> Path:
    """Gates with a PATH of their own find other programs."""
    path = job.env.get("PATH")
    name = job.host if path is None else f"{job.host}-{digest_of(path)[:16]}"
    return home.state.gates / "toolchains" / f"{name}.json"
