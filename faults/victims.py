"""Who runs of what was started here, found in /proc: those that a fault is for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """`argv` and `environment` are as its program was started with; a fork has its parent's."""

    pid: int
    parent: int
    name: str
    argv: tuple[str, ...]
    environment: frozenset[str]

    def has(self, variable: str, value: str) -> bool:
        return f"{variable}={value}" in self.environment


def processes() -> list[Process]:
    """All that live and may be read."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError, ValueError):
                found.append(_process(folder))
    return [one for one in found if one.argv]


def _process(folder: Path) -> Process:
    stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    name, rest = stat[stat.index("(") + 1 :].rsplit(")", 1)
    words = (folder / "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")[:-1]
    variables = (folder / "environ").read_text(encoding="utf-8", errors="replace").split("\0")
    return Process(int(folder.name), int(rest.split()[1]), name, tuple(words), frozenset(variables))


def workers(listed: Iterable[Process], script: Path, workstream: str = "") -> list[Process]:
    """The runs of `script`, of one workstream or of all."""
    return [
        one
        for one in listed
        if str(script) in one.argv[:2] and (not workstream or one.has("ORCHESTRATOR_WORKSTREAM", workstream))
    ]


def supervisors(listed: Iterable[Process], folder: Path) -> list[Process]:
    """Those of launches below `folder`; not the leader of a worker's session, which looks like one."""
    alike = {one.pid: one for one in listed if _is_supervise(one, folder)}
    return [one for one in alike.values() if one.parent not in alike]


def _is_supervise(one: Process, folder: Path) -> bool:
    last = one.argv[-1]
    return last.endswith("/spec.json") and last.startswith(f"{folder}/") and "python" in one.argv[0]


def agents(listed: Iterable[Process], home: Path) -> list[Process]:
    """The agents that see this home; the only processes of ours with neither plan nor launch."""
    return [
        one
        for one in listed
        if one.argv[-1].endswith(".zip") and "python" in one.argv[0] and one.has("HOME", str(home))
    ]


def tmux_servers(listed: Iterable[Process], folder: Path) -> list[Process]:
    return [
        one for one in listed if one.name.startswith("tmux: server") and one.has("TMUX_TMPDIR", str(folder))
    ]


def kill(found: Iterable[Process], number: signal.Signals = signal.SIGKILL) -> int:
    """How many there were to be told."""
    told = 0
    for one in found:
        with suppress(ProcessLookupError):
            os.kill(one.pid, number)
            told += 1
    return told
