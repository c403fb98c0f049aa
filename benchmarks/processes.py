"""Memory and processor time of running processes, from /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    parent: int
    command: str

    def processor_s(self) -> float:
        """User and system time so far, without that of its children."""
        fields = _stat(self.pid)
        return (int(fields[11]) + int(fields[12])) * _TICK_S

    def commands_s(self) -> float:
        """That of the commands it ran and that have ended."""
        fields = _stat(self.pid)
        return (int(fields[13]) + int(fields[14])) * _TICK_S

    def resident_mb(self) -> float:
        return self._status("VmRSS") / 1000

    def own_mb(self) -> float:
        """What it shares with nobody; the memory that its end would free."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="utf-8")
        kept = [line.split() for line in text.splitlines() if line.startswith("Private_")]
        return sum(int(words[1]) for words in kept) / 1000

    def _status(self, field: str) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{field}:"))


def processes() -> list[Process]:
    """All that run now and may be read."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                pid = int(folder.name)
                command = b" ".join(words).decode(errors="replace").strip()
                found.append(Process(pid, int(_stat(pid)[1]), command))
    return found


def _stat(pid: int) -> list[str]:
    """The fields after the program's name, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
