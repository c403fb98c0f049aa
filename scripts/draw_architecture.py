"""Draws docs/architecture.svg: the layers of `.importlinter`, and what runs on a host."""

from __future__ import annotations

import configparser
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.shipping import OWN_MODULES

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "architecture.svg"
COMMAND = ("cli", "client")
WIDE, ROW, BOX, HEAD = 520, 31, 28, 30
SHIPPED = tuple(name.removesuffix(".py").rstrip("*") for name in OWN_MODULES)

STYLE = """\
  <style>
    svg { color-scheme: light dark; font: 13px system-ui, "DejaVu Sans", Helvetica, Arial, sans-serif; }
    .paper { fill: #ffffff; }
    .area { fill: #f4f6f9; stroke: #c9d1dc; }
    .room { fill: #ffffff; stroke: #8494a8; }
    .far { fill: #e3effd; stroke: #4b83c4; }
    .pure { fill: #e2f4e5; stroke: #4a9a5b; }
    .world { fill: #fdf3de; stroke: #c09443; }
    .name { fill: #1c2430; text-anchor: middle; }
    .title { fill: #465468; font-weight: 600; }
    .note { fill: #465468; }
    .arrow { fill: none; stroke: #65758b; stroke-width: 1.5; marker-end: url(#tip); }
    .tip { fill: #65758b; }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #14181f; }
      .area { fill: #1b212b; stroke: #3a4555; }
      .room { fill: #232b37; stroke: #708096; }
      .far { fill: #1b324f; stroke: #5b93d6; }
      .pure { fill: #1c3a24; stroke: #58ab69; }
      .world { fill: #41341a; stroke: #c9a050; }
      .name { fill: #e6ebf2; }
      .title, .note { fill: #a8b5c6; }
      .arrow { stroke: #93a3b8; }
      .tip { fill: #93a3b8; }
    }
  </style>
  <defs>
    <marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
      <path class="tip" d="M0 0 L8 4 L0 8 z"/>
    </marker>
  </defs>"""


def layers() -> list[list[str]]:
    """The rooms of each layer that imports may only leave downwards, the highest first."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    lines = contracts["importlinter:contract:layers"]["layers"].split("\n")
    return [[room.strip() for room in line.split("|")] for line in lines if line.strip()]


def picture() -> str:
    daemon = [[r for r in layer if r not in (*COMMAND, *SHIPPED, "__main__")] for layer in layers()]
    shipped = [[room for room in layer if room in SHIPPED] for layer in layers()]
    top = 108
    middle, daemon_area = _rooms(top, "the daemon, one for each repository", daemon)
    bottom, shipped_area = _rooms(middle, "shipped to every host", shipped)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 {bottom}" '
        'role="img" aria-labelledby="title">',
        '  <title id="title">The rooms of orchestrator, from a command down to what every host runs</title>',
        STYLE,
        f'  <rect class="paper" width="920" height="{bottom}" rx="10"/>',
        *_rooms(14, "a command", [COMMAND])[1],
        *daemon_area,
        *shipped_area,
        f'  <path class="arrow" d="M438 72 V{top + HEAD - 2}"/>',
        f'  <text class="note" x="450" y="{top - 8}">HTTP on a unix socket</text>',
        *_host(top),
        *_workers(middle, bottom - 14 - 5 - ROW + BOX // 2),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _rooms(y: int, title: str, layers: Sequence[Sequence[str]]) -> tuple[int, list[str]]:
    """An area with a row for each layer, and where the next area begins."""
    rows = [row for row in layers if row]
    height = HEAD + ROW * len(rows) + 5
    drawn = [line for i, row in enumerate(rows) for line in _row(row, y + HEAD + ROW * i)]
    return y + height + 14, [*_area(20, y, 552, height, title), *drawn]


def _area(x: int, y: int, width: int, height: int, title: str) -> Iterator[str]:
    yield f'  <rect class="area" x="{x}" y="{y}" width="{width}" height="{height}" rx="9"/>'
    yield f'  <text class="title" x="{x + 12}" y="{y + 20}">{title}</text>'


def _row(rooms: Sequence[str], y: int) -> Iterator[str]:
    gap = 8
    width = (WIDE - gap * (len(rooms) - 1)) // len(rooms)
    for i, room in enumerate(rooms):
        kind = "pure" if room == "core" else "far" if room in SHIPPED else "room"
        yield from _box(kind, 36 + i * (width + gap), y, width, room)


def _box(kind: str, x: int, y: int, width: int, name: str) -> Iterator[str]:
    yield f'  <rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{BOX}" rx="5"/>'
    yield f'  <text class="name" x="{x + width // 2}" y="{y + 18.5}">{name}</text>'


def _host(y: int) -> Iterator[str]:
    """What runs on a host, and the road there."""
    chain = [
        ("far", "agent"),
        ("world", "tmux session, git worktree"),
        ("far", "supervise"),
        ("world", "your command"),
        ("world", "results and logs"),
    ]
    yield from _area(632, y, 268, 55 * len(chain) + 37, "on each host, and here")
    for i, (kind, name) in enumerate(chain):
        top = y + 34 + 55 * i
        yield from _box(kind, 652, top, 228, name)
        if i:
            yield f'  <path class="arrow" d="M766 {top - 27} V{top - 2}"/>'
    yield f'  <path class="arrow" d="M572 {y + 324} H602 V{y + 48} H650"/>'
    yield f'  <text class="note" x="632" y="{y - 12}">frames on a pipe or an SSH channel</text>'
    yield f'  <text class="note" x="632" y="{y + 375}">A room imports rooms below it;</text>'
    yield f'  <text class="note" x="632" y="{y + 393}">never upwards, never its neighbours.</text>'


def _workers(y: int, progress_y: int) -> Iterator[str]:
    yield from _area(632, y, 268, 68, "the example trainings")
    yield from _box("room", 652, y + 28, 228, "workers")
    yield f'  <path class="arrow" d="M766 {y + 56} V{progress_y} H558"/>'
    yield f'  <text class="note" x="778" y="{y + 114}">imports only</text>'
    yield f'  <text class="note" x="778" y="{y + 132}">progress</text>'


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        if PICTURE.read_text(encoding="utf-8") == picture():
            return 0
        print(f"{PICTURE.name} is not of these layers: make picture", file=sys.stderr)
        return 1
    PICTURE.write_text(picture(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
