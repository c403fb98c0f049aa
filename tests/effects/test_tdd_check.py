from __future__ import annotations

import os
from typing import Any

import pytest

from orchestrator.core.gating import Outcome
from orchestrator.core.plan import HostName
from tests.support.landing import Desk, Scene, scene_fixture
from tests.support.sshd import Sshd
from tests.support.trials import check_gate, one, rules, stream, verdict

__all__ = ["scene_fixture"]

CODE = "def total(prices):\n    return sum(prices)\n"
TEST = "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n"


def desk_of(scene: Scene, *, plugins: bool = False, **settings: Any) -> Desk:
    return scene.desk(stream("a", check_gate("tdd", **settings), plugins=plugins))


def test_a_test_that_fails_without_the_branch_and_passes_with_it_is_green(scene: Scene) -> None:
    scene.work("a", {"shop.py": CODE, "tests/test_shop.py": TEST})
    found = verdict(scene, desk_of(scene))
    assert found.is_green, found.message


def test_each_way_in_which_a_test_proves_nothing_is_told_apart(scene: Scene) -> None:
    scene.work("a", {"shop.py": "def total(prices):\n    return 0\n"})
    scene.repo.git("merge", "-q", "p/a")
    scene.work("a", {"shop.py": CODE, "tests/conftest.py": FIXTURES, "tests/test_ways.py": WAYS})
    scene.work(
        "a", {"tests/test_gone.py": "import no_such_module\n\n\ndef test_x():\n    assert no_such_module\n"}
    )
    found = verdict(scene, desk_of(scene))
    assert {(f.rule, f.message.split()[0]) for f in found.findings} == {
        ("tdd/vacuous", "test_vacuous"),
        ("tdd/red-fixture", "test_fixture"),
        ("tdd/green-failed", "test_fixture"),
        ("tdd/red-error", "test_prepared"),
        ("tdd/red-skipped", "test_skipped"),
        ("tdd/red-skipped", "test_expected"),
        ("tdd/green-skipped", "test_skipped"),
        ("tdd/red-collection", "test_x"),
        ("tdd/green-failed", "test_x"),
    }
    places = {f.message.split()[0]: (f.path, f.line) for f in found.findings}
    assert places["test_vacuous"] == ("tests/test_ways.py", 9)


FIXTURES = """\
import pytest
import shop


@pytest.fixture
def prepared():
    if shop.total([1]) == 0:
        raise OSError("no")
"""
WAYS = """\
import pytest
from shop import total


def test_honest():
    assert total([1, 2]) == 3


def test_vacuous():
    assert True


def test_fixture(no_such_fixture):
    assert total([1]) == 1


def test_prepared(prepared):
    assert total([1]) == 1


@pytest.mark.skipif(total([1]) == 0, reason="later")
@pytest.mark.skipif(total([1]) == 1, reason="never")
def test_skipped():
    assert total([1]) == 1


@pytest.mark.xfail(condition=total([1]) == 0, reason="later")
def test_expected():
    assert total([1]) == 1


class TestOfAClass:
    @pytest.mark.parametrize("prices", [[1], [2]])
    def test_raises_inside(self, prices):
        if total(prices) == 0:
            raise KeyError("inside the test")
"""


def test_a_name_that_the_branch_adds_to_a_module_may_be_missing(scene: Scene) -> None:
    scene.work("a", {"shop.py": CODE})
    scene.repo.git("merge", "-q", "p/a")
    more = CODE + "\n\ndef mean(prices):\n    return total(prices) / len(prices)\n"
    test = "from shop import mean\n\n\ndef test_mean():\n    assert mean([1, 3]) == 2\n"
    scene.work("a", {"shop.py": more, "test_mean.py": test})
    assert verdict(scene, desk_of(scene)).is_green


def test_a_conftest_that_needs_the_branch_is_red_too(scene: Scene) -> None:
    conftest = "import pkg.deep\n"
    test = "import pkg.deep\n\n\ndef test_x():\n    assert pkg.deep.x == 1\n"
    scene.work("a", {"pkg/deep.py": "x = 1\n", "conftest.py": conftest, "test_x.py": test})
    assert verdict(scene, desk_of(scene)).is_green


def test_a_test_that_needs_nothing_is_found_in_a_file_that_red_cannot_import(scene: Scene) -> None:
    idle = "\n\ndef test_idle():\n    assert True\n\n\ndef test_callable():\n    assert callable(total)\n"
    scene.work("a", {"shop.py": CODE, "tests/test_shop.py": TEST + idle})
    found = one(verdict(scene, desk_of(scene)))
    assert (found.rule, found.message.split()[0]) == ("tdd/vacuous", "test_idle")


