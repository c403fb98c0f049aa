"""Where a worker stands, asked while it runs, and that asking harms nobody."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.agent.stacks import dump
from orchestrator.errors import Refused
from orchestrator.wire import DumpStacks, Stacks, StartEntry
from tests.support.agent_scene import Scene, scene_in
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[2]

STUCK = f"""
import os, signal, sys, threading, time
sys.path.insert(0, {str(ROOT)!r})
from orchestrator import progress
PREPARE
progress.report(step=3)
THEN
def stuck_in_a_collective():
    print("stands", flush=True)
    while True: time.sleep(60)
threading.Thread(target=lambda: time.sleep(60), name="loader", daemon=True).start()
stuck_in_a_collective()
"""


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with scene_in(tmp_path, monkeypatch) as made:
        yield made


def started(scene: Scene, command: str, said: str = "stands") -> StartEntry:
    wanted = scene.entry(command=command)
    scene.started(wanted)
    eventually(lambda: said in scene.log("i3d"), 20, said)
    return wanted


def python(folder: Path, prepare: str = "pass", then: str = "pass") -> str:
    program = folder / "program.py"
    program.write_text(STUCK.replace("PREPARE", prepare).replace("THEN", then))
    return f"{sys.executable} {program}"


def dumped(scene: Scene, wanted: StartEntry) -> Stacks:
    return dump(DumpStacks(place=scene.place, workstream="i3d", launch=wanted.launch.launch))


def is_well(scene: Scene, wanted: StartEntry) -> bool:
    seen = scene.seen(wanted)
    return seen.alive and seen.exit is None


def test_a_python_worker_says_where_each_thread_stands(scene: Scene, tmp_path: Path) -> None:
    wanted = started(scene, python(tmp_path))
    found = dumped(scene, wanted)
    assert "in stuck_in_a_collective" in found.text and "(most recent call first)" in found.text
    assert found.text.count("hread 0x") == 2
    assert any("stuck_in_a_collective" in line for line in found.lines)
    assert Path(found.path).name == f"stall-{wanted.launch.launch}.txt"
    again = dumped(scene, wanted).text
    assert again.count("in stuck_in_a_collective") == 1
    assert Path(found.path).read_text() == found.text + again
    assert is_well(scene, wanted)


def test_any_worker_is_told_by_the_kernel(scene: Scene) -> None:
    wanted = started(scene, "echo stands; env -i setsid sleep 77 & (env -i sleep 78 &); sleep 79")
    found = eventually(lambda: (f := dumped(scene, wanted)).text.count(": sleep 7") == 3 and f)
    assert " S" in found.lines[0] and is_well(scene, wanted)
    assert "supervise" in found.text


@pytest.mark.parametrize(
    ("prepare", "then"),
    [
        ("signal.signal(signal.SIGUSR1, lambda *_: os._exit(9))", "pass"),
        ("pass", "signal.signal(signal.SIGUSR1, lambda *_: os._exit(9)); progress.report(step=4)"),
        ("pass", "os.execvp('sh', ['sh', '-c', 'echo stands; sleep 60; true'])"),
    ],
)
def test_who_means_something_else_by_the_signal_gets_none(
    scene: Scene, tmp_path: Path, prepare: str, then: str
) -> None:
    wanted = started(scene, python(tmp_path, prepare, then))
    assert "most recent call" not in dumped(scene, wanted).text
    assert is_well(scene, wanted)


def test_a_stopped_worker_does_not_hold_the_answer_up(scene: Scene, tmp_path: Path) -> None:
    halted = "threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGSTOP)).start()"
    wanted = started(scene, python(tmp_path, then=halted))
    found = eventually(lambda: (f := dumped(scene, wanted)).text.count("does not answer") and f, 20)
    assert " T" in found.text


def test_who_does_not_run_is_refused(scene: Scene) -> None:
    with pytest.raises(Refused, match="does not run"):
        dumped(scene, scene.entry())
