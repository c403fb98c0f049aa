"""Whatever a worker started ends with it, and what outlived its launch writes into no later one."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.agent import serve
from orchestrator.agent.survivors import end_survivors, survivors
from orchestrator.agent.watch import read_metrics
from orchestrator.supervise import processes, settle, stop
from orchestrator.supervise.processes import TAG
from orchestrator.wire import Claim, Claimed, ReadMetrics, Started, StartEntry
from tests.support.agent_scene import Scene, scene_in
from tests.support.eventually import eventually
from tests.support.process_trees import TREE, marked, plant
from tests.support.supervised import Launch

pytestmark = pytest.mark.timeout(120)

TREES = 4
# A launch is known by its id on the whole host: another test's must not end ours.
FIRST, SECOND = f"first-{os.getpid()}", f"second-{os.getpid()}"


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with scene_in(tmp_path, monkeypatch) as made:
        yield made


@pytest.mark.parametrize("seed", range(TREES))
def test_nothing_of_a_random_tree_outlives_a_stop(launch: Launch, tmp_path: Path, seed: int) -> None:
    mark = f"{tmp_path}/{seed}"
    shape = plant(random.Random(seed))
    launched = launch(f"{sys.executable} {TREE} {mark} '{json.dumps(shape)}'", stop_grace_s=0.5)
    launched.start()
    launched.says("planted")
    eventually(lambda: len(marked(mark)) >= shape["size"], 20, f"{shape['size']} processes")
    assert stop(launched.state, 0.5) is not None
    assert marked(mark) == set(), shape


@pytest.mark.parametrize("seed", range(TREES))
def test_nothing_of_a_random_tree_outlives_a_killed_supervisor(
    launch: Launch, tmp_path: Path, seed: int
) -> None:
    mark = f"{tmp_path}/lost-{seed}"
    shape = plant(random.Random(100 + seed))
    launched = launch(f"{sys.executable} {TREE} {mark} '{json.dumps(shape)}'")
    process = launched.start()
    launched.says("planted")
    eventually(lambda: len(marked(mark)) >= shape["size"], 20, f"{shape['size']} processes")
    process.kill()
    process.wait()
    assert settle(launched.state, 0.2) is not None
    assert marked(mark) == set(), shape


def test_a_worker_has_time_to_save_before_its_tree_is_killed(launch: Launch, tmp_path: Path) -> None:
    saves = "trap 'sleep 0.5; echo saved > saved; exit 75' TERM; echo ready; while :; do sleep 0.05; done"
    launched = launch(f"(trap '' TERM HUP; env -i setsid sleep 301 &) ; {saves}", stop_grace_s=5)
    launched.start()
    launched.says("ready")
    record = stop(launched.state, 2)
    assert record is not None and (record.exit_code, record.cause) == (75, "stopped")
    assert (tmp_path / "saved").exists() and not launched.processes()


@pytest.fixture
def few_pids() -> Iterator[Path]:
    """A control group of 40 processes; whoever writes their pid to `cgroup.procs` is in it."""
    first = Path("/sys/fs/cgroup/pids")
    group = (first if first.is_dir() else first.parent) / f"orchestrator-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "pids.max").write_text("40")
    except OSError as error:
        pytest.skip(f"no control group limits processes here: {error.strerror}")
    try:
        yield group
    finally:
        eventually(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def test_a_fork_bomb_is_ended(launch: Launch, few_pids: Path, tmp_path: Path) -> None:
    """Whoever was looked at is gone when it is killed, or another takes its place."""
    halt = tmp_path / "halt"
    bomb = f"f() {{ [ -e {halt} ] || {{ f & f & }}; }}; while [ ! -e {halt} ]; do f; done"
    launched = launch(
        f"trap '' TERM HUP; echo $$ > {few_pids}/cgroup.procs; echo ticks; {bomb} 2>/dev/null",
        stop_grace_s=0.2,
        terminal=False,
    )
    launched.start()
    launched.says("ticks")
    try:
        assert stop(launched.state, 0.2) is not None
        assert not _named(str(halt))
    finally:
        halt.touch()


def test_who_is_new_in_a_group_of_ours_dies_with_it() -> None:
    """As when it was forked after the last look: that knew of the group's first process only."""
    script = ["/bin/sh", "-c", "sleep 301 & sleep 302 & wait"]
    with subprocess.Popen(script, start_new_session=True) as group:
        children = Path(f"/proc/{group.pid}/task/{group.pid}/children")
        newer = eventually(lambda: (pids := children.read_text().split()) and len(pids) == 2 and pids)
        processes.kill_groups({(group.pid, processes.started(group.pid) or 0)})
        assert group.wait(10) == -signal.SIGKILL
        eventually(lambda: all(processes.started(int(pid)) is None for pid in newer))


def _named(mark: str) -> set[int]:
    found = set()
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark.encode() in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def deserted(scene: Scene, command: str) -> StartEntry:
    """A launch whose supervisor and session leader were both killed; what ignores HUP lives on."""
    wanted = scene.entry(command=f"trap '' HUP TERM; {command}", launch=FIRST)
    scene.started(wanted)
    eventually(lambda: "ready" in scene.log("i3d"))
    about = json.loads((folder_of(scene, FIRST) / "supervisor.json").read_text())
    # The leader first: a supervisor that lived would end the worker.
    os.kill(about["pid"], signal.SIGSTOP)
    os.kill(about["leader"][0], signal.SIGKILL)
    os.kill(about["pid"], signal.SIGKILL)
    eventually(lambda: processes.started(about["pid"]) is None)
    return wanted


