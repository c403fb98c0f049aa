from __future__ import annotations

import json
from typing import Any

from orchestrator.checks.benchmarks import read_times
from tests.support.landing import Desk, Scene, scene_fixture
from tests.support.trials import check_gate, one, rules, stream, verdict

__all__ = ["scene_fixture"]


def desk_of(scene: Scene, name: str, **settings: Any) -> Desk:
    return scene.desk(stream("a", check_gate(name, **settings), plugins=True))


def test_a_changelog_fragment_is_asked_for(scene: Scene) -> None:
    scene.work("a", {"a.py": "a = 1\n", "changelog.d/b.md": "of another\n"})
    found = one(verdict(scene, desk_of(scene, "docs")))
    assert (found.rule, found.path) == ("docs/no-changelog", "changelog.d/a.md")
    scene.work("a", {"changelog.d/a.fixed.md": "\n"})
    assert one(verdict(scene, desk_of(scene, "docs"))).message == "says nothing"
    scene.work("a", {"changelog.d/a.fixed.md": "<!-- what was mended -->\nTODO\n"})
    assert one(verdict(scene, desk_of(scene, "docs"))).message == "says nothing"
    scene.work("a", {"changelog.d/a.fixed.md": "It works.\n", "changelog.d/a.odd.md": "It works.\n"})
    assert "names no kind" in one(verdict(scene, desk_of(scene, "docs"))).message
    scene.work("a", {"changelog.d/a.fixed.md": "It works.\n"})
    scene.repo.git("rm", "-q", "changelog.d/a.odd.md", cwd=scene.worktrees / "a")
    scene.repo.git("commit", "-qm", "no odd one", cwd=scene.worktrees / "a")
    assert verdict(scene, desk_of(scene, "docs")).is_green


def test_a_decision_is_asked_for_where_the_plan_or_a_path_does(scene: Scene) -> None:
    scene.work("a", {"src/api/x.py": "a = 1\n"})
    settings = {"changelog": False, "session": True}
    found = verdict(scene, desk_of(scene, "docs", decision=["src/api/"], **settings))
    assert rules(found) == ["docs/no-decision", "docs/no-session"]
    assert "src/api/x.py was changed" in found.message
    assert rules(verdict(scene, desk_of(scene, "docs", decision=["src/db/"], **settings))) == [
        "docs/no-session"
    ]
    assert "docs/no-decision" in rules(verdict(scene, desk_of(scene, "docs", decision=True, **settings)))
    scene.work("a", {"docs/decisions/0001-x.md": "# Why\n", "docs/sessions/draft.md": "# S\n"})
    assert verdict(scene, desk_of(scene, "docs", decision=True, **settings)).is_green


BENCH = """\
import time


def work():
    time.sleep({pause})


def test_speed(benchmark):
    benchmark.pedantic(work, rounds=2)
"""


def test_a_branch_that_is_slower_than_base_is_red(scene: Scene) -> None:
    scene.work("a", {"bench/test_speed.py": BENCH.format(pause=0.01)})
    first = verdict(scene, desk_of(scene, "benchmarks", args="bench", tolerance=5))
    assert first.is_green, first.message  # base has none yet
    scene.repo.git("merge", "-q", "p/a")
    scene.work("a", {"bench/test_speed.py": BENCH.format(pause=0.2)})
    found = one(verdict(scene, desk_of(scene, "benchmarks", args="bench", tolerance=5)))
    assert (found.rule, found.path) == ("benchmarks/slower", "bench/test_speed.py")


def test_a_baseline_of_another_machine_compares_nothing(scene: Scene) -> None:
    report = {
        "machine_info": {"node": "elsewhere", "cpu": {"count": 1}},
        "benchmarks": [{"fullname": "bench/test_speed.py::test_speed", "stats": {"min": 5.0}}],
    }
    files = {"bench/test_speed.py": BENCH.format(pause=0.01), "bench/baseline.json": json.dumps(report)}
    scene.repo.commit_files("benchmark", files)
    scene.work("a", {"a.py": "a = 1\n"})
    found = one(verdict(scene, desk_of(scene, "benchmarks", args="bench", baseline="bench/baseline.json")))
    assert found.rule == "benchmarks/incomparable" and "elsewhere" in found.message
    scene.repo.commit_files("none", {"bench/none.json": json.dumps({**report, "benchmarks": []})})
    none = one(verdict(scene, desk_of(scene, "benchmarks", args="bench", baseline="bench/none.json")))
    assert none.rule == "benchmarks/incomparable" and "holds no benchmark" in none.message
    missing = one(verdict(scene, desk_of(scene, "benchmarks", args="bench", baseline="no.json")))
    assert missing.rule == "benchmarks/incomparable"


def test_a_report_without_figures_is_none() -> None:
    assert read_times(None, "min") is None and read_times('{"benchmarks": []}', "min") is None
