"""When results are pulled: by the interval, after a night's sleep, when a host is back, after an end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from orchestrator.core import facts as f
from orchestrator.core.facts import Fact, LaunchId
from orchestrator.core.observation import HostSeen, Observation, SyncSeen
from orchestrator.core.plan import HostName, Plan
from orchestrator.core.state import LaunchRecord, State, WorkstreamRecord
from orchestrator.errors import HostUnreachable
from orchestrator.home import Home, find_home
from orchestrator.plan_file import load_plan
from orchestrator.results.lanes import Lanes
from orchestrator.results.watch import ResultsWatch, pull_all
from orchestrator.site import Site, Sites
from tests.support.eventually import eventually
from tests.support.repository import pin, repository_at

PLAN = """
version: 1
project: p
hosts: {far: {ssh: nowhere.invalid}}
defaults: {sync: {every: 5m}}
waves:
  1: {workstreams: {a: {branch: p/a, run: "true"}, b: {branch: p/b, host: far, run: "true"}}}
"""
DAY_S = 86400.0
END = f.LaunchEnded(
    workstream="a",
    launch=LaunchId("a-1-0"),
    exit_code=0,
    signal=None,
    cause="exited",
    ended=0.0,
    elapsed_s=1.0,
)


@dataclass
class Room:
    """A desk, a clock that is moved by hand, and what the watch told."""

    plan: Plan
    home: Home
    sites: Sites
    state: State = field(default_factory=State)
    now: float = 1000.0
    told: list[tuple[str, SyncSeen]] = field(default_factory=list)
    recorded: list[Fact] = field(default_factory=list)
    reachable: bool = True

    def site(self, host: HostName) -> Site:
        if host != "local":
            raise HostUnreachable(f"{host} does not answer")
        return self.sites.site(host)

    def record(self, *facts: Fact) -> None:
        self.recorded += facts
        for fact in facts:
            self.state = self.state.after(fact)

    def say(self, text: str) -> None: ...

    def require_asker(self) -> None: ...

    def begin(self, name: str, worktree: Path, launch: str) -> None:
        record = LaunchRecord(id=LaunchId(launch), host="local", stage="run", attempt=1, gpus=())
        before = self.state.workstreams.get(name, WorkstreamRecord())
        made = replace(before, launch=record, worktree=str(worktree))
        self.state = State(workstreams={**self.state.workstreams, name: made})

    def end(self, name: str) -> None:
        record = self.state.of(name)
        assert record.launch is not None
        ended = replace(record, launch=replace(record.launch, exit=END))
        self.state = State(workstreams={**self.state.workstreams, name: ended})

    @property
    def observation(self) -> Observation:
        return Observation(
            hosts={"local": HostSeen(reachable=self.reachable), "far": HostSeen(reachable=True)}
        )


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    pin(monkeypatch, tmp_path)
    with repository_at(tmp_path / "repo") as repo:
        (repo.path / "waves.yaml").write_text(PLAN)
        plan, home = load_plan(repo.path / "waves.yaml"), find_home(repo.path)
        sites = Sites(plan, home)
        worktree = tmp_path / "worktree"
        (worktree / "results").mkdir(parents=True)
        (worktree / "results" / "m").write_text("1")
        made = Room(plan, home, sites)
        made.begin("a", worktree, "a-1-0")
        try:
            yield made
        finally:
            sites.close_all()


def looks(room: Room, watch: ResultsWatch, pulls: int) -> None:
    """Look until so many pulls were told of in all, and once more, which must bring no other."""

    def enough() -> bool:
        watch.look(room.plan, room.state, room.observation)
        return len(room.told) >= pulls and not watch.under_way

    eventually(enough, message=f"pull {pulls}")
    watch.look(room.plan, room.state, room.observation)
    eventually(lambda: not watch.under_way, message="nothing is under way")
    assert len(room.told) == pulls


def test_what_is_overdue_is_pulled_whatever_kept_it(room: Room) -> None:
    watch = ResultsWatch(lambda: room, lambda name, seen: room.told.append((name, seen)), lambda: room.now)
    looks(room, watch, 1)
    room.now += 301
    looks(room, watch, 2)
    room.now += DAY_S  # a laptop slept: once is enough
    looks(room, watch, 3)
    room.reachable = False
    watch.look(room.plan, room.state, room.observation)
    room.reachable = True
    looks(room, watch, 4)
    assert room.recorded == [
        f.ResultsSynced(
            workstream="a", launch="a-1-0", folder=str(room.home.root / "synced/a"), files=1, bytes=1
        )
    ]
    room.end("a")
    looks(room, watch, 5)
    eventually(lambda: room.state.of("a").sync.final == "a-1-0", message="the end of it is noted")
    room.now += DAY_S  # nothing can change any more
    looks(room, watch, 5)
    room.begin("a", Path(str(room.state.of("a").worktree)), "a-2-0")
    looks(room, watch, 6)
    watch.close()


def test_a_failure_is_written_once_and_tried_again_ever_later(room: Room) -> None:
    place = room.home.root / "synced" / "a"
    place.parent.mkdir()
    place.write_text("a file in the way")
    watch = ResultsWatch(lambda: room, lambda name, seen: room.told.append((name, seen)), lambda: room.now)
    for pulls in range(1, 5):
        looks(room, watch, pulls)
        room.now += 5.0 * 2 ** (pulls - 1) + 0.1
    place.unlink()
    looks(room, watch, 5)
    assert [type(fact) for fact in room.recorded] == [f.SyncFailed, f.ResultsSynced]
    assert "no folder" in room.told[0][1].reason and room.told[0][1].at is None
    assert room.told[-1][1].reason == "" and room.told[-1][1].files == 1
    watch.close()


def test_a_host_that_does_not_answer_holds_up_no_other_and_is_no_news(room: Room, tmp_path: Path) -> None:
    room.begin("b", tmp_path, "b-1-0")
    lanes = Lanes()
    report = pull_all(room, ("a", "b"), lanes, room.say)
    lanes.close()
    assert [one["cause"] for one in report["workstreams"]] == ["", "host"]
    assert (report["ok"], report["exit_status"]) == (False, 3)
    assert [type(fact) for fact in room.recorded] == [f.ResultsSynced]
