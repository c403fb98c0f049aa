"""A landing in a process of its own, that may be killed: real git, a real journal, the agent's own answers.

`python -m tests.support.landing_child` reads one JSON request a line, forks for each, and answers with
how the child ended and what it said. A fork costs a tenth of a start.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from orchestrator.agent.serve import handlers
from orchestrator.core import facts as f
from orchestrator.core.facts import Fact
from orchestrator.core.plan import LOCAL, HostName
from orchestrator.core.state import State
from orchestrator.errors import OrchestratorError
from orchestrator.home import find_home
from orchestrator.journal import Journal
from orchestrator.land import merge_wave, moving
from orchestrator.wire import OpenRepository, Place
from tests.core.plans import plan_of
from tests.support.landing import workstream

ROOT = Path(__file__).resolve().parents[2]


class InProcessSite:
    """This machine's site, its agent without a process of its own."""

    def __init__(self, root: Path) -> None:
        self._handlers = handlers()
        request = OpenRepository(project="p", owner="test", repository=str(root))
        self.place: Place = self.call(request)

    def call(
        self, request: object, *, deadline_s: float = 0, on_item: Callable[[Any], None] | None = None
    ) -> Any:
        return self._handlers[type(request)](request, on_item or (lambda item: None))

    def worktree_path(self, member: Any) -> str:
        return f"{self.place.worktrees}/{member.name}"


class JournalDesk:
    """A desk whose facts are in the repository's journal."""

    def __init__(self, root: Path, names: list[str], remote: str | None) -> None:
        self.plan = plan_of(root, *map(workstream, names), remote=remote)
        self.home = find_home(root)
        self.home.state.root.mkdir(exist_ok=True)
        self._journal = Journal.open(self.home.state.journal)
        self.state: State = self._journal.state()
        if not self.state.workstreams:
            self.record(*(f.DoneAsked(workstream=name, by="test") for name in names))

    def site(self, host: HostName) -> Any:
        assert host == LOCAL
        return InProcessSite(self.home.root)

    def record(self, *facts: Fact) -> None:
        self._journal.append(facts, datetime.now(timezone.utc))
        for fact in facts:
            self.state = self.state.after(fact)

    def require_asker(self) -> None:
        pass

    def say(self, text: str) -> None:
        pass


def _land(request: dict[str, Any]) -> dict[str, Any]:
    os.environ.update(request["environment"])
    moving.REFS_DEADLINE_S = request["refs_deadline_s"] or moving.REFS_DEADLINE_S
    if request["largest_file"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest_file"], resource.RLIM_INFINITY))
    desk = JournalDesk(Path(request["root"]), request["names"], request["remote"])
    try:
        return merge_wave(desk, 1, by="test").document()
    except OrchestratorError as error:
        return {"ok": False, "reasons": [error.message], "hint": error.hint}


def _child(request: dict[str, Any], descriptor: int) -> None:
    status = 1
    try:
        with os.fdopen(descriptor, "w") as out:
            json.dump(_land(request), out)
        status = 0
    except BaseException:  # noqa: BLE001 - told, then the child ends
        traceback.print_exc()
    finally:
        os._exit(status)


def _run(request: dict[str, Any]) -> dict[str, Any]:
    """Raises nothing: whatever became of the child is the answer."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _child(request, writing)
    os.close(writing)
    with os.fdopen(reading) as source:
        told = source.read()
    _, status = os.waitpid(pid, 0)
    return {"status": os.waitstatus_to_exitcode(status), "report": json.loads(told) if told else None}


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_run(json.loads(line))) + "\n")
        sys.stdout.flush()


@dataclass(frozen=True)
class Ended:
    """`status` is negative for a signal; a killed landing has no report."""

    status: int
    report: dict[str, Any] | None

    @property
    def ok(self) -> bool:
        return self.report is not None and bool(self.report["ok"])


class Landings:
    """Starts landings of wave 1 in children; `begin` does not wait for the answer that `end` reads."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.landing_child"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, root: Path, names: list[str], **options: Any) -> Ended:
        self.begin(root, names, **options)
        return self.end()

    def begin(
        self,
        root: Path,
        names: list[str],
        *,
        remote: str | None = None,
        refs_deadline_s: float | None = None,
        largest_file: int | None = None,
        **environment: str,
    ) -> None:
        request = {
            "root": str(root),
            "names": names,
            "remote": remote,
            "refs_deadline_s": refs_deadline_s,
            "largest_file": largest_file,
            "environment": environment,
        }
        pipe = self._pipe(self._process.stdin)
        pipe.write(json.dumps(request) + "\n")
        pipe.flush()

    def end(self) -> Ended:
        answer = json.loads(self._pipe(self._process.stdout).readline())
        return Ended(answer["status"], answer["report"])

    def close(self) -> None:
        with suppress(OSError):
            self._pipe(self._process.stdin).close()
        self._process.wait(timeout=20)
        self._pipe(self._process.stdout).close()

    @staticmethod
    def _pipe(stream: IO[str] | None) -> IO[str]:
        assert stream is not None
        return stream


if __name__ == "__main__":
    main()
