"""`keepalive --on HOST`: the command runs there whatever becomes of us; we look on."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator import wire
from orchestrator.cli.failures import tell_failure
from orchestrator.cli.here import Here
from orchestrator.cli.hosts import OpenSite, open_sites
from orchestrator.cli.printing import note
from orchestrator.errors import ExitStatus, HostUnreachable

if TYPE_CHECKING:
    from orchestrator.core.plan import HostName, Plan

POLL_S = 0.3
RECONNECT_LIMIT_S = 15.0
STOP_GRACE_S = 30.0
NOT_STARTED = 127
"""As shells say it of a command that cannot be run; why is in its output."""

STOP_DEADLINE_S = STOP_GRACE_S + 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """`folder` is where on the host, relative to the home there."""

    name: str
    argv: tuple[str, ...]
    folder: str | None
    beat_s: float


def default_name(argv: Sequence[str], folder: str | None) -> str:
    """The same for the same command: typed again, it is found again."""
    word = re.sub(r"[^A-Za-z0-9_-]", "", argv[0].rpartition("/")[2])[:40] or "command"
    digest = hashlib.sha256(json.dumps([*argv, folder]).encode("utf-8", "surrogateescape")).hexdigest()
    return f"{word}-{digest[:8]}"


def keep_on(here: Here, plan: Plan, host: HostName, kept: Kept) -> int:
    """The command's own exit status; blocks until it has ended, over lost links too.

    Raises:
        HostUnreachable: the host was not there to begin with. Later, it is waited for.
        Refused: the name is another command's there.
    """
    with open_sites(here, plan) as open_site:
        watching = _Watching(open_site, host, kept)
        try:
            watching.begin()
            return watching.follow()
        except KeyboardInterrupt:
            return _ended_by_us(watching)


def _ended_by_us(watching: _Watching) -> int:
    """A first Ctrl-C ends the command there, a second one leaves it be."""
    try:
        watching.end()
        return watching.follow()
    except (KeyboardInterrupt, HostUnreachable):
        tell_failure(
            f"{watching.kept.name} may still run on {watching.host}",
            f"orchestrator keepalive --on {watching.host} --name {watching.kept.name}, with the same command",
        )
        return ExitStatus.INTERRUPTED


class _Watching:
    def __init__(self, open_site: OpenSite, host: HostName, kept: Kept) -> None:
        self.host = host
        self.kept = kept
        self._open_site = open_site
        self._offset = 0

    def begin(self) -> None:
        site = self._open_site(self.host)
        request = wire.RunKept(
            place=site.place,
            name=self.kept.name,
            argv=self.kept.argv,
            folder=self.kept.folder,
            beat_s=self.kept.beat_s,
        )
        run: wire.KeptRun = site.call(request, deadline_s=STOP_DEADLINE_S)
        how = "runs" if run.begun else "was begun before, and goes on"
        note(f"{self.kept.name} {how} on {self.host}; it outlives this terminal; Ctrl-C ends it there")

    def follow(self) -> int:
        """Pass on what it prints until it has ended."""
        while True:
            part: wire.KeptPart = self._call_until_answered(wire.ReadKept, offset=self._offset)
            data = base64.b64decode(part.text)
            self._offset = part.offset
            _pass_on(data)
            if not data and part.exit is not None:
                with suppress(HostUnreachable):  # then it is told once more to who asks again
                    self._call(wire.ForgetKept)
                return self._status(part.exit)
            if not data:
                time.sleep(POLL_S)

    def end(self) -> None:
        note(f"ending {self.kept.name} on {self.host}; it has {STOP_GRACE_S:.0f} s to save")
        self._call(wire.StopKept, deadline_s=STOP_DEADLINE_S, grace_s=STOP_GRACE_S)

    def _status(self, end: wire.Exit) -> int:
        if end.exit_code is not None:
            return end.exit_code
        if end.signal is not None:
            return 128 + signal.Signals[end.signal].value
        if end.cause == "start-failed":
            return NOT_STARTED
        tell_failure(f"{self.kept.name} ended on {self.host} without a status: {end.cause}")
        return ExitStatus.OUTSIDE

    def _call(self, kind: type[Any], deadline_s: float = 15.0, **fields: Any) -> Any:
        site = self._open_site(self.host)
        return site.call(kind(place=site.place, name=self.kept.name, **fields), deadline_s=deadline_s)

    def _call_until_answered(self, kind: type[Any], **fields: Any) -> Any:
        pause_s = 0.0
        while True:
            try:
                answer = self._call(kind, **fields)
            except HostUnreachable as error:
                if not pause_s:
                    note(f"{error.message}; {self.kept.name} goes on there, trying again")
                pause_s = min(2 * pause_s or 0.5, RECONNECT_LIMIT_S)
                time.sleep(pause_s)
                continue
            if pause_s:
                note(f"{self.host} answers again")
            return answer


def _pass_on(data: bytes) -> None:
    """As it came: the command's own output, for whoever reads ours."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
