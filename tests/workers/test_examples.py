"""The examples are sound plans, and their commands name options that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workers.conftest import ROOT


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_is_a_sound_plan(path: Path) -> None:
    command = [sys.executable, "-m", "orchestrator", "validate", "--plan", str(path)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_cpu_plan_uses_options_that_the_commands_have() -> None:
    text = (ROOT / "examples" / "trajectory-cpu.yaml").read_text()
    used = re.findall(r"python -m (workers\.\w+)((?:(?!python -m workers|git ).)*)", text, re.DOTALL)
    assert {module for module, _ in used} == {"workers.train", "workers.evaluate", "workers.equations"}
    for module, rest in used:
        helped = subprocess.run(
            [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60
        ).stdout
        options = set(re.findall(r"(?<!\S)--[a-z-]+", rest.split("\n          -")[0]))
        assert options
        assert all(option in helped for option in options)
