"""Whether a quiet worker waits for somebody to type: by its screen, or by who reads its terminal."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from orchestrator.agent.contract import short_line
from orchestrator.errors import OrchestratorError
from orchestrator.supervise import processes
from orchestrator.wire import Capture, Screen

QUIET_S = 5.0
"""How long nothing is printed before the screen is looked at."""

LOOK_AGAIN_S = 15.0
SCREEN_LINES = 12

ASKS = (
    r"\[y/n[]/]|\(y/n\)|\(yes/no\b|\by/n\?|\(y\)es/\(n\)o|\[(?:yes|no)\]:?$",
    r"do you want to (?:proceed|continue|make|create|run|allow|apply|trust)",
    r"press (?:enter|return|any key)|\benter to (?:confirm|select|submit|continue)|\(use arrow keys\)",
    r"(?:password|passphrase|username)[^:]*:$",
    r"^\W?\s*1[.)]\s.*\byes\b|\byes, and don.t ask again",
    r"^[>❯›]$|^\? .*[:›]",
    r"waiting for (?:your )?(?:input|answer|response|approval|confirmation)|permission required",
    r"\?$",
    r"^[>❯] try \"|^› \S|type your message or @|\bask (?:anything|codex to)\b",
    r"^→ (?:add a follow-up|plan, search)",
)
"""Regular expressions, in any case, of lines with which programs ask.

The last two are what empty entry fields of coding agents show. A busy one shows them, too, but is not quiet.
"""

# The frames that terminal programs draw around what they ask.
_FRAME = "│┃|╭╮╰╯─━═║╔╗╚╝▌▐█▏▕▀▄ \t"
_READ_CALLS = {"x86_64": "0", "aarch64": "63"}


class Quiet(NamedTuple):
    """A launch to listen to; `printed` changes with everything it prints."""

    launch: str
    screen: Screen
    printed: object


@dataclass(slots=True)
class _Heard:
    printed: object
    since: float
    look_at: float
    line: str | None = None


@dataclass(slots=True)
class Asking:
    """Remembers since when each launch is quiet. Screens are looked at in the background, all in one go."""

    _heard: dict[str, _Heard] = field(default_factory=dict)
    _look: Future[dict[str, tuple[object, str | None]]] | None = None
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def lines(self, launches: Sequence[Quiet]) -> dict[str, str]:
        """What those that ask show, by launch, as far as it is known by now; does not block."""
        now = time.monotonic()
        self._take_in()
        self._heard = {each.launch: self._listened(each, now) for each in launches}
        due = [each for each in launches if self._heard[each.launch].look_at <= now]
        if due and self._look is None:
            for each in due:
                self._heard[each.launch].look_at = now + LOOK_AGAIN_S
            self._look = self._pool.submit(_looked, due)
        return {launch: heard.line for launch, heard in self._heard.items() if heard.line}

    def _listened(self, each: Quiet, now: float) -> _Heard:
        heard = self._heard.get(each.launch)
        if heard is None or heard.printed != each.printed:
            return _Heard(each.printed, now, now + QUIET_S)
        return heard

    def _take_in(self) -> None:
        """The answers of a look that is over; what was printed meanwhile makes its answer void."""
        if self._look is None or not self._look.done():
            return
        for launch, (printed, line) in self._look.result().items():
            heard = self._heard.get(launch)
            if heard is not None and heard.printed == printed:
                heard.line = line
        self._look = None


def _looked(due: Sequence[Quiet]) -> dict[str, tuple[object, str | None]]:
    screens = _screens(due)
    return {each.launch: (each.printed, _asked(each, screens.get(each.screen.session, ""))) for each in due}


def _screens(due: Iterable[Quiet]) -> dict[str, str]:
    """What the sessions show; nothing of a tmux server that does not answer."""
    from orchestrator.agent.panes import capture  # libtmux costs 30 ms: most looks need none

    by_server: dict[str | None, list[str]] = {}
    for each in due:
        by_server.setdefault(each.screen.tmux_socket, []).append(each.screen.session)
    shown: dict[str, str] = {}
    for socket, sessions in by_server.items():
        try:
            shown |= capture(Capture(tmux_socket=socket, sessions=tuple(sessions), lines=SCREEN_LINES)).panes
        except OrchestratorError:
            continue  # asked again soon; that the server is gone shows elsewhere
    return shown


def _asked(each: Quiet, screen: str) -> str | None:
    lines = [line for line in (short_line(line).strip(_FRAME) for line in screen.split("\n")) if line]
    line = question(lines, each.screen.asks)
    if line is None and reads_terminal(each.launch):
        return lines[-1] if lines else "it reads its terminal"
    return line


def question(lines: Sequence[str], asks: Iterable[str] = ()) -> str | None:
    """The last line with which a program asks, None where there is none.

    `lines` are without their frames and empty ones. `asks` are regular expressions besides the known ones.
    """
    patterns = [re.compile(pattern, re.IGNORECASE) for pattern in (*ASKS, *asks)]
    return next((line for line in reversed(lines) if any(p.search(line) for p in patterns)), None)


def reads_terminal(launch: str) -> bool:
    """Whether a process of the launch is inside a read from a terminal: a prompt of whatever words."""
    return any(_is_in_read(pid) for pid, _ in processes.belonging(launch))


def _is_in_read(pid: int) -> bool:
    read = _READ_CALLS.get(os.uname().machine)
    try:
        call = Path(f"/proc/{pid}/syscall").read_text().split()
        if len(call) < 2 or call[0] != read:
            return False
        return str(Path(f"/proc/{pid}/fd/{int(call[1], 16)}").readlink()).startswith(
            ("/dev/pts/", "/dev/tty")
        )
    except (OSError, ValueError):
        return False
