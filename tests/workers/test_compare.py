"""Branches are compared by what they left, and a tie is a tie."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.workers.conftest import ROOT, TINY, tiny_config, train_here
from workers.compare import main
from workers.comparison.evidence import is_improving, read_branch, read_folder
from workers.comparison.verdict import decide

CLIPS = 400


def leave(folder: Path, accuracy: float, error: float, **changes: Any) -> Path:
    """Results of a model that misses the last clips and has this error on all."""
    folder.mkdir(parents=True, exist_ok=True)
    hit = [n < accuracy * CLIPS for n in range(CLIPS)]
    spread = [error * (0.5 + (n * 7 % CLIPS) / CLIPS) for n in range(CLIPS)]
    metrics = {
        "classification_acc": accuracy,
        "prediction_mse": error,
        "train_seconds": 60,
        "total_loss": 1.0,
    }
    history = {"total_loss": changes.pop("losses", [3, 2.5, 2, 1.5, 1.2, 1])}
    (folder / "validation_metrics.json").write_text(json.dumps({**metrics, "history": history}))
    (folder / "final_metrics.json").write_text(json.dumps(metrics))
    samples = {"v": 1, "samples": "seed 0", "hit": hit, "prediction_mse": spread, **changes}
    (folder / "sample_results.json").write_text(json.dumps(samples))
    return folder


def test_a_clear_lead_wins_and_is_stated(tmp_path: Path) -> None:
    branches = [
        read_folder("a", leave(tmp_path / "a", 0.95, 0.02)),
        read_folder("b", leave(tmp_path / "b", 0.85, 0.01)),
    ]
    found = decide(branches)
    assert found.winner == "a"
    assert "accuracy" in found.reason
    assert found.comparisons[0].lead.mean == pytest.approx(0.10)
    assert found.comparisons[0].paired


def test_what_accuracy_cannot_tell_apart_the_error_decides(tmp_path: Path) -> None:
    branches = [
        read_folder("a", leave(tmp_path / "a", 0.9525, 0.02)),
        read_folder("b", leave(tmp_path / "b", 0.95, 0.01)),
    ]
    assert decide(branches).winner == "b"


def test_a_tie_is_a_tie(tmp_path: Path) -> None:
    branches = [
        read_folder("a", leave(tmp_path / "a", 0.9525, 0.0200)),
        read_folder("b", leave(tmp_path / "b", 0.95, 0.0199, samples="other clips")),
    ]
    found = decide(branches)
    assert found.winner is None
    assert "tie between a, b" in found.reason
    assert not found.comparisons[0].paired


def test_runs_that_differ_widen_the_interval(tmp_path: Path) -> None:
    for seed, accuracy in enumerate((0.99, 0.75, 0.90)):
        leave(tmp_path / "a" / str(seed), accuracy, 0.02)
    leave(tmp_path / "b" / "0", 0.82, 0.02)
    several, one = read_folder("a", tmp_path / "a"), read_folder("b", tmp_path / "b")
    assert len(several.runs) == 3
    assert several.mean("classification_acc") == pytest.approx(0.88)
    assert decide([several, one]).winner is None


def test_without_samples_nobody_wins(tmp_path: Path) -> None:
    a, b = leave(tmp_path / "a", 0.95, 0.02), leave(tmp_path / "b", 0.5, 0.2)
    (b / "sample_results.json").unlink()
    found = decide([read_folder("a", a), read_folder("b", b)])
    assert found.winner is None
    assert "b left no per-sample results" in found.reason


@pytest.mark.parametrize(
    ("losses", "improving"),
    [([3, 2, 1], True), ([1, 1, 1, 1, 1, 1], False), ([9, 9, 1, 1, 2, 2], False), ([1], None)],
)
def test_a_loss_still_improves(losses: list[float], improving: bool | None) -> None:
    assert is_improving(losses) is improving


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b"{" * 9,
        b"[" * 100_000,
        b'{"classification_acc": NaN}',
        b'{"classification_acc": "1"}',
        b'{"classification_acc": true}',
        b'{"classification_acc": 1' + b"0" * 400 + b"}",
        b'{"history": {"total_loss": ["a"]}}',
    ],
)
def test_wrong_values_are_missing_ones(content: bytes) -> None:
    branch = read_branch("a", {"r/final_metrics.json": content}, [])
    assert branch.mean("classification_acc") is None
    assert decide([branch, branch]).winner is None


def test_the_command_writes_both_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = leave(tmp_path / "a", 0.95, 0.02), leave(tmp_path / "b", 0.6, 0.2, losses=[1, 1, 1])
    equations = {
        "label": "scripted",
        "row": "GPT-4",
        "equation_acc": 1.0,
        "replies": [
            {"family": "linear", "hit": True, "equation": ["t", "2", "1"], "description": "<b>|x|</b>"}
        ],
    }
    (good / "equation_metrics.json").write_text(json.dumps(equations))
    assert main([f"good={good}", f"bad={bad}", "--output", str(tmp_path)]) == 0
    assert "winner: good" in capsys.readouterr().out
    page = (tmp_path / "PARALLEL_RESULTS_COMPARISON.md").read_text()
    assert "**Winner: good**" in page
    assert "| GPT-4 | not run |" in page
    assert "| GPT-4 | scripted" not in page
    assert "&lt;b&gt;&#124;x&#124;" in page
    stage = (tmp_path / "results" / "validation_comparison.md").read_text()
    assert "| good | 0.95 yes | 0.02 yes | 60 yes | yes | yes |" in stage
    assert "| bad | 0.6 **no** | 0.2 **no** | 60 yes | **no** | **no** |" in stage
    assert main([str(tmp_path / "absent")]) == 2


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real runs of three seeds each: one model that learns, and the same at a rate of nothing."""
    from workers.evaluation.session import evaluate_checkpoint

    folder = tmp_path_factory.mktemp("runs")
    config = folder / "tiny.yaml"
    config.write_text(TINY)
    torch.set_num_threads(1)
    for name, rate, epochs in (("learns", 5e-3, 5), ("idle", 1e-9, 1)):
        for seed in range(3):
            values = tiny_config(
                config,
                "data={num_samples: 80, validation_fraction: 0.5}",
                f"optim={{epochs: {epochs}, batch_size: 8, learning_rate: {rate}}}",
                "checkpoint.interval_epochs=9",
                f"run.seed={seed}",
            )
            results = folder / name / f"seed{seed}"
            train_here(values, results, epochs)
            evaluate_checkpoint(values, results, "auto", "cpu")
    return folder


