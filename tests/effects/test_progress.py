from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestrator import progress

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCHESTRATOR_RESULTS", str(tmp_path))
    monkeypatch.setattr(progress, "_last_seq", 0)
    monkeypatch.setattr(progress, "_seen", [])
    return tmp_path


def written(results: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((results / "progress.json").read_text())
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def in_a_bare_python(code: str, results: Path) -> subprocess.CompletedProcess[str]:
    source = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"
    return subprocess.run(
        [sys.executable, "-S", "-E", "-c", source],
        env={"ORCHESTRATOR_RESULTS": str(results)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_report_has_every_key_of_the_contract(results: Path) -> None:
    progress.report(
        step=3, total=10, unit="epoch", message="saving", metrics={"loss": 0.5}, checkpoint="c.pt", grace_s=60
    )
    assert written(results) == {
        "v": 1,
        "seq": 1,
        "attempt": None,
        "launch": None,
        "pid": os.getpid(),
        "stacks": None,
        "step": 3,
        "total": 10,
        "unit": "epoch",
        "message": "saving",
        "metrics": {"loss": 0.5},
        "checkpoint": "c.pt",
        "eta_s": None,
        "grace_s": 60,
    }
    text = (results / "PROGRESS.txt").read_text()
    assert "epoch 3/10 (30 %)" in text
    assert "loss 0.5" in text
    assert names(results) == ["PROGRESS.txt", "progress.json"]


def test_seq_continues_after_the_attempt_before(results: Path) -> None:
    (results / "progress.json").write_text('{"seq": 41}')
    progress.report(step=1)
    progress.report(step=2)
    assert written(results)["seq"] == 43


@pytest.mark.parametrize("torn", ["", '{"seq": 4', "[1]", '{"seq": true}', '{"seq": "x"}', "[" * 60_000])
def test_a_broken_file_is_replaced(results: Path, torn: str) -> None:
    (results / "progress.json").write_text(torn)
    progress.report(step=1)
    assert written(results)["seq"] == 1


def test_a_fifo_in_place_of_the_file_does_not_block(results: Path) -> None:
    os.mkfifo(results / "progress.json")
    progress.report(step=1)
    assert written(results)["step"] == 1


def test_metrics_that_are_not_finite_keep_their_names(results: Path) -> None:
    progress.report(step=1, metrics={"a": float("nan"), "b": float("inf"), "c": 1})
    assert written(results)["metrics"] == {"a": None, "b": None, "c": 1}
    assert "a not finite" in (results / "PROGRESS.txt").read_text()


def test_scalars_of_other_libraries_are_numbers(results: Path) -> None:
    class Tensor:
        def __float__(self) -> float:
            return 0.25

    progress.report(step=2, metrics={"loss": Tensor(), "odd": "text"})  # type: ignore[dict-item]
    assert written(results)["metrics"] == {"loss": 0.25, "odd": None}


def test_eta_follows_the_rate(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_seen", [(progress.time.monotonic() - 10, 0)])
    progress.report(step=5, total=20)
    assert written(results)["eta_s"] == pytest.approx(30, abs=0.5)


def test_a_given_eta_is_kept(results: Path) -> None:
    progress.report(step=5, total=20, eta_s=7)
    assert written(results)["eta_s"] == 7


def test_text_is_on_printable_lines(results: Path) -> None:
    progress.report(step=1, message="a\x1b[2Jb\nc\udc80")
    assert "\x1b" not in (results / "PROGRESS.txt").read_text()
    assert written(results)["message"] == "a\x1b[2Jb\nc?"


def test_the_file_stays_within_what_readers_read(results: Path) -> None:
    progress.report(step=1, message="x" * 10**6, metrics={f"{i}-{'m' * 200}": i / 7 for i in range(5000)})
    assert (results / "progress.json").stat().st_size < progress.READ_LIMIT_BYTES
    progress.report(step=2)
    assert written(results)["seq"] == 2


def test_without_the_variable_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORCHESTRATOR_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    progress.report(step=1)
    assert not names(tmp_path)


def test_a_missing_or_full_directory_fails_nothing(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_RESULTS", str(results / "absent"))
    progress.report(step=1)
    monkeypatch.setenv("ORCHESTRATOR_RESULTS", "/proc/self")
    progress.report(step=1)
    monkeypatch.setenv("ORCHESTRATOR_RESULTS", "/dev/full")
    progress.report(step=1)
    assert not names(results)


def test_threads_never_share_a_number(results: Path) -> None:
    def many() -> None:
        for step in range(100):
            progress.report(step=step)

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written(results)["seq"] == 400


def test_a_fork_during_a_report_does_not_hang_the_child(results: Path) -> None:
    code = """
import os, threading
from orchestrator.progress import report
def keep_reporting():
    while True:
        report(step=1)
threading.Thread(target=keep_reporting, daemon=True).start()
for _ in range(50):
    if (child := os.fork()) == 0:
        report(step=2)
        os._exit(0)
    os.waitpid(child, 0)
os._exit(0)
"""
    assert in_a_bare_python(code, results).returncode == 0


def test_it_reports_from_a_signal_handler_within_a_report(results: Path) -> None:
    code = """
import signal
from orchestrator.progress import report
signal.signal(signal.SIGALRM, lambda *_: report(step=0, message="in the handler"))
for step in range(1500):
    signal.setitimer(signal.ITIMER_REAL, 0.0003)
    report(step=step, message="x" * 500)
signal.setitimer(signal.ITIMER_REAL, 0)
report(step=1500)
"""
    done = in_a_bare_python(code, results)
    assert (done.returncode, done.stderr) == (0, "")
    assert written(results)["step"] == 1500
    assert names(results) == ["PROGRESS.txt", "progress.json"]


def test_a_bare_python_can_import_it(results: Path) -> None:
    code = """
from orchestrator.progress import report
report(step=1)
print(sorted({"typing", "dataclasses", "datetime", "pathlib", "subprocess", "inspect"} & set(sys.modules)))
"""
    done = in_a_bare_python(code, results)
    assert done.stdout == "[]\n", done.stderr
    assert written(results)["step"] == 1
