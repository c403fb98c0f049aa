"""What the daemon shows follows the plan, and a port that is taken is no reason to end."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from orchestrator.beacons import Beacons
from orchestrator.core.gating import Tips
from orchestrator.core.observation import Observation
from orchestrator.core.plan import MetricsPolicy, NotifyPolicy, Plan
from orchestrator.core.state import State
from orchestrator.core.status import DaemonStatus
from orchestrator.journal import Journal
from orchestrator.loop import View
from orchestrator.notify.ledger import ledger_file
from orchestrator.settings import StatePaths
from tests.core.plans import plan, workstream
from tests.support.eventually import eventually

PLAN = plan(workstream("a"))


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    found = StatePaths(root=tmp_path / "orchestrator")
    found.create()
    Journal.open(found.journal).close()
    return found


@pytest.fixture
def beacons(paths: StatePaths) -> Iterator[Beacons]:
    daemon = DaemonStatus(running=True, pid=1)
    view = View(
        plan=replace(PLAN, notify=NotifyPolicy(urls=("env:NOPE",))),
        state=State(token="0badcafe"),
        observation=Observation(),
        tips=Tips(),
        daemon=daemon,
        last_entry=0,
    )
    made = Beacons(paths, lambda: view, dict)
    yield made
    made.close(failed=False)


def listening(port: int) -> Plan:
    return replace(PLAN, metrics=MetricsPolicy(host="127.0.0.1", port=port))


def test_a_port_that_is_taken_is_asked_for_again(beacons: Beacons, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.beacons.LISTEN_AGAIN_S", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        beacons.adopt(listening(port))
        assert beacons.troubles() == (f"metrics: cannot listen on 127.0.0.1:{port}: Address already in use",)
        beacons.tick()
        assert beacons.troubles() != ()
    beacons.tick()
    assert beacons.troubles() == ()
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert b"orchestrator_info" in answer.read()
    beacons.adopt(PLAN)
    with pytest.raises(URLError, match="refused"):
        urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)


def test_a_plan_that_tells_nobody_any_more_forgets_what_waited(beacons: Beacons, paths: StatePaths) -> None:
    beacons.adopt(replace(PLAN, notify=NotifyPolicy(urls=("env:NOPE",))))
    eventually(ledger_file(paths.root).exists, message="a ledger")
    beacons.adopt(PLAN)
    assert not ledger_file(paths.root).exists()
    beacons.adopt(PLAN)  # nothing is there to forget
