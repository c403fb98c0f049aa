"""A changelog, and the place in it where a wave's changes belong. Pure text; see `fragments`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_ATX = re.compile(r" {0,3}(#{1,6})(?:\s+(.*?))?(?:\s+#+)?\s*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)\s*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_REFERENCE = re.compile(r" {0,3}\[[^\]]+\]:\s")
_UNRELEASED = re.compile(r"\[?unreleased\b", re.IGNORECASE)
_VERSION = re.compile(r"\d+\.\d+")
_NO_TITLE_LINE = re.compile(r"\s*$| {0,3}([-*+>#]|\d+[.)])\s")

TITLE = "# Changelog\n"


@dataclass(frozen=True, slots=True)
class Heading:
    """`line` is its first line, `after` the one behind it, both counted from 0."""

    line: int
    after: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Spot:
    """Before which line to insert, and how deep a heading there is."""

    line: int
    level: int


def insert(changelog: str, section: str, at: Spot) -> str:
    """The changelog with a section in it; every other byte stays as it was."""
    end = "\r\n" if "\r\n" in changelog else "\n"
    lines = _lines(changelog)
    before, after = "".join(lines[: at.line]), "".join(lines[at.line :])
    if before and not before.endswith("\n"):
        before += end
    gap = end if before and lines[at.line - 1].strip() else ""
    close = end if after and lines[at.line].strip() else ""
    return before + gap + section.strip("\n").replace("\n", end) + end + close + after


def has_heading(changelog: str, title: str) -> bool:
    return any(heading.title == title for heading in _headings(_lines(changelog)))


def find_spot(changelog: str) -> Spot:
    """Under `Unreleased`, behind loose text there; else above the newest version."""
    lines = _lines(changelog)
    found = list(_headings(lines))
    unreleased = next((i for i, h in enumerate(found) if _UNRELEASED.match(h.title)), None)
    if unreleased is not None:
        return Spot(_next(lines, found, unreleased), min(found[unreleased].level + 1, 5))
    titled = bool(found) and found[0].level == 1 and not _VERSION.search(found[0].title)
    if titled:
        level = found[1].level if len(found) > 1 else 2
        return Spot(_next(lines, found, 0), min(level, 5))
    return Spot(found[0].line, min(found[0].level, 5)) if found else Spot(_end(lines), 2)


def _next(lines: Sequence[str], found: Sequence[Heading], index: int) -> int:
    return found[index + 1].line if index + 1 < len(found) else _end(lines)


def _end(lines: Sequence[str]) -> int:
    """The end, before link definitions that close the file."""
    at = len(lines)
    while at and (not lines[at - 1].strip() or _REFERENCE.match(lines[at - 1])):
        at -= 1
    references = (i for i in range(at, len(lines)) if _REFERENCE.match(lines[i]))
    return next(references, len(lines))


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _headings(lines: Sequence[str]) -> Iterator[Heading]:
    """Those that a reader sees: not what stands in code or comments."""
    shown = _shown(lines)
    for i, line in enumerate(shown):
        atx = _ATX.match(line)
        if atx:
            yield Heading(i, i + 1, len(atx[1]), atx[2] or "")
        elif (
            i + 1 < len(shown)
            and not _NO_TITLE_LINE.match(line)
            and (under := _UNDERLINE.match(shown[i + 1]))
        ):
            yield Heading(i, i + 2, 1 if under[1][0] == "=" else 2, line.strip())


def _shown(lines: Sequence[str]) -> list[str]:
    """The lines, blank where they are part of a code block or of a comment."""
    shown: list[str] = []
    fence, comment = "", False
    for line in (line.lstrip("\ufeff").rstrip("\r\n") for line in lines):
        mark = _FENCE.match(line)
        hidden = bool(fence) or comment or mark is not None
        if fence:
            fence = "" if mark and mark[1].startswith(fence) else fence
        elif mark and not comment:
            fence = mark[1]
        else:
            comment, whole = _after_comments(line, comment)
            hidden = hidden or not whole
        shown.append("" if hidden else line)
    return shown


def _after_comments(line: str, comment: bool) -> tuple[bool, bool]:
    """Whether a comment is open behind the line, and whether the line begins outside of one."""
    whole = not comment and not line.lstrip().startswith("<!--")
    opened, closed = line.rfind("<!--"), line.rfind("-->")
    return (opened > closed if max(opened, closed) >= 0 else comment), whole
