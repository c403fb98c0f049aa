"""A repository, a tmux server and the agent's requests on them; ends every worker it started."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agent import launches, repository, starting
from orchestrator.agent.watch import Watch
from orchestrator.wire import (
    CopiedFile,
    Launch,
    LaunchSeen,
    NotStarted,
    OpenRepository,
    Place,
    Probe,
    Start,
    Started,
    StartEntry,
    Stop,
    Stopped,
    Watched,
    Worktree,
)
from tests.support.eventually import eventually
from tests.support.repository import Repository, pin, repository_at
from tests.support.tmux import TmuxServer, tmux_server


class Scene:
    def __init__(self, repo: Repository, tmux: TmuxServer, place: Place) -> None:
        self.repo = repo
        self.tmux = tmux
        self.place = place
        self.watch = Watch()

    def worktree(self, name: str) -> Path:
        return Path(self.place.worktrees, name)

    def entry(
        self, name: str = "i3d", command: str | None = "sleep 60", launch: str = "", **changes: Any
    ) -> StartEntry:
        """`changes` are fields of the worktree, or of the launch with the prefix `launch_`."""
        own = {key.removeprefix("launch_"): changes.pop(key) for key in list(changes) if "launch_" in key}
        worktree = {
            "workstream": name,
            "path": str(self.worktree(name)),
            "branch": f"p/{name}",
            "start": "main",
            "results": "results",
        }
        fields: dict[str, Any] = {
            "launch": launch or f"{name}-{id(self)}-1",
            "session": f"p_{name}",
            "wave": 1,
            "stage": "run",
            "attempt": 1,
            "command": command,
            "env": {},
            "ports": 0,
            "beat_s": 0.2,
            "stop_grace_s": 1.0,
        }
        return StartEntry(worktree=Worktree(**{**worktree, **changes}), launch=Launch(**{**fields, **own}))

    def request(self, *entries: StartEntry) -> Start:
        return Start(place=self.place, tmux_socket=self.tmux.socket, entries=entries)

    def start(self, *entries: StartEntry) -> list[Started | NotStarted]:
        answers: list[Any] = []
        starting.start(self.request(*entries), answers.append)
        return answers

    def started(self, entry: StartEntry) -> Started:
        (answer,) = self.start(entry)
        assert isinstance(answer, Started), answer
        return answer

    def refused(self, entry: StartEntry) -> NotStarted:
        (answer,) = self.start(entry)
        assert isinstance(answer, NotStarted), answer
        return answer

    def stop(self, *launched: str, grace_s: float = 1.0) -> list[Stopped]:
        answers: list[Any] = []
        launches.stop(Stop(place=self.place, launches=launched, grace_s=grace_s), answers.append)
        return answers

    def seen(self, entry: StartEntry) -> LaunchSeen:
        watched = Watched(launch=entry.launch.launch, results=str(launches.results_folder(entry)))
        return self.watch.probe(Probe(place=self.place, launches=(watched,))).launches[0]

    def ended(self, entry: StartEntry) -> LaunchSeen:
        """What is seen once the launch has ended."""
        eventually(lambda: self.seen(entry).exit, message=f"exit of {entry.launch.launch}")
        return self.seen(entry)

    def running(self, entry: StartEntry) -> LaunchSeen:
        eventually(lambda: self.seen(entry).alive, message=f"{entry.launch.launch} is alive")
        return self.seen(entry)

    def log(self, name: str) -> str:
        path = Path(self.place.state, "logs", name, "worker.log")
        return path.read_text() if path.exists() else ""


def copied(path: str, text: str, mode: int = 0o600) -> CopiedFile:
    return CopiedFile(path=path, mode=mode, content=base64.b64encode(text.encode()).decode())


@contextmanager
def scene_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    pin(monkeypatch, folder)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("SHELL", "/bin/sh")
    with tmux_server() as tmux, repository_at(folder / "my repo") as repo:
        place = repository.open_repository(OpenRepository(project="p", owner="me", repository=str(repo.path)))
        scene = Scene(repo, tmux, place)
        try:
            yield scene
        finally:
            _end_all(scene)


def _end_all(scene: Scene) -> None:
    folder = Path(scene.place.state, "launches")
    present = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    scene.stop(*present, grace_s=0.0)
