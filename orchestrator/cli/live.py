"""The status on a terminal, through Rich. Imported only where there is one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.cli.status_table import HEADER, STATE_STYLES, Row, footer, rows

Document = dict[str, Any]

_STATE = HEADER.index("STATE")
_LONG = ("METRICS", "LAST OUTPUT")
"""What gives way when the window is narrow; the rest is short, and says more."""


def print_on_terminal(document: Document) -> None:
    Console(highlight=False).print(_rendered(document))


def watch_on_terminal(look: Callable[[], Document], every_s: float) -> None:
    """Redraw in place until an exception ends it; the last picture stays, the cursor comes back."""
    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        while True:
            live.update(_rendered(look()), refresh=True)
            time.sleep(every_s)


def _rendered(document: Document) -> Group:
    shown = rows(document)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in HEADER:
        table.add_column(title, no_wrap=True, overflow="ellipsis", min_width=_least_width(title, shown))
    for row in shown:
        table.add_row(*_cells(row))
    return Group(table, *(Text(line, style="dim") for line in footer(document)))


def _least_width(title: str, shown: Sequence[Row]) -> int | None:
    if title in _LONG:
        return None
    column = HEADER.index(title)
    return max(len(title), *(len(row[column]) for row in shown)) if shown else len(title)


def _cells(row: Row) -> list[Text]:
    style = " ".join(STATE_STYLES.get(row[_STATE], ()))
    return [Text(cell, style=style if i == _STATE else "") for i, cell in enumerate(row)]
