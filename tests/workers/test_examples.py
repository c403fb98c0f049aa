"""The plans that come with the project are sound: their commands, options, branches and claims exist."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from orchestrator.enforcement.required import files_of, read_listed
from orchestrator.plan_file import load_plan
from tests.workers.conftest import ROOT
from workers.config import TrainConfig
from workers.config_file import load_config

WAVES, CPU = ROOT / "waves.yaml", ROOT / "examples" / "trajectory-cpu.yaml"
COMMANDS = {"workers.train", "workers.evaluate", "workers.equations"}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("path", [WAVES, *sorted((ROOT / "examples").glob("*.yaml"))], ids=lambda p: p.stem)
def test_a_plan_is_sound(path: Path) -> None:
    found = run("-m", "orchestrator", "validate", "--plan", str(path))
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize(
    ("path", "modules"),
    [(CPU, COMMANDS), (WAVES, {*COMMANDS, "workers.generate", "workers.validate", "workers.compare"})],
)
def test_commands_use_options_that_they_have(path: Path, modules: set[str]) -> None:
    # One run per stage and text, without the comments between them.
    text = re.sub(r"#.*", "", path.read_text())
    used = re.findall(r"python -m (workers\.\w+)((?:(?!python -m workers|git ).)*)", text, re.DOTALL)
    assert {module for module, _ in used} == modules
    for module, rest in used:
        helped = importlib.import_module(module)._parser().format_help()
        options = set(re.findall(r"(?<!\S)--[a-z-]+", rest.split("\n          -")[0]))
        assert options
        assert all(option in helped for option in options)


def workstreams(path: Path) -> dict[str, dict[str, object]]:
    waves = yaml.safe_load(path.read_text())["waves"].values()
    return {name: keys for wave in waves for name, keys in wave["workstreams"].items()}


@pytest.mark.parametrize("path", [WAVES, CPU], ids=lambda path: path.stem)
def test_every_arm_has_a_config_that_its_settings_fit(path: Path) -> None:
    arms = [found["env"] for found in workstreams(path).values() if "ARM" in found.get("env", {})]  # type: ignore[operator]
    assert len(arms) == 8
    for env in arms:
        assert isinstance(env, dict)
        overrides = [] if path == WAVES else ["optim.epochs=50"]
        config = load_config(TrainConfig, ROOT / "workers" / "configs" / f"{env['ARM']}.yaml", overrides)
        assert config.optim.epochs == 50


def test_the_four_combinations_are_planned() -> None:
    asked = {
        (env["ARM"], env["ASK"].split("/")[-1].split()[-1])  # type: ignore[index]
        for found in workstreams(WAVES).values()
        if "ASK" in (env := found.get("env", {}))  # type: ignore[operator]
    }
    assert asked == {
        ("i3d_magvit", "gpt-4o"),
        ("slowfast_magvit", "gpt-4o"),
        ("i3d_clip", "mistral-7b"),
        ("slowfast", "phi-2"),
    }


def test_the_files_of_required_branches_are_those_of_the_plan() -> None:
    for name, text in files_of(load_plan(WAVES), read_listed(ROOT)).items():
        assert (ROOT / name).read_text() == text, "orchestrator verify --write-specs writes it"


def test_what_the_branches_claim_is_in_the_workers() -> None:
    found = run("scripts/verify_component_claims.py", "--search-path", "workers")
    assert found.returncode == 0, found.stdout + found.stderr
