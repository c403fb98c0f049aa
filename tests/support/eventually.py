"""Waits for what will be true soon; tests never sleep for a guessed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    condition: Callable[[], T], within_s: float = 10, message: str = "", *, every_s: float = 0.02
) -> T:
    """Return the first truthy value of `condition`; ask seldom where asking is dear.

    Raises:
        AssertionError: none came in time; it says what the last one was.
    """
    give_up_at = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() >= give_up_at:
            raise AssertionError(f"{message or 'condition'}: still {value!r} after {within_s} s")
        time.sleep(every_s)
    return value