def folder_of(scene: Scene, launch: str) -> Path:
    return Path(scene.place.state, "launches", launch)


LATE = """setsid sh -c "trap '' HUP TERM; until [ -e go ]; do sleep 0.05; done;
echo '{\\"acc\\": 0.99}' > results/validation_metrics.json; touch wrote" & echo ready; wait"""


def test_an_orphan_of_an_old_attempt_decides_no_stage(scene: Scene) -> None:
    deserted(scene, LATE)
    assert processes.belonging(FIRST)
    second = scene.entry(command="touch go; sleep 0.5; exit 0", launch=SECOND, launch_attempt=2)
    scene.started(second)
    assert not processes.belonging(FIRST)
    assert scene.ended(second).exit is not None
    assert not (scene.worktree("i3d") / "wrote").exists()
    asked = ReadMetrics(
        results=str(scene.worktree("i3d") / "results"),
        file="validation_metrics.json",
        launch=SECOND,
        place=scene.place,
    )
    assert not read_metrics(asked).found


def test_the_record_of_an_old_attempt_never_replaces_the_newer_one(launch: Launch) -> None:
    first = launch("sleep 60", attempt=1)
    process = first.start()
    eventually(lambda: (first.state / "heartbeat.json").exists())
    process.kill()
    process.wait()
    second = launch("exit 7", attempt=2)
    second.run()
    record = settle(first.state, 0)
    assert record is not None and record.cause == "supervisor-lost"
    assert json.loads((second.results / "exit.json").read_text())["launch"] == second.id


def test_whose_agent_claims_the_host_ends_what_lives_of_launches_that_ended(scene: Scene) -> None:
    deserted(scene, "setsid sleep 300 & echo ready; wait")
    assert survivors(scene.place) == {"i3d": {FIRST}}
    claimed = serve.handlers()[Claim](Claim(place=scene.place, owner="me", daemon="d"), lambda _: None)
    assert isinstance(claimed, Claimed)
    eventually(lambda: not processes.belonging(FIRST))
    eventually(lambda: (folder_of(scene, FIRST) / "exit.json").exists())


def test_who_still_has_a_supervisor_is_no_survivor(scene: Scene) -> None:
    wanted = scene.entry(command="echo ready; sleep 60", launch=FIRST)
    scene.started(wanted)
    eventually(lambda: "ready" in scene.log("i3d"))
    assert end_survivors(scene.place) == set()
    assert scene.seen(wanted).alive


@pytest.mark.parametrize(("how", "cause"), [("stop", "stopped"), ("look", "lost")])
def test_a_worker_whose_launch_has_no_folder_any_more_is_ended_and_its_session_used_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, how: str, cause: str
) -> None:
    monkeypatch.setattr("orchestrator.agent.watch.START_PATIENCE_S", 0)
    one, two = (f"i3d-{number}-{how}-{os.getpid()}" for number in (1, 2))
    first, second = (scene.entry(command="echo ready; sleep 60", launch=launch) for launch in (one, two))
    scene.started(first)
    eventually(lambda: "ready" in scene.log("i3d") and scene.seen(first).alive)
    shutil.rmtree(folder_of(scene, one))
    assert "whose folder was removed" in scene.refused(second).message
    ended = scene.stop(one)[0].exit if how == "stop" else scene.ended(first).exit
    assert ended is not None and (ended.cause, ended.detail) == (cause, "its folder was removed")
    assert processes.belonging(one) == set()
    eventually(lambda: isinstance(scene.start(second)[0], Started), 20, "the next one starts")


@pytest.mark.parametrize(
    ("launch", "workstream", "results", "is_ours"),
    [
        ("i3d-4", "i3d", "i3d/results", True),
        ("keepalive-7", "", "i3d/results", False),
        ("keepalive-7", "i3d", "i3d/results", False),
        ("i3d-4", "i3d", "../elsewhere/results", False),
        ("../i3d-4", "..", "i3d/results", False),
    ],
)
def test_a_launch_without_a_folder_is_known_by_its_environment(
    scene: Scene, launch: str, workstream: str, results: str, is_ours: bool
) -> None:
    launch = f"{launch}-{os.getpid()}"
    env = {
        TAG: launch,
        "ORCHESTRATOR_WORKSTREAM": workstream,
        "ORCHESTRATOR_RESULTS": f"{scene.place.worktrees}/{results}",
    }
    with subprocess.Popen(["/bin/sleep", "60"], env=env, start_new_session=True) as forgotten:
        try:
            expected = {workstream: {launch}} if is_ours else {}
            eventually(lambda: survivors(scene.place) == expected)
            assert end_survivors(scene.place) == (expected.get(workstream) or set())
            assert (forgotten.poll() is None) != is_ours or forgotten.wait(5) is not None
        finally:
            forgotten.kill()
