"""One daemon at a time changes a project's place on a host; every other one may read.

`owner.json` beside the launches names the owner, with a fence: a number that grows whenever the place
changes hands. The owner's agent holds `owner.lock` and marks it as long as its daemon asks for anything.
Each request that changes something is held against the file, so that a daemon that slept while another
took over is refused whatever it still believes. No clock of another machine is read.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from orchestrator.agent import repository
from orchestrator.agent.files import load_json, locked, open_lock, try_lock, write_json
from orchestrator.errors import Refused
from orchestrator.wire import Claim, Claimed, OpenRepository, Place, Type

LOOK_S = 1.0
"""How soon an agent whose place was taken over ends, and with it what it still had in hand."""

MARK_S = 5.0
SILENT_S = 15.0
"""A daemon that asked for nothing for so long is not at work: it asks every second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """`since` is the host's own clock, for people. `fence` 0: a place from before there were fences."""

    owner: str
    daemon: str = ""
    fence: int = 0
    since: str = ""


@dataclass(slots=True)
class _Held:
    """What this agent's daemon holds: the owner as written, and the lock once it was free."""

    owner: Owner
    lock: int | None = None
    marked_at: float = 0.0


class Ownership:
    """Whom this agent serves, and what of the host is theirs."""

    def __init__(self, leave: Callable[[], None] = lambda: os._exit(0)) -> None:
        self._leave = leave
        self._served: dict[str, str] = {}
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()

    def open_repository(self, request: OpenRepository) -> Place:
        place = repository.open_repository(request)
        self._served[place.state] = request.owner
        return place

    def claim(self, request: Claim) -> Claimed:
        """Raises: Refused: another daemon's, and `take_over` was not asked for."""
        state = Path(request.place.state)
        with self._lock, locked(state / "owner.guard"):
            found = owner_of(state)
            fence = _fence_for(state, found, request)
            mine = Owner(owner=request.owner, daemon=request.daemon, fence=fence, since=_now())
            if found is not None and (found.owner, found.daemon, found.fence) == (
                mine.owner,
                mine.daemon,
                fence,
            ):
                mine = found
            else:
                _write(state, mine)
            self._hold(state, mine)
        put_out = found is not None and found.fence != fence and found.owner != request.owner
        return Claimed(fence=fence, taken_from=found.owner if found and put_out else None)

    def guarded(self, answer: Callable[..., Any]) -> Callable[..., Any]:
        """The handler of a request that changes something."""

        def checked(request: Any, *others: Any) -> Any:
            place = getattr(request, "place", None)
            if not _only_asks(request):
                for state in [place.state] if place is not None else list(self._served):
                    self.require_owner(state)
            return answer(request, *others)

        return checked

    def marking(self, answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The handler of a request that a living daemon sends all the time."""

        def marked(request: Any) -> Any:
            for state, held in list(self._held.items()):
                _mark(Path(state), held)
            return answer(request)

        return marked

    def require_owner(self, state: str) -> None:
        """Raises: Refused: the place is not, or no longer, of whom this agent serves."""
        found = owner_of(Path(state))
        held = self._held.get(state)
        if found is None:
            return
        if held is not None and (found.daemon, found.fence) != (held.owner.daemon, held.owner.fence):
            raise _lost(found)
        if held is None and state in self._served and found.owner != self._served[state]:
            raise Refused(f"this host {_in_words(Path(state), found)}", _HINT)

    def _hold(self, state: Path, mine: Owner) -> None:
        before = self._held.get(str(state))
        self._held[str(state)] = held = replace(before, owner=mine) if before else _Held(mine)
        _mark(state, held)
        if before is None:
            threading.Thread(target=self._watch, args=(state,), daemon=True).start()

    def _watch(self, state: Path) -> None:
        """End once the place is another's: what is under way for the former owner must not go on."""
        while True:
            time.sleep(LOOK_S)
            try:
                self.require_owner(str(state))
            except Refused as lost:
                sys.stderr.write(f"{lost.message}\n")
                sys.stderr.flush()
                self._leave()
                return


def _only_asks(request: object) -> bool:
    if isinstance(request, Type):
        return not request.text and not request.enter
    return getattr(request, "dry_run", False) is True


_HINT = "`orchestrator down` there; or take it over: orchestrator up --take-over HOST"


def owner_of(state: Path) -> Owner | None:
    """None for a place that nobody ever claimed."""
    found = load_json(state / "owner.json")
    if isinstance(found.get("owner"), str) and isinstance(found.get("fence"), int):
        return Owner(
            owner=found["owner"],
            daemon=str(found.get("daemon") or ""),
            fence=found["fence"],
            since=str(found.get("since") or ""),
        )
    former = repository.former_owner(state)
    return None if former is None else Owner(owner=former)


def _fence_for(state: Path, found: Owner | None, request: Claim) -> int:
    """The fence of a claim that may be granted."""
    if found is None:
        return request.fence + 1
    if (found.owner, found.daemon) == (request.owner, request.daemon) and found.fence >= request.fence:
        return found.fence
    if request.take_over:
        return max(found.fence, request.fence) + 1
    if request.fence:
        raise _lost(found)
    if found.owner != request.owner or _is_at_work(state):
        raise Refused(f"this host {_in_words(state, found)}", _HINT)
    return found.fence + 1


def _lost(found: Owner) -> Refused:
    since = f" at {found.since}" if found.since else ""
    return Refused(
        f"this host was taken over by {found.owner}{since}: nothing is started, stopped or restarted there "
        f"from here",
        "take it back: orchestrator up --take-over HOST",
    )


def _in_words(state: Path, found: Owner) -> str:
    since = f" since {found.since}" if found.since else ""
    age_s = _silence_s(state)
    if age_s is None:
        seen = "no daemon of theirs was seen"
    elif _is_at_work(state):
        seen = f"their daemon is at work, last seen {age_s:.0f} s ago"
    else:
        seen = f"their daemon is not at work, last seen {_duration(age_s)} ago"
    return f"belongs to another: {found.owner}{since}; {seen}."


def _duration(age_s: float) -> str:
    for unit_s, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if age_s >= unit_s:
            return f"{age_s / unit_s:.0f} {unit}"
    return f"{age_s:.0f} s"


def _is_at_work(state: Path) -> bool:
    """An agent holds the lock, and its daemon has asked for something a moment ago."""
    age_s = _silence_s(state)
    if age_s is None or abs(age_s) > SILENT_S:
        return False
    descriptor = open_lock(state / "owner.lock")
    try:
        return not try_lock(descriptor)
    finally:
        os.close(descriptor)


def _silence_s(state: Path) -> float | None:
    try:
        return time.time() - (state / "owner.lock").stat().st_mtime
    except OSError:
        return None


def _mark(state: Path, held: _Held) -> None:
    now = time.monotonic()
    if held.marked_at and now - held.marked_at < MARK_S:
        return
    held.marked_at = now
    if held.lock is None:
        descriptor = open_lock(state / "owner.lock")
        if try_lock(descriptor):
            held.lock = descriptor
        else:
            os.close(descriptor)  # of an agent of the daemon's last connection, which is about to end
    os.utime(state / "owner.lock")


def _write(state: Path, mine: Owner) -> None:
    write_json(
        state / "owner.json",
        {"v": 1, "owner": mine.owner, "daemon": mine.daemon, "fence": mine.fence, "since": mine.since},
    )
    repository.write_owner(state, mine.owner)


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
