"""Who was asked to stop while the journal took nothing: written in room that was taken before.

Ending a process needs no disk, and may be what makes room again. All else has to wait for the journal.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core import facts as f
from orchestrator.supervise.records import overwrite, read_json, replace_file

ROOM_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class StopsKept:
    path: Path

    def clear(self) -> None:
        """Forget what the journal has, and take the room for the next time, while there is some."""
        if self.read() or not self.path.exists():
            with suppress(OSError):
                replace_file(str(self.path), b"{}".ljust(ROOM_BYTES), durable=True)

    def keep(self, stops: Sequence[f.StopAsked]) -> bool:
        """Durably; False where that cannot be."""
        content = json.dumps({"v": 1, "stops": [[stop.workstream, stop.by] for stop in stops]}).encode()
        if len(content) > ROOM_BYTES:
            return False
        try:
            overwrite(str(self.path), content, durable=True)
        except OSError:
            return False
        return True

    def read(self) -> tuple[f.StopAsked, ...]:
        """What the journal has not got; nothing where the file is torn."""
        stops = read_json(str(self.path)).get("stops")
        try:
            return tuple(f.StopAsked(workstream=str(name), by=str(by)) for name, by in stops or ())
        except (TypeError, ValueError):
            return ()
