"""What is old goes, from a real state folder; what is still asked about, or somebody's, stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from orchestrator.agent.pruning import prune
from orchestrator.supervise.records import take_lock
from orchestrator.wire import Place, Prune, Pruned

DAY_S = 86400.0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    state = tmp_path / "state"
    state.mkdir()
    return Place(
        repository=str(tmp_path), common_dir=str(tmp_path), state=str(state), worktrees=str(tmp_path)
    )


def wrote(place: Place, path: str, days_ago: float, content: str = "text") -> Path:
    file = Path(place.state, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    at = time.time() - days_ago * DAY_S
    os.utime(file, (at, at))
    return file


def pruned(place: Place, results_days: float | None = None) -> Pruned:
    return prune(
        Prune(
            place=place,
            logs_s=30 * DAY_S,
            results_s=None if results_days is None else results_days * DAY_S,
            launches=("a-9-t",),
            workstreams=("a",),
        )
    )


def test_ended_launches_go_when_they_are_old_and_nobody_asks_about_them(place: Place) -> None:
    for launch, days in (("a-1-t", 40), ("a-8-t", 5), ("a-9-t", 40)):
        wrote(place, f"launches/{launch}/spec.json", days)
        wrote(place, f"launches/{launch}/supervisor.json", days)
        wrote(place, f"launches/{launch}/exit.json", days)
    lost = wrote(place, "launches/a-2-t/supervisor.json", 40)
    answer = pruned(place)
    left = sorted(path.name for path in Path(place.state, "launches").iterdir())
    assert left == ["a-2-t", "a-8-t", "a-9-t"]
    assert lost.exists(), "how it ended is not known yet"
    assert (answer.files, answer.bytes, answer.failed) == (3, 12, ())


def test_a_launch_whose_supervisor_lives_is_never_touched(place: Place) -> None:
    exit_file = wrote(place, "launches/a-1-t/exit.json", 40)
    wrote(place, "launches/a-1-t/lock", 40)
    lock = take_lock(str(exit_file.parent), patience_s=0)
    assert lock is not None
    try:
        pruned(place)
        assert exit_file.exists()
    finally:
        os.close(lock)
    pruned(place)
    assert not exit_file.exists()


def test_logs_and_verdicts_go_but_not_what_a_planned_worker_writes_to(place: Place) -> None:
    current = wrote(place, "logs/a/worker.log", 40)
    fresh = wrote(place, "gates/results/aa/new.json", 3)
    lock = wrote(place, "gates/a/lock", 40)
    old = [
        wrote(place, "logs/a/worker.log.2", 40),
        wrote(place, "logs/gone/worker.log", 40),
        wrote(place, "gates/results/aa/old.json", 40),
        wrote(place, "gates/a/tests-1.log", 40),
        wrote(place, "gates/a/tests-1.patch", 40),
    ]
    pruned(place)
    assert current.exists() and fresh.exists() and lock.exists()
    assert not any(path.exists() for path in old)
    assert not (Path(place.state) / "logs" / "gone").exists()


def test_kept_results_go_only_where_the_plan_says_so(place: Place) -> None:
    old = wrote(place, "kept/a/results/model.pt", 400)
    new = wrote(place, "kept/b/results/model.pt", 4)
    pruned(place)
    assert old.exists()
    assert pruned(place, results_days=100).files == 1
    assert not old.exists() and new.exists()


def test_no_link_is_followed(place: Place, tmp_path: Path) -> None:
    treasure = tmp_path / "treasure" / "worker.log"
    treasure.parent.mkdir()
    treasure.write_text("mine")
    os.utime(treasure, (0, 0))
    for name in ("logs", "kept", "launches"):
        Path(place.state, name).mkdir()
        Path(place.state, name, "gone").symlink_to(treasure.parent)
    Path(place.state, "gates").symlink_to(treasure.parent)
    pruned(place, results_days=1)
    assert treasure.read_text() == "mine"
