"""Who may change a project's place on a host: one daemon, by its fence."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.agent.ownership import SILENT_S, Ownership
from orchestrator.errors import Refused
from orchestrator.wire import Claim, Claimed, Look, OpenRepository, Place, Stop, Type
from tests.support.eventually import eventually
from tests.support.repository import pin

LAPTOP, DESK = "ada@laptop:/home/ada/p", "bob@desk:/srv/p"


class Agent:
    """An agent of one daemon, on the host's one clone; `left` once it would have ended itself."""

    def __init__(self, root: Path, owner: str, daemon: str) -> None:
        self.left = 0
        self.ownership = Ownership(self._leave)
        self.owner, self.daemon, self.fence = owner, daemon, 0
        opening = OpenRepository(project="p", owner=owner, root=str(root))
        self.place: Place = self.ownership.open_repository(opening)

    def _leave(self) -> None:
        self.left += 1

    def claim(self, take_over: bool = False) -> Claimed:
        claimed = self.ownership.claim(
            Claim(
                place=self.place,
                owner=self.owner,
                daemon=self.daemon,
                fence=self.fence,
                take_over=take_over,
            )
        )
        self.fence = claimed.fence
        return claimed

    def change(self) -> str:
        done: Callable[[Stop], str] = self.ownership.guarded(lambda _: "done")
        return done(Stop(place=self.place, launches=(), grace_s=0))

    def end(self) -> None:
        """As the process would: its locks go with it."""
        for held in self.ownership._held.values():
            if held.lock is not None:
                os.close(held.lock)
                held.lock = None


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Agent:
    pin(monkeypatch, tmp_path)
    return Agent(tmp_path / "root", LAPTOP, "d1")


@pytest.fixture
def desk(laptop: Agent, tmp_path: Path) -> Agent:
    return Agent(tmp_path / "root", DESK, "d2")


def test_the_second_daemon_is_refused_with_the_owner_named(laptop: Agent, desk: Agent) -> None:
    assert laptop.claim() == Claimed(fence=1)
    with pytest.raises(
        Refused, match=f"belongs to another: {LAPTOP} since .*at work, last seen 0 s ago"
    ) as no:
        desk.claim()
    assert no.value.hint is not None and "--take-over" in no.value.hint
    with pytest.raises(Refused, match="belongs to another"):
        desk.change()
    assert laptop.change() == "done"


def test_one_who_only_reads_changes_nothing(laptop: Agent, desk: Agent) -> None:
    laptop.claim()
    typed = desk.ownership.guarded(lambda _: "typed")
    asked = Type(tmux_socket=None, session="p_a", text="", enter=False)
    assert typed(asked) == "typed"
    with pytest.raises(Refused):
        typed(Type(tmux_socket=None, session="p_a", text="rm", enter=True))


def test_a_daemon_that_lost_the_host_is_refused_whatever_it_believes(laptop: Agent, desk: Agent) -> None:
    laptop.claim()
    assert desk.claim(take_over=True) == Claimed(fence=2, taken_from=LAPTOP)
    for act in (laptop.change, laptop.claim):
        with pytest.raises(Refused, match=f"taken over by {DESK}"):
            act()
    eventually(lambda: laptop.left, 5, "its agent ends, with all it had in hand")
    desk.end()
    with pytest.raises(Refused, match="taken over"):
        laptop.claim()  # also when the new owner is away
    assert laptop.claim(take_over=True) == Claimed(fence=3, taken_from=DESK)
    with pytest.raises(Refused, match=f"taken over by {LAPTOP}"):
        desk.change()


def test_a_new_connection_of_the_same_daemon_keeps_its_fence(laptop: Agent, tmp_path: Path) -> None:
    laptop.claim()
    again = Agent(tmp_path / "root", LAPTOP, "d1")
    again.fence = 1
    assert again.claim() == Claimed(fence=1)
    assert again.change() == laptop.change() == "done"


def test_who_restarts_its_daemon_needs_not_ask(laptop: Agent, tmp_path: Path) -> None:
    laptop.claim()
    successor = Agent(tmp_path / "root", LAPTOP, "d3")
    with pytest.raises(Refused, match="at work"):
        successor.claim()  # a machine of the same name, as long as the other one works
    laptop.end()
    assert successor.claim() == Claimed(fence=2)
    with pytest.raises(Refused, match="taken over"):
        laptop.change()


def test_a_dead_daemon_whose_agent_lingers_is_succeeded(laptop: Agent, tmp_path: Path) -> None:
    laptop.claim()
    long_ago = time.time() - SILENT_S - 60
    os.utime(Path(laptop.place.state, "owner.lock"), (long_ago, long_ago))
    assert Agent(tmp_path / "root", LAPTOP, "d3").claim() == Claimed(fence=2)


def test_somebody_else_is_not_succeeded_but_told_how_long_they_are_away(laptop: Agent, desk: Agent) -> None:
    laptop.claim()
    laptop.end()
    long_ago = time.time() - 2 * 3600
    os.utime(Path(laptop.place.state, "owner.lock"), (long_ago, long_ago))
    with pytest.raises(Refused, match="not at work, last seen 2 h ago"):
        desk.claim()


def test_a_daemon_at_work_is_seen(laptop: Agent) -> None:
    laptop.claim()
    lock = Path(laptop.place.state, "owner.lock")
    os.utime(lock, (0, 0))
    laptop.ownership._held[laptop.place.state].marked_at = 0.0
    laptop.ownership.marking(lambda _: None)(Look())
    assert time.time() - lock.stat().st_mtime < 60


def test_a_clone_from_before_there_were_fences(laptop: Agent, desk: Agent) -> None:
    assert not Path(laptop.place.state, "owner.json").exists()
    with pytest.raises(Refused, match=f"belongs to another: {LAPTOP}; no daemon of theirs was seen"):
        desk.claim()
    assert laptop.claim() == Claimed(fence=1)
