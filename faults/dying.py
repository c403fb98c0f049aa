"""`python -m faults.dying PLAN RECORD TARGET NUMBER before|after FOLDER HOME TMUX`: the real daemon.

Around its NUMBER-th entry about a workstream, TARGET of what it works with is killed; 0 is never reached.
Every kind of fact that it writes goes to RECORD, so that somebody can count them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from faults import victims
from faults.scene import WORKER
from orchestrator.daemon import serve
from orchestrator.journal import Journal

TARGETS = ("daemon", "agent", "supervisor", "worker", "tmux")


def _killer(target: str, folder: Path, home: Path, tmux: Path) -> Callable[[], object]:
    if target == "daemon":
        return lambda: os.kill(os.getpid(), signal.SIGKILL)
    find: dict[str, Callable[[list[victims.Process]], list[victims.Process]]] = {
        "agent": lambda listed: victims.agents(listed, home),
        "supervisor": lambda listed: victims.supervisors(listed, folder),
        "worker": lambda listed: victims.workers(listed, WORKER),
        "tmux": lambda listed: victims.tmux_servers(listed, tmux),
    }
    below = str(folder)
    return lambda: victims.kill(
        one
        for one in find[target](victims.processes())
        if target in ("agent", "tmux") or any(below in word for word in one.argv)
    )


def main(plan: str, record: str, target: str, number: str, when: str, *places: str) -> None:
    append, kill = Journal.append, _killer(target, *map(Path, places))
    written = 0

    def struck(journal: Journal, facts: Iterable[Any], *rest: Any) -> Any:
        nonlocal written
        facts = tuple(facts)
        written += any(hasattr(fact, "workstream") for fact in facts)
        due = any(hasattr(fact, "workstream") for fact in facts) and written == int(number)
        with Path(record).open("a", encoding="utf-8") as file:
            file.write("".join(f"{written} {type(fact).__name__}\n" for fact in facts))
        if due and when == "before":
            kill()
        entries = append(journal, facts, *rest)
        if due and when == "after":
            kill()
        return entries

    with patch.object(Journal, "append", struck):
        serve(Path(plan))


if __name__ == "__main__":
    main(*sys.argv[1:])
