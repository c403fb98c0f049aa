"""What is told of an end beside its exit code: who killed it, what it ran out of, how far it came."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.supervise import evidence, kernel, settle
from tests.support.eventually import eventually
from tests.support.supervised import Launched, read

pytestmark = pytest.mark.timeout(90)

Launch = Callable[..., Launched]
V1 = Path("/sys/fs/cgroup/memory")
V2 = Path("/sys/fs/cgroup/cgroup.controllers")


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    made: list[Launched] = []

    def make(command: str, folder: Path = tmp_path, **fields: Any) -> Launched:
        made.append(Launched(folder, command, **fields))
        return made[-1]

    yield make
    for each in made:
        each.clean()


def end(tail: str = "", **changes: Any) -> evidence.End:
    fields: dict[str, Any] = {"exit_code": 1, "signal": None, "pids": {1}, "since": 1e12, "kills": {}}
    return evidence.End(tail=tail.split("\n"), folders=(), **{**fields, **changes})


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", "gpu-memory"),
        ("RuntimeError: CUDA error: out of memory", "gpu-memory"),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`", "gpu-memory"),
        ("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 12 bytes", "gpu-memory"),
        ("OSError: [Errno 28] No space left on device: 'ckpt.pt'", "disk"),
        ("tar: cannot write: Disk quota exceeded", "disk"),
        ("RuntimeError: CUDA error: an illegal memory access was encountered", "gpu-fault"),
        ("[rank0]: Watchdog caught collective operation timeout: WorkNCCL(SeqNum=3)", "gpu-fault"),
        ("CUDA error: unspecified launch failure", "gpu-fault"),
        ("java.lang.OutOfMemoryError: Java heap space", None),
        ("MemoryError", None),
        ("RuntimeError: CUDA error: device-side assert triggered", None),
        ("AssertionError: the disk is nearly full", None),
        ("Killed", None),
    ],
)
def test_last_words_that_name_a_cause(said: str, cause: str | None) -> None:
    text = f"Traceback (most recent call last):\n\x1b[31m{said}\x1b[0m\x07\nbye"
    assert evidence.cause_of(end(text)) == (cause, said if cause else "")


def test_out_of_gpu_memory_comes_before_what_it_brought_about() -> None:
    said = "CUDA out of memory.\nNCCL error: remote process exited\nNo space left on device"
    assert evidence.cause_of(end(said)) == ("gpu-memory", "CUDA out of memory.")


def test_a_kill_is_for_memory_only_when_the_kernel_counted_one() -> None:
    counted = {"/sys/fs/cgroup/x/memory.events": 1}
    assert evidence.cause_of(end(exit_code=None, signal=9)) == (None, "")
    cause, detail = evidence.cause_of(end(exit_code=None, signal=9, kills=counted))
    assert cause == "memory" and "/sys/fs/cgroup/x/memory.events" in detail
    assert evidence.cause_of(end(exit_code=137, kills={kernel.HOST: 2}))[0] == "memory"


def test_anothers_death_does_not_explain_an_error_of_ours() -> None:
    loader = "RuntimeError: DataLoader worker (pid 7) is killed by signal: Killed."
    assert evidence.cause_of(end("ValueError", kills={"/sys/fs/cgroup/memory.events": 1}))[0] is None
    assert evidence.cause_of(end(loader, kills={kernel.HOST: 1}))[0] is None
    assert evidence.cause_of(end(loader, kills={"/sys/fs/cgroup/memory.events": 1})) == ("memory", loader)


@pytest.mark.parametrize(
    ("listed", "file", "found"),
    [
        ("0::/user.slice\n", "user.slice/memory.events", "user.slice/memory.events"),
        ("0::/host/path\n", "memory.events", "memory.events"),
        ("5:memory:/a\n0::/\n", "memory/a/memory.oom_control", "memory/a/memory.oom_control"),
    ],
)
def test_counters_of_both_versions_of_control_groups(
    listed: str, file: str, found: str, tmp_path: Path
) -> None:
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "cgroup").write_text(listed)
    (tmp_path / "proc" / "vmstat").write_text("pgfree 12\noom_kill 4\n")
    counting = tmp_path / "cgroups" / file
    counting.parent.mkdir(parents=True)
    counting.write_text("low 0\noom 9\noom_kill 2\noom_group_kill 0\n")
    before = kernel.memory_kills(7, proc=str(tmp_path / "proc"), cgroups=str(tmp_path / "cgroups"))
    assert before == {str(tmp_path / "cgroups" / found): 2, str(tmp_path / "proc" / "vmstat"): 4}
    counting.write_text("oom_kill 3\n")
    assert kernel.rise(before) == {str(counting): 1}


def test_the_kernels_own_words(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.write_bytes(b"6,1,2500000,-;Memory cgroup out of memory: Killed process 71 (python) total-vm:1kB\n")
    lines = kernel.log_since(2.0, str(log))
    assert kernel.kill_named(lines, {71}).startswith("Memory cgroup out of memory: Killed process 71")
    assert kernel.kill_named(lines, {72}) == "" == kernel.device_error(lines)
    assert kernel.log_since(60.0, str(log)) == []
    xid = ["NVRM: Xid (PCI:0000:01:00): 79, pid=71, name=python, GPU has fallen off the bus."]
    assert kernel.device_error(xid, {71}) == xid[0] and kernel.device_error(xid, {72}) == ""


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group of 64 MiB without swap; whoever writes their pid to `cgroup.procs` is in it."""
    parent = V1 if (V1 / "memory.limit_in_bytes").exists() else Path("/sys/fs/cgroup")
    group = parent / f"orchestrator-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error.strerror}")
    try:
        limit = group / ("memory.limit_in_bytes" if parent == V1 else "memory.max")
        if not limit.exists():
            pytest.skip("control groups do not limit memory here")
        limit.write_text(str(64 * 1024 * 1024))
        yield group
    finally:
        eventually(lambda: _removed(group))


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except OSError:
        return False
    return True


