"""A user's repository with a plan, and the real command line in it; nothing of the real home is touched."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.eventually import eventually
from tests.support.repository import PINNED, Repository
from tests.support.typed import typist

COMMAND = [sys.executable, "-m", "orchestrator"]
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Project:
    """`run` types an orchestrator command in the repository."""

    def __init__(self, folder: Path, tmux_folder: Path, name: str = "repo") -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        (self.home / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
        self.tmux_folder = tmux_folder
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMUX_TMPDIR": str(tmux_folder),
            "XDG_RUNTIME_DIR": str(tmux_folder),
            "LANG": "C.UTF-8",
            "GIT_CONFIG_GLOBAL": str(self.home / ".gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "SHELL": "/bin/sh",
            "ORCHESTRATOR_POLL_S": "0.2",
        }
        self.repository = Repository(folder / name, "-b", "main") if name else None

    @property
    def root(self) -> Path:
        assert self.repository is not None
        return self.repository.path

    @property
    def state(self) -> Path:
        return self.root / ".git" / "orchestrator"

    def plan(self, text: str) -> None:
        (self.root / "waves.yaml").write_text(text)

    def workstreams(self, *lines: str, head: str = "", wave: int = 1) -> None:
        """A plan of one wave; each line is `name: {…}`."""
        body = "\n".join(f"      {line}" for line in lines)
        self.plan(f"version: 1\nproject: p\n{head}\nwaves:\n  {wave}:\n    workstreams:\n{body}\n")

    def run(
        self,
        *arguments: str,
        within_s: float = PATIENCE_S,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Answer:
        """Type a command at the top of the repository, or in `cwd`."""
        variables = {**self.env, **(env or {})}
        return Answer(*typist().run(arguments, cwd or self.root, variables, within_s))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ok(self, *arguments: str, within_s: float = PATIENCE_S) -> Answer:
        answer = self.run(*arguments, within_s=within_s)
        assert answer.code == 0, f"{arguments}: {answer}"
        return answer

    def status(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(
            w for w in self.ok("status", "--json").json["workstreams"] if w["name"] == name
        )
        return found

    def state_of(self, name: str) -> str:
        state: str = self.status(name)["state"]
        return state

    def until(self, name: str, *states: str, within_s: float = 40) -> dict[str, Any]:
        """The workstream's status once it is in one of `states`."""

        def reached() -> dict[str, Any] | None:
            seen.update(self.status(name))
            return seen if seen["state"] in states else None

        seen: dict[str, Any] = {}
        try:
            status = eventually(reached, within_s, f"{name} is {' or '.join(states)}", every_s=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {seen}") from None
        assert status is not None
        return status

    def daemon_pid(self) -> int | None:
        pid: int | None = self.ok("status", "--json").json["daemon"]["pid"]
        return pid

    def kill_daemon(self) -> None:
        pid = self.daemon_pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        eventually(
            lambda: self.ok("status", "--json").json["daemon"]["running"] is False, message="daemon gone"
        )

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.ok("events", "--json").out.splitlines()]
        return [line for line in lines if not kind or line["kind"] == kind]

    def tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-u", *arguments], env=self.env, capture_output=True, text=True, check=False, timeout=20
        )
        return done.stdout.rstrip("\n")

    def sessions(self) -> list[str]:
        return sorted(self.tmux("list-sessions", "-F", "#{session_name}").splitlines())

    def screen(self, session: str) -> str:
        return self.tmux("capture-pane", "-p", "-J", "-t", f"={session}:")

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        assert self.repository is not None
        return self.repository.git(*arguments, cwd=cwd)

    def worktree(self, name: str) -> Path:
        return self.root.parent / f"{self.root.name}.worktrees" / name

    def end(self) -> None:
        """Nothing started by this test outlives it."""
        if self.repository is not None and (self.root / "waves.yaml").exists():
            with suppress(subprocess.TimeoutExpired):
                self.run("down", within_s=40)
        self.tmux("kill-server")
        lock = self.state / "daemon.lock" if self.repository is not None else None
        if lock is not None and lock.exists():
            self._kill_locked(lock)

    def _kill_locked(self, lock: Path) -> None:
        """Kill the daemon that still holds the lock, if one does."""
        holder = subprocess.run(["flock", "-n", str(lock), "true"], check=False).returncode
        text = lock.read_text().strip()
        if holder != 0 and text.isdigit():
            with suppress(ProcessLookupError):
                os.kill(int(text), signal.SIGKILL)


@contextmanager
def project_in(folder: Path, name: str = "repo") -> Iterator[Project]:
    # A socket's path has 108 bytes: pytest's folders are too deep for tmux.
    tmux_folder = Path(tempfile.mkdtemp(prefix="orc-", dir="/tmp"))
    project = Project(folder, tmux_folder, name)
    try:
        yield project
    finally:
        project.end()
        shutil.rmtree(tmux_folder, ignore_errors=True)


__all__ = ["PINNED", "Answer", "Project", "project_in"]
