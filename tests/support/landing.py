"""A repository with a plan, and a desk over it: real git, the real agent of this machine, facts in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core import facts as f
from orchestrator.core.facts import Fact
from orchestrator.core.plan import (
    LOCAL,
    BranchName,
    Gate,
    Host,
    HostName,
    Plan,
    WaveNumber,
    Workstream,
    WorkstreamName,
)
from orchestrator.core.state import State
from orchestrator.land import LandingReport, check_wave, merge_wave
from orchestrator.link import Link, open_link
from orchestrator.site import Home, Site, Sites, find_home
from orchestrator.wire import OpenRepository
from tests.core.plans import plan_of
from tests.support.repository import Repository, pin, repository_at


def gate(name: str, run: str | None = None, **more: Any) -> Gate:
    """Without a command, the built-in check of that name."""
    return Gate(name=name, run=run, check=None if run else name, **more)


def workstream(name: str, *gates: Gate, wave: int = 1, **more: Any) -> Workstream:
    fields: dict[str, Any] = {"branch": BranchName(f"p/{name}"), "base": BranchName("main"), **more}
    return Workstream(name=WorkstreamName(name), wave=WaveNumber(wave), gates=gates, **fields)


class Desk:
    """`facts` are what was recorded, `said` what people were told."""

    def __init__(self, plan: Plan, home: Home) -> None:
        self.plan = plan
        self.home = home
        self.state = State()
        self.facts: list[Fact] = []
        self.said: list[str] = []
        self.sites = Sites(plan, home)

    def site(self, host: HostName) -> Site:
        return _local_site(self) if host == LOCAL else self.sites.site(host)

    def record(self, *facts: Fact) -> None:
        for fact in facts:
            self.state = self.state.after(fact)
            self.facts.append(fact)

    def require_asker(self) -> None:
        pass

    def say(self, text: str) -> None:
        self.said.append(text)

    def of_kind(self, kind: type[Fact]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def finish(self, *names: str) -> None:
        """Say that these workstreams are done; all when none is named."""
        for name in names or self.plan.workstreams:
            self.record(f.DoneAsked(workstream=name, by="test"))


_links: list[Link] = []
_opening = threading.Lock()


def _local_link() -> Link:
    """One agent for all tests of a process: it holds no state, and its start takes longer than a landing.

    A test may have killed it.
    """
    with _opening:
        if not _links or not _links[-1].alive:
            _links.append(open_link(Host(name=LOCAL)))
        return _links[-1]


def _local_site(desk: Desk) -> Site:
    request = OpenRepository(project=desk.plan.project, owner="test", repository=str(desk.home.root))
    place = _local_link().call(request, deadline_s=20)
    link, host = _local_link(), desk.plan.hosts[LOCAL]
    return Site(host=host, link=link, place=place, home=desk.home, plan_source=desk.plan.source)


class Scene:
    """`root` has `main` checked out; `worktree` are the workstreams' places."""

    def __init__(self, repo: Repository) -> None:
        self.repo = repo
        self.root = repo.path
        self.worktrees = repo.path.with_name(f"{repo.path.name}.worktrees")
        self._desks: list[Desk] = []

    def desk(self, *workstreams: Workstream, done: bool = True, **fields: Any) -> Desk:
        home = find_home(self.root)
        home.state.root.mkdir(exist_ok=True)
        desk = Desk(plan_of(home.root, *workstreams, **fields), home)
        self._desks.append(desk)
        if done:
            desk.finish()
        return desk

    def work(self, name: str, files: dict[str, str], start: str = "main") -> str:
        """Commit files on `p/NAME` in its own worktree."""
        path = self.worktrees / name
        if not path.exists():
            self.repo.git("worktree", "add", "--quiet", "-b", f"p/{name}", str(path), start)
        return self.repo.commit_files(f"work of {name}", files, cwd=path)

    def refs(self) -> dict[str, str]:
        lines = self.repo.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split(" ") for line in lines)

    def status(self, cwd: Path | None = None) -> str:
        return self.repo.git("status", "--porcelain", cwd=cwd)

    def tip(self, name: str) -> str:
        return self.repo.git("rev-parse", name)

    def graph(self) -> str:
        """Subjects of the first-parent history and what each merge brought."""
        return self.repo.git("log", "--first-parent", "--format=%s", "main")

    def close(self) -> None:
        for desk in self._desks:
            desk.sites.close_all()


def merge(desk: Desk, wave: int = 1, **options: Any) -> LandingReport:
    return merge_wave(desk, wave, by="ada", **options)


def check(desk: Desk, wave: int = 1) -> LandingReport:
    return check_wave(desk, wave)


@contextmanager
def landing_scene(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    pin(monkeypatch, folder)
    with repository_at(folder / "my repo") as repo, scene_of(repo) as scene:
        yield scene


@contextmanager
def scene_of(repo: Repository) -> Iterator[Scene]:
    scene = Scene(repo)
    try:
        yield scene
    finally:
        scene.close()


@pytest.fixture(name="scene")
def scene_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with landing_scene(tmp_path, monkeypatch) as scene:
        yield scene


MakeScene = Callable[..., Scene]


@pytest.fixture(name="make_scene")
def make_scene_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeScene]:
    """A scene in a repository made with other options, or under another name, or made already."""
    pin(monkeypatch, tmp_path)
    with ExitStack() as stack:

        def make(*options: str, name: str = "repo", repo: Repository | None = None) -> Scene:
            made = repo or stack.enter_context(repository_at(tmp_path / name, *options))
            return stack.enter_context(scene_of(made))

        yield make


def reasons(scene: Scene, *names: str) -> tuple[str, ...]:
    """Why the wave cannot land; nothing may have moved."""
    refs = scene.refs()
    report = merge(scene.desk(*(workstream(name) for name in names)))
    assert not report.ok and scene.refs() == refs
    return report.reasons
