"""A repository with a daemon, hosts and workers, and what the workers themselves say of their runs."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults import victims
from faults.host import Host, environment_of, host, quoted
from tests.support.eventually import eventually
from tests.support.project import Project, project_in

WORKER = Path(__file__).with_name("worker.sh")
PATIENCE_S = 300.0
FOREVER = 1_000_000_000
"""Steps; a worker with so many is ended by the file `over`, or by us."""


@dataclass(frozen=True, slots=True)
class Run:
    """One life of a worker, by its own words: `start`, `asked` (to end) and `end`."""

    what: str
    stage: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    project: Project
    hosts: Sequence[Host]
    marks: Path

    @property
    def folder(self) -> Path:
        """Everything here and on the hosts lies below it."""
        return self.marks.parent

    # --- the plan -------------------------------------------------------------------------------------

    def command(self, steps: int, pause_s: float = 0.2) -> str:
        return quoted(WORKER, self.marks, steps, pause_s)

    def plan(self, *workstreams: str, defaults: str = "", host_keys: str = "") -> None:
        """Each workstream is `name: {…}`; `host_keys` are added to each host's line."""
        lines = [f"defaults: {{{defaults}}}"] if defaults else []
        if self.hosts:
            lines += ["hosts:", *(one.plan_line(host_keys) for one in self.hosts)]
        self.project.workstreams(*workstreams, head="\n".join(lines))

    def line(self, name: str, where: str, command: str, more: str = "") -> str:
        return f"{name}: {{branch: w/{name}, host: {where}, run: '{command}'{more}}}"

    # --- what the workers say -------------------------------------------------------------------------

    def runs(self, name: str, what: str = "") -> list[Run]:
        path = self.marks / f"{name}.runs"
        words = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        runs = [Run(kind, stage, int(attempt)) for kind, stage, attempt in words]
        return [run for run in runs if not what or run.what == what]

    def doubles(self) -> int:
        """How often a worker began while another one of the same workstream lived."""
        return sum(len(path.read_text().splitlines()) for path in self.marks.glob("*.doubles"))

    def let_end(self) -> None:
        """Every worker comes to its end with its next step."""
        (self.marks / "over").touch()

    # --- what the orchestrator says -------------------------------------------------------------------

    def statuses(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in self.project.ok("status", "--json").json["workstreams"]}

    def missing(self, state: str, names: Sequence[str], within_s: float = PATIENCE_S) -> list[str]:
        """Who of `names` did not come to be in `state`."""

        def others() -> list[str]:
            found = self.statuses()
            return [f"{name}: {found[name]}" for name in names if found[name]["state"] != state]

        with suppress(AssertionError):
            eventually(lambda: not others(), within_s, every_s=0.2)
        return others()

    def until_all(self, state: str, names: Sequence[str], within_s: float = PATIENCE_S) -> None:
        left = self.missing(state, names, within_s)
        assert not left, f"not {state} within {within_s:g} s: {left[:5]}"

    def reachable(self, name: str) -> bool | None:
        hosts = self.project.ok("status", "--json").json["hosts"]
        found: bool | None = next(one["reachable"] for one in hosts if one["name"] == name)
        return found

    def until_reachable(self, name: str, *, is_so: bool, within_s: float = PATIENCE_S) -> None:
        said = f"{name} is {'' if is_so else 'not '}reachable"
        eventually(lambda: self.reachable(name) is is_so, within_s, said, every_s=0.1)

    def count(self, kind: str) -> int:
        return len(self.project.events(kind))

    # --- who lives ------------------------------------------------------------------------------------

    def workers(self, name: str = "") -> list[victims.Process]:
        found = victims.workers(victims.processes(), WORKER, name)
        return [one for one in found if str(self.marks) in one.argv]

    def supervisors(self) -> list[victims.Process]:
        return victims.supervisors(victims.processes(), self.folder)

    def agents(self) -> list[victims.Process]:
        homes = [self.project.home, *(one.sshd.home for one in self.hosts)]
        listed = victims.processes()
        return [one for home in homes for one in victims.agents(listed, home)]

    def tmux_servers(self) -> list[victims.Process]:
        folders = [self.project.tmux_folder, *(one.sshd.tmux_folder for one in self.hosts)]
        listed = victims.processes()
        return [one for folder in folders for one in victims.tmux_servers(listed, folder)]

    def left_over(self) -> list[victims.Process]:
        """What a launch started, or runs one, and lives."""
        tagged = "ORCHESTRATOR_LAUNCH="
        folder = str(self.folder)
        return [
            one
            for one in victims.processes()
            if one.pid != os.getpid()
            and any(v.startswith(tagged) for v in one.environment)
            and any(folder in v for v in one.environment if v.startswith("ORCHESTRATOR_RESULTS="))
        ]


@contextmanager
def scene(
    hosts: int = 0,
    *,
    namespaces: bool = False,
    poll_s: float | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Scene]:
    """Nothing of it lives on; `poll_s` is the product's own where it is None."""
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        stack.callback(_end_all, base)
        machines = [
            stack.enter_context(host(base / f"g{number}", f"g{number}", namespaces=namespaces, env=env))
            for number in range(hosts)
        ]
        for one in machines:
            (one.sshd.home / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
        project = stack.enter_context(project_in(base / "here"))
        _prepare(project, machines, poll_s)
        marks = base / "marks"
        marks.mkdir()
        yield Scene(project=project, hosts=machines, marks=marks)


def _prepare(project: Project, machines: list[Host], poll_s: float | None) -> None:
    project.env.pop("ORCHESTRATOR_POLL_S")
    if poll_s is not None:
        project.env["ORCHESTRATOR_POLL_S"] = str(poll_s)
    project.env.update(environment_of(machines, project.folder))
    assert project.repository is not None
    project.repository.commit("first", README__md="# A project\n")


def _end_all(folder: Path) -> None:
    """Kill what still names the folder: in its command, or as where its results are to go."""

    def ours() -> list[victims.Process]:
        named = str(folder)
        return [
            one
            for one in victims.processes()
            if one.pid != os.getpid()
            and (any(named in word for word in one.argv) or any(named in v for v in one.environment))
        ]

    eventually(lambda: not victims.kill(ours(), signal.SIGKILL), 20, f"nothing of {folder} lives")