def test_a_set_up_that_needs_the_branch_is_made_on_its_tip(scene: Scene) -> None:
    files = {"shop.py": CODE, "tests/test_shop.py": TEST, "make.sh": "echo made >> made.txt\n"}
    scene.work("a", {**files, ".gitignore": "made.txt\n"})
    desk = scene.desk(stream("a", check_gate("tdd"), setup="sh make.sh"))
    found = verdict(scene, desk)
    assert found.is_green, found.message


def test_a_set_up_that_fails_is_red(scene: Scene) -> None:
    scene.work("a", {"shop.py": CODE, "tests/test_shop.py": TEST})
    found = verdict(scene, scene.desk(stream("a", check_gate("tdd"), setup="echo no tools; exit 3")))
    assert found.is_red and found.message.endswith("no tools")


def test_a_test_may_be_vacuous_for_a_reason(scene: Scene) -> None:
    allowed = (
        "\n\n# orchestrator: allow tdd/vacuous because it pins what base does\ndef test_idle():\n    pass\n"
    )
    scene.work("a", {"shop.py": CODE, "tests/test_shop.py": TEST + allowed})
    found = verdict(scene, desk_of(scene))
    assert found.is_green and found.suppressed[0].allowed == "it pins what base does"


def test_a_branch_without_tests_is_red(scene: Scene) -> None:
    scene.work("a", {"shop.py": CODE})
    assert one(verdict(scene, desk_of(scene))).rule == "tdd/no-tests"


def test_a_test_that_is_only_laid_out_anew_is_not_new(scene: Scene) -> None:
    scene.work("a", {"shop.py": CODE, "tests/test_shop.py": TEST})
    scene.repo.git("merge", "-q", "p/a")
    scene.work("a", {"tests/test_shop.py": TEST.replace("[1, 2]", "[1,\n  2]"), "new.py": "x = 1\n"})
    assert rules(verdict(scene, desk_of(scene))) == ["tdd/no-tests"]


def test_what_ran_is_not_run_again_for_what_it_does_not_see(scene: Scene) -> None:
    runs = scene.root.parent / "runs"
    test = TEST.replace("def test_total", f"open({str(runs)!r}, 'a').write('run ')\n\n\ndef test_total")
    scene.work("a", {"shop.py": "def total(prices):\n    return 0\n"})
    scene.repo.git("merge", "-q", "p/a")
    scene.work("a", {"shop.py": CODE, "tests/test_shop.py": test})
    desk = desk_of(scene)
    assert verdict(scene, desk).is_green and runs.read_text() == "run run "
    assert verdict(scene, desk).cached
    scene.work("a", {"shop.py": CODE.replace("sum(prices)", "sum(list(prices))")})
    assert verdict(scene, desk).is_green and runs.read_text() == "run run run "
    assert verdict(scene, desk, use_cache=False).is_green and runs.read_text() == "run run run run run "


def test_a_suite_without_pytest_is_red_and_says_so(scene: Scene, tmp_path: Any) -> None:
    scene.work("a", {"shop.py": CODE, "tests/test_shop.py": TEST})
    found = verdict(scene, desk_of(scene, pytest="no-such-pytest"))
    assert found.outcome is Outcome.RED and "pytest could not be started" in found.message


def test_red_is_built_on_the_host_of_the_workstream(scene: Scene, sshd: Sshd) -> None:
    idle = "\n\ndef test_idle():\n    assert True\n"
    scene.work("a", {"shop.py": CODE, "tests/test_shop.py": TEST + idle})
    over_there = stream("a", check_gate("tdd"), host=HostName("gpu"))
    hosts = f'hosts: {{gpu: {{ssh: gpu, root: "{sshd.home}"}}}}'
    waves = "waves: {1: {workstreams: {a: {branch: p/a, host: gpu}}}}"
    (scene.root / "waves.yaml").write_text(f"version: 1\nproject: p\n{hosts}\n{waves}\n")
    found = verdict(scene, scene.desk(over_there, hosts=(sshd.host(),)))
    assert rules(found) == ["tdd/vacuous"], found.message
    assert found.log is not None
    assert str(sshd.home) in found.log


# --- phases and weakened tests --------------------------------------------------------------------

STRONG = TEST.replace("== 3", "== 3\n    assert total([]) == 0")


def in_phases(scene: Scene, *steps: tuple[str, dict[str, str]]) -> None:
    scene.work("a", {})
    path = scene.worktrees / "a"
    for message, files in steps:
        scene.repo.commit_files(message, files, cwd=path)


