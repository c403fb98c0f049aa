"""What a correct file means."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.core.plan import (
    Gate,
    Heartbeat,
    Host,
    MetricsPolicy,
    NotifyPolicy,
    Plan,
    QuietHours,
    RestartPolicy,
    Retention,
    Stage,
    SyncPolicy,
)
from orchestrator.errors import UsageError
from orchestrator.plan_file import find_plan, load_plan

INTERFACE = Path(__file__).parent.parent / "data" / "plans" / "interface.yaml"

Load = Callable[[str], Plan]


@pytest.fixture(scope="module")
def interface() -> Plan:
    return load_plan(INTERFACE)


def test_the_example_of_the_interface_loads(interface: Plan) -> None:
    assert interface.project == "trajectory-video"
    assert interface.source == str(INTERFACE)
    assert interface.digest == hashlib.sha256(INTERFACE.read_bytes()).hexdigest()
    assert interface.remote == "origin"
    assert {number: wave.workstreams for number, wave in interface.waves.items()} == {
        1: ("shared",),
        2: ("i3d", "slowfast"),
    }
    assert interface.waves[2].needs.waves == (1,)
    assert interface.integration_branch(interface.waves[2].number) == "integration/wave2"


def test_all_of_the_interface_is_built(interface: Plan) -> None:
    assert interface.not_built == ()


def test_hosts(interface: Plan) -> None:
    assert dict(interface.hosts) == {
        "local": Host(name="local"),
        "gpu": Host(
            name="gpu",
            ssh="ubuntu@ec2-gpu",
            identity="~/keys/gpu.pem",
            root="~/parallel",
            gpus=(0,),
            share=4,
            slots=8,
        ),
    }


def test_gates_are_declared_or_built_in(interface: Plan) -> None:
    tests = Gate(name="tests", run="pytest -q", timeout_s=1800)
    assert interface.workstreams["shared"].gates == (
        tests,
        Gate(name="types", run="mypy --strict src tests"),
        Gate(name="clean-merge", check="clean-merge"),
    )
    assert interface.waves[2].gates == (tests, Gate(name="independence", check="independence"))
    assert interface.gates["components"].settings == {"spec": ".component_spec.yaml"}


def test_a_full_workstream(interface: Plan) -> None:
    i3d = interface.workstreams["i3d"]
    assert (i3d.host, i3d.gpu, i3d.ports, i3d.copy) == ("gpu", 1, 2, (".env",))
    assert [stage.name for stage in i3d.stages] == ["validation", "full"]
    assert i3d.stages[0].require[-1] == "improving(total_loss)"
    assert i3d.sync == SyncPolicy(every_s=300, include=("results/", "artifacts/"), to="synced")
    assert interface.workstreams["slowfast"].needs.workstreams == ("i3d",)
    assert interface.session(i3d.name) == "trajectory-video_i3d"


def test_the_shortest_plan(load: Load) -> None:
    plan = load("version: 1\nproject: p\nwaves: {1: {workstreams: {a: {branch: b}}}}")
    work = plan.workstreams["a"]
    assert (plan.base, plan.integration, work.base, work.host) == (
        "main",
        "integration/wave{wave}",
        "main",
        "local",
    )
    assert (work.stages, work.results, work.heartbeat) == ((), "results", Heartbeat(every_s=30, stale_s=180))


def test_defaults_lie_under_each_workstream(load: Load) -> None:
    plan = load(
        """\
version: 1
project: p
base: trunk
gates: {t: {run: "true"}}
defaults:
  env: {A: a, B: b}
  heartbeat: {every: 1m, stale: 1h}
  restart: {limit: 7}
  run: make
  resume: make again
  gates: t
  paths: [x]
waves:
  2: {workstreams: {c: {branch: c, stages: [{name: s, run: r, timeout: 1.5h, require: loss < 1}]}}}
  1:
    workstreams:
      a: {branch: a, env: {B: c}, heartbeat: {every: 5s}, restart: {backoff: 0s}, base: other}
      b: {branch: b, run: test, gates: [], paths: [y]}
"""
    )
    a, b, c = (plan.workstreams[name] for name in ("a", "b", "c"))
    assert list(plan.waves) == [1, 2]
    assert list(plan.workstreams) == ["c", "a", "b"]
    assert dict(a.env) == {"A": "a", "B": "c"}
    assert a.heartbeat == Heartbeat(every_s=5, stale_s=3600)
    assert a.restart == RestartPolicy(limit=7, backoff_s=0)
    assert (a.base, b.base) == ("other", "trunk")
    assert (a.stages, b.stages) == (
        (Stage(name="run", run="make", resume="make again"),),
        (Stage(name="run", run="test"),),
    )
    assert c.stages == (Stage(name="s", run="r", timeout_s=5400, require=("loss < 1",)),)
    assert [gate.name for gate in a.gates] == ["t"]
    assert (b.gates, b.paths, a.paths) == ((), ("y",), ("x",))


def test_every_key_is_read(load: Load) -> None:
    plan = load(
        """\
version: 1
project: p
tmux: {socket: other}
hosts:
  local: {slots: 2, gpus: [3, 5], share: 2, disk_floor: 1.5GiB}
  far: {ssh: "me@host:2222", jump: bastion, engine: slurm, python: python3.12}