def test_three_seeds_that_learn_win_over_three_that_do_not(trained: Path) -> None:
    branches = [read_folder(name, trained / name) for name in ("idle", "learns")]
    assert [len(branch.runs) for branch in branches] == [3, 3]
    assert len({run.metrics["prediction_mse"] for run in branches[1].runs}) == 3
    found = decide(branches)
    assert found.winner == "learns"
    assert all(one.paired for one in found.comparisons)


def test_the_same_three_seeds_twice_are_a_tie(trained: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(trained / "learns", again)
    assert main([f"learns={trained / 'learns'}", f"again={again}", "--output", str(tmp_path)]) == 0
    page = (tmp_path / "PARALLEL_RESULTS_COMPARISON.md").read_text()
    assert "**Winner: none** (a tie between learns, again" in page
    assert re.search(r"\| learns \| 3 \| 0\.\d+ \[0\.\d+, 0\.\d+\]", page)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def compare_script(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "scripts" / "compare_all_branches.py"
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_committed_results_of_all_branches_are_compared(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    leave(tmp_path / "old", 0.99, 0.001)  # of the base: nobody's
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "base")
    for name, accuracy in (("team/a", 0.95), ("team/b", 0.80)):
        git(tmp_path, "checkout", "-qb", name, "main")
        leave(tmp_path / "results" / name, accuracy, 0.02)
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-qm", name)
    git(tmp_path, "checkout", "-q", "main")
    (tmp_path / "branches").write_text("team/a  # first\n\nteam/b\n")
    found = compare_script(tmp_path, "--branches", "branches", "--output", "page.md")
    assert found.returncode == 0, found.stderr
    assert "winner: team/a" in found.stdout
    page = (tmp_path / "page.md").read_text()
    assert "| team/b | 1 | 0.8000 [" in page
    assert "0.99" not in page

    (tmp_path / ".required_branches").write_text("team/a\nteam/c\n")
    found = compare_script(tmp_path)
    assert found.returncode == 1
    assert "team/c: no such branch" in found.stderr
    assert "no such branch" in (tmp_path / "CROSS_BRANCH_COMPARISON.md").read_text()
    assert compare_script(tmp_path, "--branches", "absent").returncode == 2


def test_comparing_needs_no_torch() -> None:
    program = "import sys; sys.modules['torch'] = sys.modules['numpy'] = None; import workers.compare"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60).returncode == 0
