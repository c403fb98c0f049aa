"""What Prometheus reads, and that the dashboard asks for nothing else."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.core import facts as f
from orchestrator.core.devices import Disk
from orchestrator.core.facts import Fact, LaunchId
from orchestrator.core.gating import Tips
from orchestrator.core.observation import HostSeen, LaunchSeen, Observation, Progress, SyncSeen
from orchestrator.core.plan import LOCAL, Gate, MetricsPolicy
from orchestrator.core.state import State
from orchestrator.core.status import DaemonStatus
from orchestrator.journal import Journal
from orchestrator.loop import View
from orchestrator.metrics.exposition import Exposition
from orchestrator.metrics.figures import METRICS_SHOWN
from orchestrator.metrics.listener import Listener
from orchestrator.turning import Turning
from tests.core.plans import plan, workstream

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana" / "orchestrator.json"
A = LaunchId("a-1")
DAY: tuple[Fact, ...] = (
    f.HostLost(host=LOCAL, reason="x"),
    f.StartAsked(workstream="a", by="ada"),
    f.LaunchChosen(workstream="a", launch=A, host=LOCAL, stage="run", attempt=1),
    f.Launched(workstream="a", launch=A, worktree="/w", tip="t", made_branch=True),
    f.GateFinished(
        wave=1, workstream="a", gate="tests", commit="c", tree="t", ok=True, seconds=2.5, cached=False, log=""
    ),
    f.GateFinished(
        wave=1, workstream="a", gate="tests", commit="c", tree="t", ok=True, seconds=2.5, cached=True, log=""
    ),
    f.GateFinished(
        wave=1, workstream="a", gate="tests", commit="d", tree="u", ok=False, seconds=1.5, cached=False,
        log="", outcome="red",
    ),
    f.LandingRefused(wave=1, reasons=("red",)),
)  # fmt: skip


class Scene:
    """A journal and a view of a worker in the middle of its run, with more metrics than are shown."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal.open(folder / "state.db")
        measured = {f"m{i:03}": float(i) for i in range(100)}
        progress = Progress(seq=3, step=3.0, total=10.0, eta_s=70.0, metrics=measured)
        seen = LaunchSeen(launch=A, alive=True, progress=progress)
        disk = Disk(folder="/w", free_bytes=7, total_bytes=9)
        synced = {"a": SyncSeen(at=0.0, files=1, bytes=1, reason="rsync ended with 12")}
        observed = Observation(hosts={LOCAL: HostSeen(reachable=True, disk=disk)}, synced=synced)
        observed = observed.with_pulses((seen,), 0.0, 0.0)
        declared = replace(plan(workstream("a"), workstream("b")), gates={"tests": Gate(name="tests")})
        self.view = View(
            plan=declared,
            state=State(),
            observation=observed,
            tips=Tips(),
            daemon=DaemonStatus(running=True, pid=1, held="the disk is full"),
            last_entry=0,
        )
        self.turning = Turning()
        self.turning.turned(0.25)
        self.happens(*DAY)
        self.exposition = Exposition(folder / "state.db", lambda: self.view, self.turning, lambda: ("x",))

    def happens(self, *facts: Fact) -> None:
        entries = self.journal.append(facts, datetime.now(timezone.utc))
        state = self.view.state
        for fact in facts:
            state = state.after(fact)
        self.view = replace(self.view, state=state, last_entry=entries[-1].id)

    def samples(self) -> dict[tuple[str, ...], float]:
        """By name and labels' values."""
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(self.exposition.text().decode())
            for sample in family.samples
        }


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_figures_of_a_day(scene: Scene) -> None:
    found = scene.samples()
    expected = {
        ("orchestrator_workers", "running"): 0.0,
        ("orchestrator_workers", "stale"): 1.0,
        ("orchestrator_workers", "waiting"): 1.0,
        ("orchestrator_wave_state", "open", "1"): 1.0,
        ("orchestrator_wave_state", "merged", "1"): 0.0,
        ("orchestrator_host_reachable", "local"): 1.0,
        ("orchestrator_host_losses_total", "local"): 1.0,
        ("orchestrator_progress_step", "a"): 3.0,
        ("orchestrator_progress_steps", "a"): 10.0,
        ("orchestrator_eta_seconds", "a"): 70.0,
        ("orchestrator_launches_total", "a"): 1.0,
        ("orchestrator_launches_total", "b"): 0.0,
        ("orchestrator_gate_results_total", "tests", "green"): 2.0,
        ("orchestrator_gate_results_total", "tests", "red"): 1.0,
        ("orchestrator_gate_duration_seconds_count", "tests"): 2.0,
        ("orchestrator_gate_duration_seconds_sum", "tests"): 4.0,
        ("orchestrator_landings_refused_total",): 1.0,
        ("orchestrator_loop_turn_seconds_count",): 1.0,
        ("orchestrator_loop_turn_seconds_sum",): 0.25,
        ("orchestrator_journal_entries",): float(len(DAY)),
        ("orchestrator_troubles",): 1.0,
        ("orchestrator_held",): 1.0,
        ("orchestrator_sync_failing", "a"): 1.0,
        ("orchestrator_host_disk_free_bytes", "local"): 7.0,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert found["orchestrator_journal_bytes",] > 4096
    assert found["orchestrator_heartbeat_age_seconds", "a"] > 0
    assert found["orchestrator_sync_age_seconds", "a"] > 0


def test_counts_go_on_from_the_journal(scene: Scene) -> None:
    scene.samples()
    scene.happens(f.HostLost(host=LOCAL, reason="again"), f.HostLost(host="of-an-old-plan", reason="x"))
    found = scene.samples()
    assert found["orchestrator_host_losses_total", "local"] == 2.0
    assert not [key for key in found if "of-an-old-plan" in key]


def test_a_worker_cannot_make_series_without_end(scene: Scene) -> None:
    names = [key for key in scene.samples() if key[0] == "orchestrator_worker_metric"]
    assert len(names) == METRICS_SHOWN
    assert scene.samples()["orchestrator_worker_metrics_left_out",] == 100 - METRICS_SHOWN


def test_nothing_is_left_in_the_global_registry(scene: Scene) -> None:
    scene.exposition.text()
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("orchestrator")]


