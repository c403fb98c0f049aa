"""Our own terminal, usually a tmux pane: raw while the worker has it, as it was afterwards."""

from __future__ import annotations

import contextlib
import os
import termios
from fcntl import ioctl
from struct import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NO_SIZE = b"\0" * 8
_USUAL_SIZE = pack("4H", 24, 80, 0, 0)


class Pane:
    """Terminal settings of our stdin; does nothing where it is none, or we are in the background."""

    def __init__(self) -> None:
        self.saved: list[Any] | None = None

    def enter_raw(self) -> bool:
        """Return whether stdin is a terminal whose keys are ours to pass on."""
        try:
            if os.tcgetpgrp(0) != os.getpgrp():
                return False
            self.saved = termios.tcgetattr(0)
            termios.tcsetattr(0, termios.TCSANOW, _raw(self.saved))
        except (OSError, termios.error):
            self.saved = None
        return self.saved is not None

    def restore(self) -> None:
        saved, self.saved = self.saved, None
        try:
            if saved:
                # Not TCSADRAIN: it would wait for a pane that nobody reads.
                termios.tcsetattr(0, termios.TCSANOW, saved)
        except (OSError, termios.error):
            pass


def open_output() -> tuple[int, bool]:
    """Return a descriptor for our stdout and whether writing to it never blocks.

    The terminal is opened anew: O_NONBLOCK on the old one would be seen by everyone who shares it.
    """
    try:
        flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(os.ttyname(1), flags), True
    except OSError:
        return 1, False


def copy_size(terminal: int) -> None:
    """Give the worker's terminal the size of ours."""
    size = _NO_SIZE
    for ours in (0, 1, 2):
        try:
            size = ioctl(ours, termios.TIOCGWINSZ, _NO_SIZE)
            break
        except OSError:
            continue
    with contextlib.suppress(OSError):
        ioctl(terminal, termios.TIOCSWINSZ, _USUAL_SIZE if size[:4] == _NO_SIZE[:4] else size)


def _raw(settings: list[Any]) -> list[Any]:
    iflag, oflag, cflag, lflag, ispeed, ospeed, cc = settings
    iflag &= ~(
        termios.BRKINT | termios.ICRNL | termios.INPCK | termios.ISTRIP | termios.IXON
        | termios.INLCR | termios.IGNCR | termios.PARMRK
    )  # fmt: skip
    oflag &= ~termios.OPOST
    cflag = (cflag & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
    lflag &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG | termios.ECHONL)
    cc = [*cc]
    cc[termios.VMIN], cc[termios.VTIME] = 1, 0
    return [iflag, oflag, cflag, lflag, ispeed, ospeed, cc]
