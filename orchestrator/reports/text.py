"""Foreign text in Markdown: it may say anything, and may neither build nor break the page it stands on."""

from __future__ import annotations

import re

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LOST = re.compile("[\ud800-\udfff]")
_TAG = re.compile(r"<(?!https?://|mailto:)(?=[A-Za-z!/?])")
_HEADING = re.compile(r"^( {0,3})(#{1,6})(?=\s|$)")
_UNDERLINE = re.compile(r"( {0,3})(=+|-+)\s*$")
_CODE_SPAN = re.compile(r"(`+[^`]*`+)")
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
_ITEM = re.compile(r" {0,3}([-*+]|\d{1,9}[.)])\s")


def plain(text: str) -> str:
    """Without what moves a cursor or turns the writing direction; line ends and tabs stay."""
    return _LOST.sub("\ufffd", _CONTROL.sub("", text.replace("\r\n", "\n")))


def inline(text: object) -> str:
    """One line of prose that makes no link, no tag and no table column."""
    line = " ".join(plain(str(text)).split())
    return _TAG.sub("&lt;", line).replace("](", "]\\(").replace("|", "\\|")


def code(text: object) -> str:
    """A code span, whatever backticks are in it."""
    line = " ".join(plain(str(text)).split()).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{space}{line}{space}{fence}"


def as_items(text: str, heading: int) -> str:
    """List items that stay within themselves: what opens is closed, headings lie below level `heading`."""
    lines = _tamed(plain(text).strip("\n").rstrip().split("\n"), heading)
    if not lines or not "".join(lines).strip():
        return ""
    if _ITEM.match(lines[0]):
        return "\n".join(lines)
    return "\n".join(f"{'  ' if i else '- '}{line}".rstrip() for i, line in enumerate(lines))


def _tamed(lines: list[str], heading: int) -> list[str]:
    tamed: list[str] = []
    fence = ""
    for line in lines:
        mark = _FENCE.match(line)
        if fence:
            tamed.append(line)
            fence = "" if mark and mark[1].startswith(fence) and line.strip() == mark[1] else fence
        else:
            fence = mark[1] if mark else ""
            tamed.append(line.rstrip() if mark else _tame(line.rstrip(), heading))
    return [*tamed, fence] if fence else tamed


def _tame(line: str, heading: int) -> str:
    parts = _CODE_SPAN.split(line)
    line = "".join(part if i % 2 else _TAG.sub("&lt;", part) for i, part in enumerate(parts))
    line = _HEADING.sub(lambda found: found[1] + "#" * max(len(found[2]), min(heading + 1, 6)), line, count=1)
    return _UNDERLINE.sub(r"\1\\\2", line) if line.strip() else line
