"""A host's lane: long work delays no look, and many hosts do not come back in step."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from orchestrator.core.plan import LOCAL, HostName, Plan
from orchestrator.core.state import State
from orchestrator.errors import HostUnreachable, Refused
from orchestrator.home import find_home
from orchestrator.inbox import HostAnswered, HostSilent, Message
from orchestrator.lane import (
    RECONNECT_LIMIT_S,
    RECONNECT_PERSON_LIMIT_S,
    Lane,
    reconnect_pause_s,
)
from orchestrator.link import Link, open_link
from orchestrator.plan_file import load_plan
from orchestrator.site import Sites, Superseded
from tests.support.eventually import eventually
from tests.support.repository import pin, repository_at

PLAN = "version: 1\nproject: p\nwaves: {1: {workstreams: {a: {branch: w/a}}}}\n"


def test_many_hosts_do_not_reconnect_in_step() -> None:
    seeded = random.Random(5)
    times: list[float] = []
    for _ in range(50):
        at = 0.0
        for failures in range(6):
            at += reconnect_pause_s(failures, needs_person=False, jitter=seeded.random())
            times.append(at)
    crowd = Counter(int(at / 0.05) for at in times)
    assert max(crowd.values()) <= 10, crowd.most_common(3)


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_a_host_that_is_back_is_soon_tried(jitter: float) -> None:
    for failures in range(50):
        assert 0.2 < reconnect_pause_s(failures, needs_person=False, jitter=jitter) <= RECONNECT_LIMIT_S
    late = reconnect_pause_s(50, needs_person=True, jitter=jitter)
    assert RECONNECT_LIMIT_S < late <= RECONNECT_PERSON_LIMIT_S


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sites]:
    pin(monkeypatch, tmp_path)
    with repository_at(tmp_path / "r") as repository:
        (repository.path / "waves.yaml").write_text(PLAN)
        found = Sites(load_plan(repository.path / "waves.yaml"), find_home(repository.path))
        yield found
        found.close_all()


def plan_of(sites: Sites) -> Plan:
    return sites._plan


def test_work_that_lasts_delays_no_look(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox: SimpleQueue[Message] = SimpleQueue()
    over, begun = threading.Event(), []

    def lasting(*_: Any) -> None:
        begun.append(1)
        over.wait()

    monkeypatch.setattr("orchestrator.lane.perform", lasting)
    lane = Lane(LOCAL, sites, inbox)
    for _ in range(20):
        lane.perform(None, ())  # type: ignore[arg-type]
    eventually(lambda: len(begun) == 20, message="each has begun beside the others")
    lane.probe(plan_of(sites), State())
    assert isinstance(inbox.get(timeout=20), HostAnswered)
    over.set()
    lane.close()


def test_who_asks_meanwhile_shares_the_attempt(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    may_fail, attempts, heard = threading.Event(), [], []

    def open_slowly(*_: Any) -> Link:
        attempts.append(1)
        may_fail.wait()
        raise HostUnreachable("it does not answer")

    monkeypatch.setattr("orchestrator.site.open_link", open_slowly)

    asking = []

    def ask() -> None:
        asking.append(1)
        try:
            sites.site(LOCAL)
        except HostUnreachable as error:
            heard.append(error.message)

    askers = [threading.Thread(target=ask) for _ in range(5)]
    for asker in askers:
        asker.start()
    eventually(lambda: len(asking) == 5 and sites._attempts, message="one tries, all ask")
    assert len(attempts) == 1
    may_fail.set()
    for asker in askers:
        asker.join()
    assert heard == ["it does not answer"] * 5


def test_an_attempt_that_is_given_up_becomes_no_site(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    may_open, opened = threading.Event(), []

    def open_slowly(*arguments: Any) -> Link:
        may_open.wait()
        opened.append(open_link(*arguments))
        return opened[0]

    monkeypatch.setattr("orchestrator.site.open_link", open_slowly)
    heard: list[Exception] = []

    def ask() -> None:
        try:
            sites.site(LOCAL)
        except HostUnreachable as error:
            heard.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    eventually(lambda: sites._attempts, message="one tries")
    sites.close(LOCAL)
    may_open.set()
    asker.join()
    assert isinstance(heard[0], Superseded)
    eventually(lambda: not opened[0].alive, message="its link is closed")


def test_a_host_that_refuses_us_is_said_with_what_to_type(
    sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Link:
        raise Refused("it is another's.", "take it over")

    monkeypatch.setattr("orchestrator.site.open_link", refuse)
    inbox: SimpleQueue[Message] = SimpleQueue()
    lane = Lane(HostName("local"), sites, inbox)
    lane.probe(plan_of(sites), State())
    assert inbox.get(timeout=20) == HostSilent(host="local", reason="it is another's. (take it over)")
    lane.close()
