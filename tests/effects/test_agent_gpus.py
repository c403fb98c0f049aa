"""The census of a host, from a driver's program as `tests.support.driver` stands for it, and its disk."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.agent import gpus
from orchestrator.agent.gpus import GpuWatch
from orchestrator.agent.host_look import HostLook, fullest_disk
from orchestrator.agent.watch import Watch
from orchestrator.core.devices import Census
from orchestrator.wire import Place, Probe
from tests.support.driver import Driver
from tests.support.eventually import eventually


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    made = Driver(tmp_path / "driver", 81920, 24576)
    monkeypatch.setenv("PATH", made.path)
    yield made
    made.recover()


@pytest.fixture
def tagged() -> Iterator[subprocess.Popen[bytes]]:
    """A process of two launches, one within the other, with a child that cleared its environment."""
    env = {**os.environ, "ORCHESTRATOR_LAUNCH": "i3d-1-t inner-9"}
    script = "env -i sleep 60 & echo $!; wait"
    with subprocess.Popen(["sh", "-c", script], env=env, stdout=subprocess.PIPE) as made:
        yield made
        made.kill()


def test_devices_are_told_with_their_memory_and_who_holds_it(
    driver: Driver, tagged: subprocess.Popen[bytes]
) -> None:
    assert tagged.stdout is not None
    child = int(tagged.stdout.readline())
    for index, pid, megabytes in ((0, tagged.pid, 3000), (0, os.getpid(), 642), (1, child, 100)):
        driver.hold(index, pid, megabytes)
    census = GpuWatch().latest()
    assert census.is_known and [(gpu.index, gpu.total_mb) for gpu in census.gpus] == [(0, 81920), (1, 24576)]
    first, second = census.gpus
    assert (first.used_mb, first.free_mb, first.utilization) == (3642, 81920 - 3642, 7)
    assert first.name == "NVIDIA Test, 8g"
    told = [(one.pid, one.used_mb, one.launches) for one in first.processes]
    assert told == [(tagged.pid, 3000, ("i3d-1-t", "inner-9")), (os.getpid(), 642, ())]
    assert {one.name for one in first.processes} == {"python"} and first.processes[0].user
    assert [one.launches for one in second.processes] == [("i3d-1-t", "inner-9")]
    os.kill(child, 9)


def test_a_process_out_of_sight_has_no_user(driver: Driver) -> None:
    found = gpus._process(2**22 + 5, None, "[Not Found]")
    assert (found.user, found.name, found.launches) == ("", "", ())


def test_a_host_without_the_program_has_no_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert GpuWatch().read() == Census(driver=False)


@pytest.mark.parametrize(
    ("code", "said", "census"),
    [
        (9, "NVIDIA-SMI has failed because it couldn't communicate with the driver", Census(driver=False)),
        (6, "No devices were found", Census(driver=False)),
        (15, "GPU lost", Census(error="nvidia-smi exited with status 15: GPU lost")),
    ],
)
def test_no_driver_and_a_sick_one_are_told_apart(
    driver: Driver, code: int, said: str, census: Census
) -> None:
    driver.fail(code, said)
    assert GpuWatch().latest() == census


def test_devices_that_mig_divides_are_told(driver: Driver) -> None:
    assert GpuWatch().latest().divided == ()
    driver.divide(1, 7)
    assert GpuWatch().latest().divided == (1,)


def test_a_failed_look_keeps_what_was_seen_and_grows_old(driver: Driver) -> None:
    now = [0.0]
    watch = GpuWatch(clock=lambda: now[0])
    assert watch.latest().age_s == 0.0
    driver.fail(255, "torn")
    now[0] = 40.0
    sick = eventually(lambda: (c := watch.read()).error and c)
    assert (sick.error, sick.age_s, len(sick.gpus)) == ("nvidia-smi exited with status 255: torn", 40.0, 2)
    assert not sick.is_known
    driver.recover()
    now[0] = 50.0
    eventually(lambda: not watch.read().error and watch.read().age_s == 0.0)


def test_a_hanging_driver_delays_no_answer(driver: Driver, tmp_path: Path) -> None:
    driver.hang()
    now = [0.0]
    watch = GpuWatch(clock=lambda: now[0])
    place = Place(
        repository=str(tmp_path), common_dir=str(tmp_path), state=str(tmp_path), worktrees=str(tmp_path / "w")
    )
    look = HostLook(Watch(), watch)
    answered = threading.Event()

    def ask() -> None:
        for _ in range(20):
            look.probe(Probe(place=place, launches=(), gpus=True))
        answered.set()

    threading.Thread(target=ask, daemon=True).start()
    assert answered.wait(5)
    assert watch.read().is_pending
    now[0] = 16.0
    assert watch.read() == Census(error="nvidia-smi has not answered for 16 s")
    looking = [thread for thread in threading.enumerate() if thread.name == "gpus" and thread.is_alive()]
    assert len(looking) == 1


def test_nobody_counts_devices_unasked(driver: Driver, tmp_path: Path) -> None:
    place = Place(
        repository=str(tmp_path), common_dir=str(tmp_path), state=str(tmp_path), worktrees=str(tmp_path / "w")
    )
    driver.hang()
    seen = HostLook(Watch(), GpuWatch()).probe(Probe(place=place, launches=()))
    assert seen.census is None
    assert seen.disk is not None and seen.disk.total_bytes > seen.disk.free_bytes > 0


def test_the_fullest_of_several_disks_counts(tmp_path: Path) -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir() or os.statvfs(shm).f_blocks == os.statvfs(tmp_path).f_blocks:
        pytest.skip("one file system only")
    both = fullest_disk((str(tmp_path / "not" / "made"), str(shm)))
    alone = [fullest_disk((str(folder),)) for folder in (tmp_path, shm)]
    assert both is not None and None not in alone
    assert both.folder == min((one for one in alone if one), key=lambda one: one.free_bytes).folder
