"""The static honest-branch checks over eight branches of a thousand files, unknown and known."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import Figure, described, median, seconds

_BRANCHES, _FILES = 8, 1000
_COLD_S, _WARM_S = 20.0, 1.0
_CHECKS = ("components", "redflags", "clones", "independence", "paths")
_SPEC = (
    "Unit0:\n  required_imports: [math]\n  required_classes: [Unit0]\n  required_methods: {Unit0: [encode]}\n"
)


def measure(runs: int) -> Iterator[Figure]:
    """Every branch has files of its own: no content is shared, which is the worst case."""
    with tempfile.TemporaryDirectory(prefix="bench-honesty-") as name:
        repository = Path(name)
        _repository(repository)
        yield from _figures(repository, runs, "gate", "run")
        yield from _figures(repository, runs, "wave", "check", "1")


def _figures(repository: Path, runs: int, *command: str) -> Iterator[Figure]:
    cold, warm = [], []
    for _ in range(runs):
        shutil.rmtree(repository / ".git" / "orchestrator", ignore_errors=True)
        cold.append(seconds(lambda: _check(repository, *command)))
        warm.append(seconds(lambda: _check(repository, *command)))
    what = f"{' '.join(command)}: {', '.join(_CHECKS)}, {_BRANCHES} branches of {_FILES} files"
    yield Figure(what=f"{what}, cold ({described(cold)})", ours=median(cold), unit="s", limit=_COLD_S)
    yield Figure(what=f"{what}, warm ({described(warm)})", ours=median(warm), unit="s", limit=_WARM_S)


def _check(repository: Path, *command: str) -> None:
    program = Path(sys.executable).with_name("orchestrator")
    done = subprocess.run([program, *command], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _repository(folder: Path) -> None:
    _git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / ".component_spec.yaml").write_text(_SPEC, encoding="utf-8")
    names = [f"b{number}" for number in range(_BRANCHES)]
    keys = "components: [Unit0], gates: [" + ", ".join(_CHECKS) + "]"
    streams = "".join(f"      {name}: {{branch: p/{name}, paths: [{name}/], {keys}}}\n" for name in names)
    plan = f"version: 1\nproject: bench\nwaves:\n  1:\n    workstreams:\n{streams}"
    (folder / "waves.yaml").write_text(plan, encoding="utf-8")
    _commit(folder)
    for number, name in enumerate(names):
        _branch(folder, number, name)
    _git(folder, "checkout", "--quiet", "main")


def _branch(folder: Path, number: int, name: str) -> None:
    _git(folder, "checkout", "--quiet", "-b", f"p/{name}", "main")
    for index in range(_FILES):
        path = folder / name / f"part{index // 50}" / f"unit{index}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_module(number, index), encoding="utf-8")
    _commit(folder)


def _module(branch: int, index: int) -> str:
    """About a hundred lines, as of an ordinary module, no two of them copies."""
    chance = random.Random(branch * _FILES + index)
    methods = "".join(_method(n, chance) for n in range(9))
    return f'''"""Unit {index} of branch {branch}."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Setting{index}:
    width: int = {index}
    depth: int = {branch}


class Unit{index}:
    def __init__(self, setting: Setting{index}) -> None:
        self.setting = setting
        self.seen = 0

    def encode(self, values: list[float]) -> list[float]:
        return [math.tanh(value / (self.setting.width + 1)) for value in values]
{methods}'''


def _method(number: int, chance: random.Random) -> str:
    a, b, c, d, e = (chance.randrange(10_000) for _ in range(5))
    return f'''
    def step_{number}(self, values: list[float], scale: float = {a}.5) -> list[float]:
        """Scale what lies above the mean."""
        mean = sum(values) / max(len(values), {b})
        found = [value * scale for value in values if value > mean + {c}]
        if len(found) < {d}:
            return [math.sqrt(abs(mean) + {e})]
        self.seen += len(found) + {a}
        return [value - mean * {b} for value in found]
'''


def _commit(folder: Path) -> None:
    _git(folder, "add", ".")
    _git(folder, "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "--quiet", "-m", "work")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()