def test_who_is_killed_for_memory_is_told_so(launch: Launch, small_group: Path) -> None:
    hog = "kept = []\nwhile True: kept.append(bytearray(b'x' * 1_000_000))"
    launched = launch(f'echo $$ > {small_group}/cgroup.procs; exec {sys.executable} -c "{hog}"')
    launched.run()
    found = launched.exit()
    assert (found["exit_code"], found["signal"], found["cause"]) == (None, "SIGKILL", "memory")
    assert "illed" in found["detail"]


def test_a_kill_by_hand_is_no_want_of_memory(launch: Launch) -> None:
    launched = launch("kill -9 $$")
    launched.run()
    assert (launched.exit()["cause"], launched.exit()["detail"]) == ("signal", "")


def test_a_supervisor_killed_for_memory_is_settled_as_that(launch: Launch, tmp_path: Path) -> None:
    launched = launch("sleep 60", beat_s=60)
    process = launched.start()
    eventually(lambda: (launched.state / "heartbeat.json").exists())
    counting = tmp_path / "memory.events"
    counting.write_text("oom_kill 1\n")
    beat = {**launched.beat(), "memory_kills": {str(counting): 0}}
    (launched.state / "heartbeat.json").write_text(json.dumps(beat))
    process.kill()
    process.wait()
    record = settle(launched.state, 0)
    assert record is not None and record.cause == "memory" and str(counting) in record.detail
    assert read(launched.state / "exit.json")["cause"] == "memory"


def progress(**fields: object) -> str:
    return f"echo '{json.dumps(fields)}' > results/progress.json"


@pytest.mark.parametrize(
    ("own", "step"),
    [({}, 7.0), ({"attempt": 2}, 7.0), ({"attempt": 1}, None), ({"launch": "x-1", "attempt": 2}, None)],
)
def test_the_last_step_of_this_attempt(launch: Launch, own: dict[str, object], step: float | None) -> None:
    launched = launch(f"{progress(seq=1, step=7, **own)}; exit 3")
    launched.run()
    assert (launched.exit()["step"], launched.exit()["cause"]) == (step, "exited")


def test_a_lost_supervisor_leaves_the_last_step(launch: Launch) -> None:
    launched = launch(f"{progress(step=41)}; echo ready; sleep 60")
    process = launched.start()
    launched.says("ready")
    process.kill()
    process.wait()
    record = settle(launched.state, 0)
    assert record is not None and (record.cause, record.step) == ("supervisor-lost", 41)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=2m", "tmpfs"]
    mounted = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small disk can be made here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_the_end_is_recorded_on_a_full_disk(launch: Launch, small_disk: Path) -> None:
    """The log, the records and the results lie on it; the worker fills it and waits, then fails."""
    fill = "cat /dev/zero > results/ckpt 2>/dev/null; : > results/full; sleep 0.5; exit 9"
    launched = launch(fill, small_disk, log=str(small_disk / "worker.log"), beat_s=0.1)
    process = launched.start()
    eventually(lambda: (launched.results / "full").exists())
    beat = eventually((launched.state / "heartbeat.json").exists) and launched.beat()["seq"]
    eventually(lambda: launched.beat()["seq"] > beat + 1, message="it beats though nothing can be written")
    process.wait(20)
    found = launched.exit()
    assert (found["exit_code"], found["cause"]) == (9, "disk")
    assert found["detail"] == f"the file system of {launched.results} is full"


def test_a_lost_end_on_a_full_disk_is_known_all_the_same(launch: Launch, small_disk: Path) -> None:
    launched = launch("echo ready; sleep 60", small_disk, log="/dev/null")
    process = launched.start()
    eventually(lambda: (launched.state / "heartbeat.json").exists())
    (launched.state / "exit.json.reserve").unlink()
    with (small_disk / "rest").open("wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(b"\0" * 4096)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    record = settle(launched.state, 0)
    assert record is not None and record.cause == "supervisor-lost"
    assert not (launched.state / "exit.json").exists()
    (small_disk / "rest").unlink()
    settle(launched.state, 0)
    assert launched.exit()["cause"] == "supervisor-lost"
