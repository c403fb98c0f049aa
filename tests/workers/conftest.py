from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from workers.cli import InterruptedRun, StopRequest
from workers.config import TrainConfig
from workers.config_file import load_config
from workers.runtime.session import train

ROOT = Path(__file__).parents[2]

TINY = """\
data: {num_samples: 48, validation_fraction: 0.25}
model: {extractor: {name: objects, dim: 16, layers: 1, heads: 2, dropout: 0.1}}
optim: {epochs: 4, batch_size: 8, learning_rate: 2.0e-3}
checkpoint: {interval_epochs: 1, keep_last: 2}
run: {heartbeat_s: 0.05}
"""


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORCHESTRATOR_RESULTS", raising=False)
    torch.set_num_threads(1)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def tiny_config(path: Path, *overrides: str) -> TrainConfig:
    return load_config(TrainConfig, path, overrides)


def train_here(config: TrainConfig, results: Path, epochs: int, stop: StopRequest | None = None) -> None:
    """Train in this process, whose signal handlers stay as they are."""
    train(config, results, epochs, "auto", "cpu", stop or StopRequest())


class StopAtCheck(StopRequest):
    """Asks for a stop at the given look, one of which follows every batch."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.left = number

    def check(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise InterruptedRun("test")


def start(module: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
