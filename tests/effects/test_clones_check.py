from __future__ import annotations

import re
from typing import Any

import pytest

from orchestrator.gates import run_wave_gates
from orchestrator.source import parsing
from tests.support.landing import Desk, Scene, scene_fixture
from tests.support.trials import check_gate, one, stream, verdict

__all__ = ["scene_fixture"]

ENCODER = '''\
import torch
import torch.nn.functional as F


class Quantizer(torch.nn.Module):
    """Nearest codes."""

    def __init__(self, size, width):
        super().__init__()
        self.codes = torch.nn.Parameter(torch.randn(size, width) / width**0.5)
        self.beta = 0.25
        self.usage = torch.zeros(size)
        self.decay = 0.99

    def forward(self, x):
        flat = x.reshape(-1, x.shape[-1])
        distances = torch.cdist(flat, self.codes)
        index = distances.argmin(dim=1)
        chosen = self.codes[index].reshape(x.shape)
        loss = F.mse_loss(chosen.detach(), x) * self.beta + F.mse_loss(chosen, x.detach())
        self.usage = self.usage * self.decay
        self.usage[index] += 1
        return x + (chosen - x).detach(), loss


def schedule(step, warm, most):
    if step < warm:
        return most * step / max(warm, 1)
    share = (step - warm) / max(10_000 - warm, 1)
    for low, high in [(0.25, 0.5), (0.5, 0.75), (0.75, 1.0)]:
        if low <= share < high:
            most = most * 0.5
    return most * (1 - share)
'''
OTHER = """\
import numpy as np


def track(boxes, scores, least):
    kept = []
    order = np.argsort(-scores)
    while len(order):
        best, order = order[0], order[1:]
        kept.append(boxes[best])
        order = [o for o in order if overlap(boxes[o], boxes[best]) < least]
    return np.stack(kept) if kept else np.zeros((0, 4))


def overlap(a, b):
    left, top = max(a[0], b[0]), max(a[1], b[1])
    right, low = min(a[2], b[2]), min(a[3], b[3])
    inner = max(0, right - left) * max(0, low - top)
    return inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner)
"""


def disguised(code: str) -> str:
    """Renamed, put in another order, laid out anew."""
    names = (
        "Quantizer codes beta usage decay flat distances index chosen loss schedule step warm most share low"
    )
    for name in [*names.split(), "high"]:
        code = re.sub(rf"\b{name}\b", f"my_{name}_2", code)
    code = code.replace("import torch\n", "import torch as t\n").replace(
        "functional as F", "functional as fun"
    )
    code = re.sub(r"\btorch\.(?=nn\.Module|nn\.Para|randn|zeros|cdist)", "t.", code).replace(
        "F.mse", "fun.mse"
    )
    head, kind, function = re.split(r"\n\n\n", code.rstrip())
    spaced = "\n\n\n".join([head, "# here\n" + function, kind.replace("(x)", "(\n            x\n        )")])
    return spaced.replace("nearest", "My own").replace(" / ", "/") + "\n"


def desk_of(scene: Scene, *names: str, **settings: Any) -> Desk:
    return scene.desk(*(stream(name, check_gate("clones", **settings)) for name in names or "ab"))


def test_a_copy_is_found_under_other_names_in_another_order_and_layout(scene: Scene) -> None:
    scene.work("a", {"branch1/codes.py": ENCODER})
    scene.work("b", {"branch2/mine.py": disguised(ENCODER)})
    found = one(verdict(scene, desk_of(scene)))
    assert (found.rule, found.path, found.workstream) == ("clones/copied", "branch1/codes.py", "a")
    assert "is 100 % the same code as branch2/mine.py:" in found.message and "of p/b" in found.message
    assert "Quantizer.forward, schedule" in found.message


def test_a_copy_with_changes_says_how_much_is_the_same(scene: Scene) -> None:
    scene.work("a", {"branch1/codes.py": ENCODER})
    changed = ENCODER.replace("self.usage[index] += 1", "self.usage[index] += 2; print(index)")
    scene.work("b", {"branch2/codes.py": changed.replace("0.25, 0.5", "0.3, 0.5")})
    found = one(verdict(scene, desk_of(scene)))
    share = int(re.findall(r"is (\d+) %", found.message)[0])
    assert 80 <= share < 100


