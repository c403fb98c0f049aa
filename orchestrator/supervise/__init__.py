"""The parent of every worker and every gate. Standard library only: it is shipped beside the agent.

A launch has a state directory. Whoever holds `lock` there is its supervisor; `exit.json` is written
once, durably, and is the last word. Lock free and no `exit.json` means the supervisor was killed:
`settle` then ends what it left and writes the record in its place.
"""

from __future__ import annotations

from .ending import give_up, is_running, request_stop, settle, stop
from .keepalive import keepalive
from .records import ExitRecord

__all__ = ["ExitRecord", "give_up", "is_running", "keepalive", "request_stop", "settle", "stop"]
