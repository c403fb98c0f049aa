"""Lengths of time as people write them: `30s`, `5m`, `1.5h`, `1d`."""

from __future__ import annotations

import re

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s?([smhd])")


def parse_duration(text: str) -> float:
    """Seconds.

    Raises:
        ValueError: the text is no duration.
    """
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"'{text}' is no duration")
    return float(match[1]) * _SECONDS[match[2]]
