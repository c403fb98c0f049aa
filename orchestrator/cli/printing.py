"""What goes to the user: the answer to stdout, the narration to stderr, colour only on a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import IO, Any

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class OutputClosed(Exception):
    """Whoever read our output went away: there is nobody left to tell."""


def tell(text: str = "") -> None:
    """A line of the answer."""
    write(text + "\n")


def tell_json(document: object) -> None:
    tell(json.dumps(document, indent=2, ensure_ascii=False))


def tell_json_line(document: object) -> None:
    tell(json.dumps(document, ensure_ascii=False))


def write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise OutputClosed from None


def write_bytes(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise OutputClosed from None


def note(text: str) -> None:
    """A line of narration."""
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        raise OutputClosed from None


def prepare_streams() -> None:
    """Let a terminal of another encoding show what it can, and neither a text nor a closed stream end us."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, _null(write=descriptor > 0))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _null(*, write: bool) -> IO[str]:
    """What our children inherit too: the lowest descriptor that is free is the one that was closed."""
    descriptor = os.open(os.devnull, os.O_WRONLY if write else os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    return os.fdopen(descriptor, "w" if write else "r", encoding="utf-8")


def is_coloured(stream: IO[str] | None = None) -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return (stream or sys.stdout).isatty()


def styled(text: str, *styles: str, stream: IO[str] | None = None) -> str:
    if not styles or not text or not is_coloured(stream):
        return text
    return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def one_line(text: Any) -> str:
    """The text without what would move a terminal's cursor."""
    return "".join(c if c.isprintable() else " " for c in str(text)).strip()


def aligned(rows: Iterable[Sequence[str]], gap: str = "  ") -> list[str]:
    """Rows as lines with columns of one width; the last column is left as it is."""
    table = [tuple(row) for row in rows]
    if not table:
        return []
    widths = [max(width(row[i]) for row in table) for i in range(len(table[0]) - 1)]
    return [_line(row, widths, gap).rstrip() for row in table]


def tell_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    for line in aligned([tuple(styled(cell, "bold") for cell in header), *rows]):
        tell(line)


def _line(row: Sequence[str], widths: Sequence[int], gap: str) -> str:
    cells = [cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=False)]
    return gap.join([*cells, row[-1]])


def width(text: str) -> int:
    """Columns the text takes on a terminal."""
    plain = _ESCAPES.sub("", text)
    if plain.isascii():
        return len(plain)
    wide = sum(1 for c in plain if unicodedata.east_asian_width(c) in "WF")
    return len(plain) + wide - sum(1 for c in plain if unicodedata.combining(c))
