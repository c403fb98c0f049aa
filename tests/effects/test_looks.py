"""A look carries only what is new; whatever is lost on the way, the daemon knows all launches."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.agent.gpus import GpuWatch
from orchestrator.agent.host_look import HostLook
from orchestrator.agent.looks import Looks
from orchestrator.agent.watch import Watch
from orchestrator.core.observation import LaunchSeen
from orchestrator.core.plan import LOCAL
from orchestrator.core.plan import Host as HostOfPlan
from orchestrator.errors import HostUnreachable, Refused
from orchestrator.observe import _look
from orchestrator.site import LookMemory, Site
from orchestrator.wire import Look, News, Place, Probe, Seen, Watched

PLACE = Place(repository="/r", common_dir="/r/.git", state="/s", worktrees="/w")


def watched(*names: str) -> tuple[Watched, ...]:
    return tuple(Watched(launch=name, results=f"/w/{name}/results") for name in names)


@dataclass
class Host:
    """What a watch would see there; the rest is ours, but for the link, which may lose an answer."""

    seen: dict[str, LaunchSeen] = field(default_factory=dict)
    sent: list[Look] = field(default_factory=list)
    got: list[News] = field(default_factory=list)
    loses: bool = False

    def __post_init__(self) -> None:
        self.place, self.memory, self.host = PLACE, LookMemory(), HostOfPlan(name=LOCAL)
        self.looks = Looks(cast("HostLook", self))

    def probe(self, request: Probe) -> Seen:
        unknown = (LaunchSeen(launch=one.launch, alive=False, unknown=True) for one in request.launches)
        return Seen(boot_id="b", launches=tuple(self.seen.get(one.launch, one) for one in unknown))

    def call(self, request: Look) -> News:
        self.sent.append(request)
        self.got.append(self.looks.look(request))
        if self.loses:
            raise HostUnreachable("the answer was lost")
        return self.got[-1]

    def look(self, *names: str) -> tuple[LaunchSeen, ...]:
        return _look(cast("Site", self), watched(*names), ())[1]


def seen(name: str, **fields: Any) -> LaunchSeen:
    return LaunchSeen(launch=name, alive=True, **fields)


@pytest.fixture
def host() -> Host:
    return Host(seen={name: seen(name) for name in "abc"})


def told(host: Host) -> list[str]:
    return [one.launch for one in host.got[-1].launches]


def test_what_did_not_change_is_not_told_again(host: Host) -> None:
    assert host.look("a", "b", "c") == (seen("a"), seen("b"), seen("c"))
    host.seen["b"] = seen("b", beat_seq=2)
    assert host.look("a", "b", "c") == (seen("a"), seen("b", beat_seq=2), seen("c"))
    assert told(host) == ["b"]
    assert host.look("a", "b", "c")[1].beat_seq == 2 and told(host) == []
    assert host.sent[-1] == Look(since=2)


def test_a_lost_answer_costs_no_news(host: Host) -> None:
    host.look("a", "b")
    host.seen["a"], host.loses = seen("a", beat_seq=5), True
    with pytest.raises(HostUnreachable):
        host.look("a", "b")
    host.seen["b"], host.loses = seen("b", beat_seq=6), False
    assert [one.beat_seq for one in host.look("a", "b")] == [5, 6]


def test_launches_come_and_go(host: Host) -> None:
    host.look("a", "b")
    assert host.look("b", "c") == (seen("b"), seen("c"))
    assert told(host) == ["c"]
    assert host.look("a", "c") == (seen("a"), seen("c"))
    assert set(host.memory.seen) == {"a", "c"}


def test_a_new_agent_is_asked_for_everything(host: Host) -> None:
    host.look("a", "b")
    host.looks, host.memory = Looks(cast("HostLook", host)), LookMemory()
    assert host.look("a", "b") == (seen("a"), seen("b")) and told(host) == ["a", "b"]


def test_an_agent_refuses_what_it_never_told() -> None:
    looks = Looks(HostLook(Watch(), GpuWatch()))
    with pytest.raises(Refused):
        looks.look(Look(since=3))
    with pytest.raises(Refused):
        looks.look(replace(Look(place=PLACE, launches=()), since=1))


def test_an_unknown_launch_is_told(host: Host, tmp_path: Path) -> None:
    assert host.look("x") == (LaunchSeen(launch="x", alive=False, unknown=True),)
