"""Room on a host as its user sees it: devices that strangers hold, drains, a full disk, what fits nowhere."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.driver import Driver
from tests.support.eventually import eventually
from tests.support.project import Project

ONE_GPU = "hosts: {local: {gpus: 1}}"


@pytest.fixture
def driver(project: Project, tmp_path: Path) -> Driver:
    """This machine has a driver with one device of 80 GiB."""
    made = Driver(tmp_path / "driver", 81920)
    project.env["PATH"] = made.path
    return made


@pytest.fixture
def stranger() -> Iterator[int]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        process.kill()


def local(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = project.ok("status", "--json").json["hosts"][0]
    return found


def reason(project: Project, name: str) -> str:
    words: str = project.status(name)["reason"]
    return words


def test_a_stranger_s_process_is_waited_for_by_name(project: Project, driver: Driver, stranger: int) -> None:
    driver.hold(0, stranger, 642)
    seen = "echo $CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER"
    project.workstreams(f"a: {{branch: w/a, gpu: 1, run: '{seen}'}}", head=ONE_GPU)
    up = project.ok("up")
    words = f"GPU 0 of local: pid {stranger} (python, user "
    assert words in up.out and "of nobody here holds 642 MiB" in up.out
    (gpu,) = local(project)["gpus"]
    assert (gpu["memory_total_mb"], gpu["memory_used_mb"], gpu["held_by"]) == (81920, 642, [])
    assert [(p["pid"], p["workstream"]) for p in gpu["processes"]] == [(stranger, None)]
    assert f"pid {stranger} (python" in project.ok("status").out
    assert "GPU 0: NVIDIA Test, 8g, 79.4 GiB of 80.0 GiB free" in project.ok("doctor").out
    driver.let_go()
    project.until("a", "done")
    assert "0 PCI_BUS_ID" in project.ok("logs", "a").out


def test_a_device_is_freed_when_its_memory_is_and_peaks_are_kept(project: Project, driver: Driver) -> None:
    """The run leaves memory behind that is no process's any more."""
    project.workstreams(
        f'a: {{branch: w/a, gpu: 1, run: "{driver.holding(30000)}; until test -e end; do sleep 0.1; done"}}',
        "b: {branch: w/b, gpu: 1, run: 'sleep 600'}",
        head=ONE_GPU,
    )
    project.ok("up")
    assert "GPU 0 of local: held by a" in reason(project, "b")
    eventually(lambda: project.events("GpuPeakSeen"), message="the peak is written down")
    driver.stuck(0, 30000)
    (project.worktree("a") / "end").touch()
    project.until("a", "done")
    eventually(
        lambda: "76.0 GiB needed, 50.7 GiB left" in reason(project, "b"), message="memory is not freed"
    )
    assert [event["peak_mb"] for event in project.events("GpuPeakSeen")] == [30000]
    driver.stuck(0, 0)
    project.until("b", "running")


def test_what_was_measured_to_fit_nowhere_is_refused(project: Project, driver: Driver) -> None:
    metrics = json.dumps({"peak_gpu_memory_mb": 100000})
    stages = (
        f"[{{name: validation, run: 'echo {json.dumps(metrics)} > results/validation_metrics.json'}},"
        " {name: full, run: 'sleep 60'}]"
    )
    project.workstreams(f"a: {{branch: w/a, gpu: 1, stages: {stages}}}", head=ONE_GPU)
    project.ok("up")
    status = project.until("a", "failed")
    assert "it was seen to need 98.2 GiB of a GPU" in status["reason"]
    assert "orchestrator restart a" in status["reason"]
    assert project.run("up").code == 1


def test_devices_that_are_only_declared_go_by_count(project: Project) -> None:
    if any(os.access(Path(folder, "nvidia-smi"), os.X_OK) for folder in os.get_exec_path()):
        pytest.skip("this machine has a driver's program")
    project.workstreams(
        "a: {branch: w/a, gpu: 1, run: 'echo devices=$CUDA_VISIBLE_DEVICES; sleep 600'}",
        "b: {branch: w/b, gpu: 1, run: 'true'}",
        head=ONE_GPU,
    )
    up = project.ok("up")
    assert "waits for GPU 0 of local: held by a" in up.out
    eventually(lambda: "devices=0" in project.ok("logs", "a").out)
    host = local(project)
    assert (host["driver"], host["gpus"][0]["memory_total_mb"], host["gpus"][0]["held_by"]) == (
        False,
        None,
        ["a"],
    )
    note = "1 GPU declared, no driver found: leases go by count alone"
    assert host["gpu_note"] == note and f"host local: {note}" in project.ok("status").out
    doctor = project.run("doctor")
    assert doctor.code == 1 and "no driver found" in doctor.out
    project.ok("stop", "a")
    project.until("b", "done")


def test_a_drain_outlives_the_daemon_and_up_ends_it(project: Project) -> None:
    project.workstreams(
        "a: {branch: w/a, run: 'until test -e end; do sleep 0.1; done; exit 3', restart: {backoff: 0s}}",
        "b: {branch: w/b, run: 'true', needs: [c]}",
        "c: {branch: w/c}",
    )
    project.ok("up", "a", "c")
    assert project.ok("drain").out == "nothing new starts anywhere\nstill running: a c\n"
    refused = project.run("restart", "a")
    assert refused.code == 1 and "local is drained: a would be ended" in refused.err
    project.kill_daemon()
    project.ok("up", "a")
    assert project.ok("status", "--json").json["drained"] is True
    assert local(project)["drained"] is True
    (project.worktree("a") / "end").touch()
    words = "the end of the drain that"
    eventually(lambda: words in reason(project, "a"), message="the restart waits")
    timed_out = project.run("drain", "--wait", "--timeout", "1s")
    assert timed_out.code == 1 and "the time ran out: c is running" in timed_out.err
    project.ok("done", "c")
    assert project.ok("drain", "--wait", "--json").json == {"everywhere": True, "hosts": [], "running": []}
    project.ok("up")
    project.until("b", "done")
    assert project.ok("status", "--json").json["drained"] is False
    assert project.status("a")["attempt"] > 1


def test_the_drain_of_a_host_ends_by_name(project: Project) -> None:
    project.workstreams("a: {branch: w/a, run: 'true'}")
    assert project.ok("drain", "local").out == "nothing new starts on local\n"
    assert "waits for the end of the drain of local (orchestrator drain --off local)" in project.ok("up").out
    assert "nothing new starts on local; end that with" in project.ok("status").out
    assert project.ok("drain", "--off", "local").out == "what waits starts again\n"
    project.until("a", "done")
    wrong = project.run("drain", "gpu")
    assert wrong.code == 2 and "local" in wrong.err


def test_nothing_starts_on_a_full_disk_until_there_is_room(project: Project) -> None:
    project.workstreams("a: {branch: w/a, run: 'true'}", head="hosts: {local: {disk_floor: 9000TiB}}")
    assert "waits for disk: " in (out := project.ok("up").out) and "below the floor of 9000.0 TiB" in out
    assert not project.worktree("a").exists()
    project.workstreams("a: {branch: w/a, run: 'true'}", head="hosts: {local: {disk_floor: 1MiB}}")
    project.ok("up")
    project.until("a", "done")