gates:
  m:
    check: metrics
    rule: acc > 0.9
    least: 3
    deep: {list: [1.5, yes]}
    severity: warn
    retries: 2
    gpu: 1
    scope: wave
  n: {run: make, scope: diff, inputs: [src/, tests/*.py]}
agents: {coder: {run: "agent {brief}", resume: agent -c, brief: do it, env: {A: b, C: d}, asks: ['go on[?]']}}
notify:
  {urls: ["json://example.org/s3cret"], on: [held, failed], digest: 10m, quiet: 22:00-07:00,
   ping: "https://example.org/s3cret", every: 2m}
metrics: {listen: 9470}
retention: {logs: 30d, results: 7d, journal: 1d}
waves:
  1:
    winner: max(acc)
    setup: make
    workstreams:
      a:
        {branch: a, agent: coder, brief: write, env: {C: e}, review: yes, priority: -3, gpu: 2,
         worktree: ../w, results: out/}
      b: {branch: b, review: no}
"""
    )
    assert plan.tmux_socket == "other"
    day_s = 86400.0
    assert plan.retention == Retention(logs_s=30 * day_s, results_s=7 * day_s, journal_s=day_s)
    assert (plan.hosts["local"].gpus, plan.hosts["local"].disk_floor) == ((3, 5), 3 * 1024**3 // 2)
    assert (plan.hosts["far"].jump, plan.hosts["far"].engine) == ("bastion", "slurm")
    assert plan.gates["m"].settings == {"rule": "acc > 0.9", "least": 3, "deep": {"list": [1.5, True]}}
    m, n = plan.gates["m"], plan.gates["n"]
    assert (m.severity, m.retries, m.gpu, m.scope, m.inputs) == ("warn", 2, 1, "wave", ())
    assert (n.scope, n.inputs, n.severity, n.retries) == ("diff", ("src/", "tests/*.py"), "block", 0)
    work = plan.workstreams["a"]
    assert (work.brief, work.review, work.priority) == ("write", True, -3)
    assert work.agent is not None
    assert (work.agent.name, work.agent.brief, work.agent.asks) == ("coder", "do it", ("go on[?]",))
    assert work.stages == (Stage(name="agent", run='agent "$ORCHESTRATOR_BRIEF"', resume="agent -c"),)
    assert work.env == {"A": "b", "C": "e"}
    assert (work.worktree, work.results) == ("../w", "out")
    assert plan.notify == NotifyPolicy(
        urls=("json://example.org/s3cret",),
        on=("held", "failed"),
        digest_s=600.0,
        quiet=QuietHours(begins=22 * 60, ends=7 * 60),
        ping="https://example.org/s3cret",
        ping_every_s=120.0,
    )
    assert plan.metrics == MetricsPolicy(host="127.0.0.1", port=9470)
    assert "s3cret" not in repr(plan)
    assert [(entry.place, entry.key) for entry in plan.not_built] == [
        ("host far", "engine: slurm"),
        ("wave 1", "winner"),
    ]


def test_a_plan_is_found_upward(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "waves.yaml").touch()
    (tmp_path / "a" / "waves.yaml").mkdir()
    assert find_plan(deep) == tmp_path / "waves.yaml"


def test_a_plan_that_is_not_found_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_plan(tmp_path)
    assert caught.value.hint == "orchestrator init writes one"


def test_every_key_of_restart_is_read(load: Load) -> None:
    written = "{limit: 1, backoff: 3s, refill: 2h, stalled: false, diverged: false, verify: python dry.py}"
    plan = load(
        f"""\
version: 1
project: p
waves:
  1:
    workstreams:
      a: {{branch: a, restart: {written}}}
"""
    )
    assert plan.workstream("a").restart == RestartPolicy(
        limit=1, backoff_s=3.0, refill_s=7200.0, stalled=False, diverged=False, verify="python dry.py"
    )


def test_sync_is_merged_with_the_defaults_and_pulls_its_own_results(load: Load) -> None:
    plan = load(
        """
version: 1
project: p
defaults: {sync: {every: 10m, bandwidth: 1.5MB, exclude: ['*.tmp']}}
waves:
  1:
    workstreams:
      a: {branch: a, results: out/a}
      b: {branch: b, sync: {every: 1h, include: [results/, logs/], to: got/here, bandwidth: 500KB/s}}
"""
    )
    assert plan.not_built == ()
    assert plan.workstreams["a"].sync == SyncPolicy(
        every_s=600, include=("out/a",), exclude=("*.tmp",), bandwidth=1_500_000
    )
    assert plan.workstreams["b"].sync == SyncPolicy(
        every_s=3600, include=("results/", "logs/"), exclude=("*.tmp",), to="got/here", bandwidth=500_000
    )
    bare = load("version: 1\nproject: p\nwaves: {1: {workstreams: {a: {branch: b, results: r/a}}}}")
    assert bare.workstreams["a"].sync is None
    assert bare.workstreams["a"].pulling == SyncPolicy(include=("r/a",))


@pytest.mark.parametrize("bandwidth", ["10", "10Mbit", "-1MB", "fast", "MB", "[1MB]"])
def test_a_bandwidth_has_a_unit(complaints: Callable[[str], list[str]], bandwidth: str) -> None:
    work = f"{{branch: b, sync: {{bandwidth: {bandwidth}}}}}"
    (said,) = complaints(f"version: 1\nproject: p\nwaves: {{1: {{workstreams: {{a: {work}}}}}}}")
    assert said.endswith("bytes a second are wanted, such as 500KB or 10MB")