SMALL = """\
def area(w, h, unit):
    return w * h * unit ** 2 / 100


def border(w, h, unit):
    total = (w + h) * 2
    return total * unit


def price(w, h, unit, each):
    covered = area(w, h, unit)
    return round(covered * each + border(w, h, unit) * 0.5, 2)
"""


def test_short_functions_count_together(scene: Scene) -> None:
    scene.work("a", {"branch1/paint.py": SMALL})
    first, second, third = SMALL.split("\n\n\n")
    other = "\n\n\n".join([third.rstrip(), first, second]) + "\n"
    for name in ("area", "border", "price", "total", "covered"):
        other = other.replace(name, f"{name}_of_it")
    scene.work("b", {"branch2/paint.py": other})
    assert "is 100 % the same" in one(verdict(scene, desk_of(scene))).message


def test_different_code_is_no_copy(scene: Scene) -> None:
    scene.work("a", {"branch1/codes.py": ENCODER})
    scene.work("b", {"branch2/track.py": OTHER})
    assert verdict(scene, desk_of(scene)).is_green


def test_what_base_has_is_nobodys_copy(scene: Scene) -> None:
    scene.repo.commit_files("shared", {"shared/codes.py": ENCODER})
    scene.work("a", {"branch1/codes.py": ENCODER, "shared/codes.py": ENCODER + "\nx = 1\n"})
    scene.work("b", {"branch2/codes.py": disguised(ENCODER)})
    assert verdict(scene, desk_of(scene)).is_green


def test_three_copies_are_one_group_with_every_place(scene: Scene) -> None:
    for number, name in enumerate("abc", 1):
        scene.work(name, {f"branch{number}/codes.py": ENCODER})
    desk = desk_of(scene, "a", "b", "c")
    found = one(verdict(scene, desk, "b"))
    assert "branch1/codes.py:15 of p/a" in found.message and "branch3/codes.py:15 of p/c" in found.message


def test_tests_count_only_when_asked_for_and_broken_files_not_at_all(scene: Scene) -> None:
    scene.work("a", {"branch1/tests/test_codes.py": ENCODER, "branch1/bad.py": "def broken(:\n"})
    scene.work("b", {"branch2/tests/test_codes.py": ENCODER, "branch2/bad.py": "def broken(:\n"})
    assert verdict(scene, desk_of(scene)).is_green
    assert one(verdict(scene, desk_of(scene, tests=True))).path == "branch1/tests/test_codes.py"


def test_a_sibling_that_moves_is_looked_at_again(scene: Scene) -> None:
    scene.work("a", {"branch1/codes.py": ENCODER})
    scene.work("b", {"branch2/track.py": OTHER})
    desk = desk_of(scene)
    assert verdict(scene, desk).is_green and verdict(scene, desk).cached
    scene.work("b", {"branch2/codes.py": ENCODER})
    assert verdict(scene, desk).is_red


def test_a_waves_check_compares_its_workstreams(scene: Scene) -> None:
    scene.work("a", {"branch1/codes.py": ENCODER})
    scene.work("b", {"branch2/codes.py": disguised(ENCODER)})
    scene.repo.git("checkout", "-q", "-b", "candidate")
    scene.repo.git("merge", "-q", "p/a")
    scene.repo.git("merge", "-q", "p/b")
    tip = scene.repo.git("rev-parse", "HEAD")
    scene.repo.git("checkout", "-q", "main")
    desk = scene.desk(stream("a"), stream("b"), waves={1: {"gates": (check_gate("clones"),)}})
    (found,) = run_wave_gates(desk, 1, tip, base=scene.tip("main"))
    assert one(found).workstream == "a" and "of p/b" in found.message


def test_a_file_is_read_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.work("a", {"branch1/codes.py": ENCODER})
    scene.work("b", {"branch2/track.py": OTHER})
    desk = desk_of(scene)
    verdict(scene, desk)
    scene.work("a", {"branch1/more.py": "x = 1\n"})
    read: list[bytes] = []
    monkeypatch.setattr("orchestrator.source.reading.parse", lambda c: read.append(c) or parsing.parse(c))
    assert verdict(scene, desk).is_green
    assert read == [b"x = 1\n"]
