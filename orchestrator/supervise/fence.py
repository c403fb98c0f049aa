"""Which run wrote a file: what an earlier one writes late must not pass for the present one's."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def is_anothers(document: Mapping[str, object], launch: str, attempt: int) -> bool:
    """Whether the file itself says that another launch or attempt wrote it; silence is believed.

    A writer inside a keepalive names both launches: the worker's, then its own.
    """
    writer = document.get("launch")
    if isinstance(writer, str) and writer:
        return launch not in writer.split(" ")
    number = document.get("attempt")
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return is_number and number != attempt
