from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.landing import Desk, Scene, scene_fixture
from tests.support.trials import check_gate, one, stream, verdict

__all__ = ["scene_fixture"]


def desk_of(scene: Scene, **settings: Any) -> Desk:
    return scene.desk(stream("a", check_gate("metrics", **settings), results="out"))


def measure(scene: Scene, name: str = "final_metrics.json", **metrics: Any) -> None:
    scene.work("a", {f"out/{name}": json.dumps(metrics)})


def test_bounds_are_held_against_the_committed_metrics(scene: Scene) -> None:
    measure(scene, acc=0.9, mse=0.2, history={"mse": [3, 2, 1]})
    assert verdict(scene, desk_of(scene, require=["acc > 0.7", "mse < 0.5", "improving(mse)"])).is_green
    found = one(verdict(scene, desk_of(scene, require="mse < 0.1")))
    assert (found.rule, found.path) == ("metrics/unmet", "out/final_metrics.json")
    assert found.message == "mse is 0.2, required < 0.1"


def test_no_metrics_are_no_pass(scene: Scene) -> None:
    scene.work("a", {"a.py": "a = 1\n"})
    assert one(verdict(scene, desk_of(scene, require="acc > 0.7"))).rule == "metrics/missing"
    measure(scene, acc=float("nan"))
    assert "not a finite number" in one(verdict(scene, desk_of(scene, require="acc > 0.7"))).message
    for text in ("[1", "[" * 100_000, '{"acc": 0.1, "acc": 0.9}'):
        scene.work("a", {"out/final_metrics.json": text})
        assert one(verdict(scene, desk_of(scene, require="acc > 0.7"))).rule == "metrics/unreadable"


def test_validation_metrics_do_where_there_are_no_final_ones(scene: Scene) -> None:
    measure(scene, "validation_metrics.json", acc=0.9)
    assert verdict(scene, desk_of(scene, require="acc > 0.7")).is_green


@pytest.mark.parametrize(
    ("metrics", "more", "rule"),
    [
        ({"acc": 0.90, "mse": 0.10}, {}, None),
        ({"acc": 0.89, "mse": 0.10}, {}, "metrics/regressed"),
        ({"acc": 0.89, "mse": 0.10}, {"tolerance": {"abs": 0.02}}, None),
        ({"acc": 0.90, "mse": 0.12}, {"tolerance": {"abs": 0.001, "rel": 0.1}}, "metrics/regressed"),
        ({"acc": 0.90, "mse": 0.12}, {"tolerance": {"rel": 0.3}}, None),
        ({"acc": 0.90, "mse": 0.50}, {"better": {"mse": "higher"}}, None),
        ({"acc": 0.90}, {}, "metrics/incomparable"),
        ({"acc": float("inf"), "mse": 0.1}, {}, "metrics/incomparable"),
        ({"acc": 0.90, "mse": 0.10}, {"better": {"speed": "higher"}}, "metrics/incomparable"),
        ({"acc": 0.90, "mse": 0.10, "n": 5}, {"samples": {"n": 100}}, "metrics/too-few"),
        ({"acc": 0.90, "mse": 0.10}, {"samples": {"n": 100}}, "metrics/too-few"),
        ({"acc": 0.90, "mse": 0.10}, {"better": {"acc": "up"}}, "checks/setting"),
        ({"acc": 0.10, "mse": 0.10}, {"better": {"mse": "lower"}}, "metrics/regressed"),
        ({"acc": 0.10, "mse": 0.10}, {"better": {"acc": "ignored"}}, None),
        ({"acc": 10**400, "mse": 0.10}, {}, "metrics/incomparable"),
        ({"acc": 0.90, "mse": 0.10}, {"tolerance": {"relative": 0.3}}, "checks/setting"),
        ({"acc": 0.90, "mse": 0.10}, {"tolerance": {"rel": -0.3}}, "checks/setting"),
    ],
)
def test_against_a_baseline(
    scene: Scene, metrics: dict[str, float], more: dict[str, Any], rule: str | None
) -> None:
    scene.repo.commit_files("baseline", {"baseline.json": json.dumps({"acc": 0.9, "mse": 0.1})})
    measure(scene, **metrics)
    found = verdict(scene, desk_of(scene, baseline="baseline.json", **more))
    assert [f.rule for f in found.findings] == ([rule] if rule else []), found.message


def test_a_baseline_that_only_the_branch_has_compares_nothing(scene: Scene) -> None:
    measure(scene, acc=0.1)
    scene.work("a", {"baseline.json": '{"acc": 0.1}'})
    found = one(verdict(scene, desk_of(scene, baseline="baseline.json")))
    assert found.rule == "metrics/incomparable" and "there is none on base" in found.message


def test_a_gate_that_asks_for_nothing_is_a_mistake(scene: Scene) -> None:
    measure(scene, acc=0.1)
    assert one(verdict(scene, desk_of(scene))).rule == "checks/setting"