@pytest.fixture
def listener(scene: Scene) -> Iterator[Listener]:
    listening = Listener(MetricsPolicy(host="127.0.0.1", port=0), scene.exposition.text)
    yield listening
    listening.close()


def test_prometheus_asks_over_tcp(listener: Listener, scene: Scene) -> None:
    with urlopen(f"http://127.0.0.1:{listener.port}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert b"orchestrator_workers{" in answer.read()
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"http://127.0.0.1:{listener.port}/v1/status", timeout=10)
    scene.journal._connection.execute("INSERT INTO facts (at, kind, body) VALUES ('', 'Unheard', '{}')")
    with pytest.raises(HTTPError, match="503"):
        urlopen(f"http://127.0.0.1:{listener.port}/metrics", timeout=10)


def test_a_port_that_is_taken_is_an_error_of_the_system(listener: Listener) -> None:
    with pytest.raises(OSError, match="in use"):
        Listener(MetricsPolicy(host="127.0.0.1", port=listener.port), lambda: b"")
    with socket.create_connection(("127.0.0.1", listener.port), timeout=5):
        pass


def queries(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (var["query"]["query"] for var in dashboard["templating"]["list"] if var["type"] == "query")


def test_the_dashboard_asks_for_figures_that_exist(scene: Scene) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    families = list(text_string_to_metric_families(scene.exposition.text().decode()))
    known = {sample.name for family in families for sample in family.samples}
    known |= {family.name for family in families if family.type == "gauge"}
    asked = [set(re.findall(r"\b(?:orchestrator|process)_[a-z_]+", query)) for query in queries(dashboard)]
    assert all(asked), "a query without a figure"
    assert set.union(*asked) <= known
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) > 10
    assert dashboard["uid"] and dashboard["schemaVersion"] >= 36
