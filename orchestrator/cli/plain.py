"""What a worker printed, for whom it is printed again: text for a pipe, all but titles for a terminal.

A read may end anywhere, also within a sequence: what may go on is kept until the next.
"""

from __future__ import annotations

import re

LONGEST_KEPT = 64 * 1024

# CSI; then the strings OSC, DCS, SOS, PM and APC, which a line's end ends too; then the short ones.
_STRING = rb"[\]PX^_][^\x07\x1b\r\n]*"
_SEQUENCE = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|" + _STRING + rb"(?:\x07|\x1b\\|(?=[\r\n]))|[ -/]*[0-Z\\`-~])"
)
_UNFINISHED = re.compile(rb"(?:\x1b(?:\[[0-?]*[ -/]*|" + _STRING + rb"\x1b?|[ -/]*)?|\xc2)\Z")
_LINE_END = re.compile(rb"\r*\n|\r")
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")

_TITLE = re.compile(rb"\x1b\][012];[^\x07\x1b\r\n]*(?:\x07|\x1b\\)")
_UNFINISHED_TITLE = re.compile(rb"\x1b(?:\](?:[012](?:;[^\x07\x1b\r\n]*\x1b?)?)?)?\Z")


class PlainText:
    """Lines without escape sequences and control characters; a carriage return alone ends one too."""

    def __init__(self) -> None:
        self._kept = b""
        self._returns = b""

    def feed(self, data: bytes) -> bytes:
        whole, self._kept = _split(self._kept + data, _UNFINISHED)
        text = self._returns + _SEQUENCE.sub(b"", whole)
        ended = text.rstrip(b"\r")
        self._returns = text[len(ended) :]
        return _plain(ended)

    def rest(self) -> bytes:
        """What was kept, when nothing follows any more."""
        return _plain(self._returns)


class Passing:
    """The bytes as they are, except that a worker sets no title of the terminal that shows its log."""

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, data: bytes) -> bytes:
        whole, self._kept = _split(self._kept + data, _UNFINISHED_TITLE)
        return _TITLE.sub(b"", whole)

    def rest(self) -> bytes:
        return self._kept


def _plain(text: bytes) -> bytes:
    return _CONTROL.sub(b"", _LINE_END.sub(b"\n", text))


def _split(data: bytes, unfinished: re.Pattern[bytes]) -> tuple[bytes, bytes]:
    """What can be told now, and what the next read may finish."""
    found = unfinished.search(data)
    if found is None:
        return data, b""
    kept = data[found.start() :]
    return data[: found.start()], kept if len(kept) <= LONGEST_KEPT else kept[:LONGEST_KEPT]