@pytest.mark.parametrize(
    ("later", "why"),
    [
        (TEST, "lost assertions (2 to 1)"),
        ("def test_other():\n    from shop import total\n    assert total([]) == 0\n", "was removed"),
        (
            "import pytest\n" + STRONG.replace("def test", "@pytest.mark.skip\ndef test"),
            "marked to be skipped",
        ),
        (STRONG.replace("== 3", "in (3, 4)"), "as it was it fails on"),
    ],
)
def test_a_test_that_was_weakened_between_red_and_green_is_found(scene: Scene, later: str, why: str) -> None:
    broken = "def total(prices):\n    return 4 if prices else 0\n" if "in (3" in later else CODE
    in_phases(
        scene,
        ("[RED] total", {"tests/test_shop.py": STRONG}),
        ("[GREEN] total", {"shop.py": broken, "tests/test_shop.py": later}),
    )
    found = verdict(scene, desk_of(scene))
    assert any(f.rule == "tdd/weakened" and why in f.message for f in found.findings), found.message


def test_a_test_is_weakened_by_what_it_stands_on_and_by_a_later_commit(scene: Scene) -> None:
    near = "def near(a, b):\n    return abs(a - b) < {}\n"
    uses = "from shop import total\nfrom near import near\n\nMORE = {}\n\n\n"
    helped = "def test_helped():\n    assert near(total([]), 0)\n\n\n"
    tests = uses + helped + "def test_bound():\n    assert abs(total([1]) - 1) < MORE\n"
    in_phases(
        scene,
        ("[RED] total", {"tests/near.py": near.format(1), "tests/test_shop.py": tests.format(1)}),
        ("[GREEN] total", {"shop.py": "def total(prices):\n    return 4\n"}),
        ("[REFACTOR] tests", {"tests/near.py": near.format(9), "tests/test_shop.py": tests.format(9)}),
    )
    found = verdict(scene, desk_of(scene))
    assert {(f.rule, f.message.split()[0]) for f in found.findings} == {
        ("tdd/weakened", "test_helped"),
        ("tdd/weakened", "test_bound"),
    }


def test_a_branch_without_phases_weakens_only_what_then_passes(scene: Scene) -> None:
    twice = "\n\ndef test_twice():\n    assert total([2]) == 2\n    assert total([2]) == 2\n"
    in_phases(
        scene,
        ("tests", {"tests/test_shop.py": STRONG + twice}),
        (
            "code",
            {
                "shop.py": "def total(prices):\n    return sum(prices) or 1\n",
                "tests/test_shop.py": TEST + twice.replace("    assert total([2]) == 2\n", "", 1),
            },
        ),
    )
    assert [f.message.split()[0] for f in verdict(scene, desk_of(scene)).findings] == ["test_total"]


def test_a_test_that_is_removed_after_green_is_weakened_where_it_would_fail(scene: Scene) -> None:
    none = "\n\ndef test_none():\n    assert total([]) == 0\n"
    in_phases(
        scene,
        ("[RED] total", {"tests/test_shop.py": TEST + none}),
        ("[GREEN] total", {"shop.py": CODE}),
        ("[REFACTOR] names", {"tests/test_shop.py": TEST + none.replace("test_none", "test_nothing")}),
    )
    assert verdict(scene, desk_of(scene)).is_green
    broken = {"shop.py": "def total(prices):\n    return 3\n", "tests/test_shop.py": TEST}
    scene.repo.commit_files("[REFACTOR] total", broken, cwd=scene.worktrees / "a")
    found = one(verdict(scene, desk_of(scene)))
    assert found.rule == "tdd/weakened" and found.message.startswith("test_none was removed since")


def test_a_test_that_only_misses_a_module_or_a_file_is_vacuous(scene: Scene) -> None:
    there = "\n\ndef test_there():\n    from pathlib import Path\n\n    assert Path('shop.py').exists()\n"
    local = "def test_local():\n    import shop\n\n    assert shop is not None\n"
    used = "\n\ndef test_used():\n    from shop import total\n\n    assert total([1]) == 1\n"
    scene.work("a", {"shop.py": CODE, "tests/test_shop.py": local + there + used})
    found = verdict(scene, desk_of(scene))
    assert {(f.rule, f.message.split()[0]) for f in found.findings} == {
        ("tdd/vacuous", "test_local"),
        ("tdd/vacuous", "test_there"),
    }


def test_a_test_that_was_only_made_clearer_is_not_weakened(scene: Scene) -> None:
    in_phases(
        scene,
        ("[RED] total", {"tests/test_shop.py": STRONG}),
        ("[GREEN] total", {"shop.py": CODE, "tests/test_shop.py": STRONG.replace("[1, 2]", "[2, 1]")}),
    )
    assert verdict(scene, desk_of(scene)).is_green


def test_phases_in_order_are_asked_for_by_a_setting(scene: Scene) -> None:
    in_phases(scene, ("total", {"tests/test_shop.py": TEST}), ("[GREEN] total", {"shop.py": CODE}))
    desk = desk_of(scene)
    assert verdict(scene, desk).is_green
    found = verdict(scene, desk_of(scene, phases=True))
    assert rules(found) == ["tdd/phase-order", "tdd/phase-unmarked"]
    assert "[GREEN] comes first" in found.message


def test_a_history_that_only_looks_test_first_is_found(scene: Scene) -> None:
    in_phases(
        scene,
        ("[RED] nothing", {"notes.md": "soon\n"}),
        ("[RED] total", {"shop.py": CODE, "tests/test_shop.py": TEST}),
        ("[GREEN] total", {"shop.py": "# done\n" + CODE}),
        ("[RED] mean", {"tests/test_mean.py": TEST.replace("shop", "mean")}),
        ("[GREEN] mean", {"notes.md": "done\n"}),
        ("[REFACTOR] mean", {"mean.py": CODE}),
    )
    found = verdict(scene, desk_of(scene, phases=True))
    said = [f.message.partition(" (")[2] for f in found.findings if f.rule == "tdd/phase-untrue"]
    assert len(said) == len(found.findings), found.message
    assert [one.partition(")")[0] for one in said] == ["[RED] nothing", "[RED] total", "[GREEN] mean"]


def test_phases_are_counted_for_each_component(scene: Scene) -> None:
    in_phases(
        scene,
        ("[RED] I3D: total", {"tests/test_shop.py": TEST}),
        ("[GREEN] I3D: total", {"shop.py": CODE}),
        ("[RED] magvit", {"tests/test_m.py": "import m\n\n\ndef test_m():\n    assert m.x\n"}),
        ("more of MAGVIT, [REFACTOR]", {"m.py": "x = 1\n"}),
    )
    settings = check_gate("tdd", phases=True)
    found = verdict(scene, scene.desk(stream("a", settings, components=("I3D", "MAGVIT"))))
    assert one(found).component == "MAGVIT" and "[REFACTOR] follows [RED]" in one(found).message


# --- evidence and coverage ------------------------------------------------------------------------


def capture(scene: Scene, phase: str, *command: str) -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "tdd", phase, "shop", "--", *command],
        cwd=scene.worktrees / "a",
        env={**os.environ, "PYTHONPATH": str(scene.worktrees / "a")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    scene.repo.git("add", "-A", cwd=scene.worktrees / "a")
    scene.repo.git("commit", "-qm", f"evidence of {phase}", cwd=scene.worktrees / "a")


def test_evidence_is_held_against_the_commits_it_names(scene: Scene) -> None:
    scene.work("a", {"tests/test_shop.py": TEST})
    capture(scene, "red", "false")
    scene.work("a", {"shop.py": CODE, "tests/test_other.py": TEST.replace("shop", "other")})
    capture(scene, "green", "true")  # another component is red meanwhile
    scene.work("a", {"other.py": CODE})
    desk = desk_of(scene, evidence=True)
    found = verdict(scene, desk)
    assert found.is_green, found.message
    path = "artifacts/tdd_shop_green.txt"
    honest = (scene.worktrees / "a" / path).read_text()
    red = (scene.worktrees / "a" / "artifacts/tdd_shop_red.txt").read_text()
    forged = red.replace("phase: red", "phase: green").replace("exit: 1", "exit: 0")
    scene.work("a", {path: forged})
    assert "run again at" in one(verdict(scene, desk)).message
    scene.work("a", {path: honest.replace("tree: ", "tree: 1")})
    assert "no commit of this branch" in one(verdict(scene, desk)).message
    scene.repo.git("rm", "-q", path, cwd=scene.worktrees / "a")
    scene.repo.git("commit", "-qm", "gone", cwd=scene.worktrees / "a")
    assert one(verdict(scene, desk)).message == f"there is no {path}"


def test_coverage_is_of_what_the_branch_wrote(scene: Scene) -> None:
    scene.work(
        "a", {"shop.py": CODE + "\n\ndef unused():\n    a = 1\n    return a\n", "tests/test_shop.py": TEST}
    )
    assert verdict(scene, desk_of(scene, coverage=50, plugins=True)).is_green
    found = one(verdict(scene, desk_of(scene, coverage=80, plugins=True)))
    assert (found.rule, found.path) == ("tdd/coverage", "shop.py") and "tests run 60.0 %" in found.message
    hidden = "\n\ndef unused():  # pragma: no cover\n" + "    print()\n" * 7
    scene.work("a", {"shop.py": CODE + hidden, "more/aside.py": "x = 1\n" * 10})
    found = one(verdict(scene, desk_of(scene, coverage=50, plugins=True)))
    assert found.path == "more/aside.py" and "tests run 10.5 %" in found.message


def test_a_setting_that_is_none_is_a_finding(scene: Scene) -> None:
    scene.work("a", {"shop.py": CODE, "tests/test_shop.py": TEST})
    found = one(verdict(scene, desk_of(scene, phase=True)))
    assert found.rule == "checks/setting" and "phases" in found.message
