from __future__ import annotations

import os
from typing import Any

import pytest

from orchestrator.checks.forged import signs_in
from orchestrator.checks.unchecked import relaxed_lines
from orchestrator.gates import run_gates
from orchestrator.source.links import outward
from tests.support.landing import Desk, Scene, gate, scene_fixture
from tests.support.trials import check_gate, one, stream, verdict

__all__ = ["scene_fixture"]


def desk_of(scene: Scene, name: str, **settings: Any) -> Desk:
    return scene.desk(stream("a", check_gate(name, **settings)))


SUITE = """\
import pytest


def test_good():
    assert True


def test_bad():
    assert 1 == 2


@pytest.mark.skip(reason="later")
def test_later():
    pass


@pytest.mark.xfail(reason="known")
def test_known():
    assert False


def test_broken(no_such_fixture):
    pass
"""


def test_pytest_findings_have_their_places(scene: Scene) -> None:
    scene.work("a", {"tests/test_x.py": SUITE})
    found = verdict(
        scene, desk_of(scene, "pytest", skips=["test_lat*"], xfails="tests/test_x.py::test_known")
    )
    assert [(f.rule, f.path, f.line) for f in found.findings] == [
        ("pytest/failed", "tests/test_x.py", 8),
        ("pytest/error", "tests/test_x.py", 22),
    ]
    every = verdict(scene, desk_of(scene, "pytest"))
    assert {f.rule for f in every.findings} >= {"pytest/skipped", "pytest/xfailed"}


def test_a_suite_without_tests_is_red(scene: Scene) -> None:
    scene.work("a", {"x.py": "x = 1\n"})
    assert one(verdict(scene, desk_of(scene, "pytest"))).rule == "pytest/none-collected"


def test_a_test_that_is_excused_or_left_out_is_no_pass(scene: Scene) -> None:
    idle = "import pytest\n\n\n@pytest.mark.{}\ndef test_x():\n    assert True\n"
    scene.work("a", {"test_x.py": idle.format("skip")})
    assert one(verdict(scene, desk_of(scene, "pytest", skips="*"))).rule == "pytest/none-collected"
    scene.work("a", {"test_x.py": idle.format("xfail")})
    assert "XPASS" in one(verdict(scene, desk_of(scene, "pytest"))).message
    assert verdict(scene, desk_of(scene, "pytest", xfails="test_x")).is_green
    bad = "def test_good():\n    assert True\n\n\ndef test_bad():\n    assert False\n"
    scene.work("a", {"test_x.py": bad, "pytest.ini": "[pytest]\naddopts = -k good\n"})
    found = one(verdict(scene, desk_of(scene, "pytest")))
    assert (found.rule, found.line) == ("pytest/left-out", 5) and "pytest.ini" in found.message


def test_a_suite_that_passes_is_green_unless_pytest_says_otherwise(scene: Scene) -> None:
    scene.work("a", {"test_x.py": "def test_x():\n    assert True\n"})
    assert verdict(scene, desk_of(scene, "pytest")).is_green
    scene.work("a", {"conftest.py": "def pytest_sessionfinish(session):\n    session.exitstatus = 1\n"})
    assert one(verdict(scene, desk_of(scene, "pytest"))).rule == "pytest/no-report"


REPORT = "import pytest\n\n\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
REPORT += "    out = yield\n    report = out.get_result()\n    "
HOOK = "def pytest_{}:\n    {}\n"
FORGED = [
    (REPORT + "report.outcome = 'passed'\n", 8),
    (REPORT + "setattr(report, 'outcome', 'passed')\n", 8),
    (REPORT + "call.excinfo = None\n", 8),
    (REPORT + "out.force_result(report)\n", 8),
    (REPORT + f"report.outcome = {' + '.join(['x'] * 990)} + 'passed'\n", 8),
    (REPORT + "item.report = report\n", 0),
    (REPORT + "report.outcome = 'failed'\n    item.outcome = report.outcome\n", 0),
    (HOOK.format("pyfunc_call(pyfuncitem)", "return True"), 2),
    (HOOK.format("pyfunc_call(pyfuncitem)", "run(pyfuncitem.obj)\n    return True"), 0),
    (HOOK.format("runtest_protocol(item, nextitem)", "return nextitem is None or True"), 2),
    (HOOK.format("runtest_call(item)", "try:\n        yield\n    except Exception:\n        return None"), 4),
    (HOOK.format("runtest_call(item)", "try:\n        yield\n    except Exception:\n        raise"), 0),
    (HOOK.format("sessionfinish(session)", "import os\n    os._exit(0)"), 3),
    (HOOK.format("unconfigure(config)", "import os\n    os._exit(0)"), 0),
    (HOOK.format("configure(config)", "import _pytest.python\n    _pytest.python.Function.runtest = len"), 3),
    ("import pytest\npytest.Function.runtest = len\n", 2),
    ("from _pytest.python import Function as F\nF.runtest = len\n", 2),
    ("import unittest\nunittest.TestCase.maxDiff = None\n", 0),
    ("import unittest\nunittest.TestCase.assertEqual = len\n", 2),
    ("import pytest\n\n\ndef test_x(monkeypatch):\n    pytest.Function.x = 1\n", 0),
    ("import os\n\nPLACE = os.environ['ORCHESTRATOR_OUT']\n", 3),
]


@pytest.mark.parametrize(("text", "line"), FORGED)
def test_code_that_speaks_for_the_tests_is_seen(text: str, line: int) -> None:
    assert [at for at, _ in signs_in(text.encode())] == ([line] if line else [])


def test_a_report_that_the_branch_makes_itself_is_no_pass(scene: Scene) -> None:
    scene.work("a", {"test_x.py": "def test_x():\n    assert False\n", "conftest.py": FORGED[0][0]})
    found = one(verdict(scene, desk_of(scene, "pytest")))
    assert (found.rule, found.path, found.line) == ("pytest/forged", "conftest.py", 8)
    reason = "    # orchestrator: allow pytest/forged because the paper's own runner\n    report.outcome"
    scene.work("a", {"conftest.py": FORGED[0][0].replace("    report.outcome", reason)})
    assert verdict(scene, desk_of(scene, "pytest")).is_green
    edits = (
        "import atexit\nimport re\nimport sys\nfrom pathlib import Path\n\n\n@atexit.register\ndef last():\n"
    )
    edits += "    path = Path(next(a for a in sys.argv if 'junit-xml' in a).partition('=')[2])\n"
    edits += "    path.write_text(re.sub('<failure.*?</failure>', '', path.read_text(), flags=re.DOTALL))\n"
    scene.work("a", {"conftest.py": edits, "pluggy.py": "raise SystemExit(0)\n"})
    found_rules = {f.rule for f in verdict(scene, desk_of(scene, "pytest")).findings}
    assert found_rules == {"pytest/forged", "pytest/no-report"}
    scene.repo.git("rm", "-q", "pluggy.py", cwd=scene.worktrees / "a")
    scene.repo.git("commit", "-qm", "without", cwd=scene.worktrees / "a")
    assert one(verdict(scene, desk_of(scene, "pytest"))).rule == "pytest/no-report"


def test_mypy_counts_errors_before_and_after(scene: Scene) -> None:
    scene.repo.commit_files("old", {"old.py": "def f(x: int) -> str:\n    return x\n"})
    scene.work(
        "a",
        {"new.py": "def g() -> int:\n    return 1\n", "old.py": "\n\ndef f(x: int) -> str:\n    return x\n"},
    )
    every = one(verdict(scene, desk_of(scene, "mypy")))
    assert (every.rule, every.path, every.line) == ("mypy/error", "old.py", 4)
    assert "[return-value]" in every.message and "Found 1 error in 1 file" in every.message
    assert verdict(scene, desk_of(scene, "mypy", new_only=True)).is_green
    scene.work("a", {"new.py": "def g() -> int:\n    return ''\n"})
    new = one(verdict(scene, desk_of(scene, "mypy", new_only=True)))
    assert new.path == "new.py" and "Found 2 errors in 2 files; 1 where the branch began" in new.message
    scene.work("a", {"new.py": "return = 1\n"})
    found = one(verdict(scene, desk_of(scene, "mypy", new_only=True)))
    assert (found.rule, found.path, found.line) == ("mypy/broken", "new.py", 1)


def test_mypy_that_is_told_to_look_away_is_no_pass(scene: Scene) -> None:
    strict = '[tool.mypy]\nstrict = true\nexclude = ["old"]\n'
    scene.repo.commit_files(
        "settings", {"pyproject.toml": strict, "kept.py": "# mypy: ignore-errors\nx = 1\n"}
    )
    bad = "def g() -> int:\n    return ''\n"
    scene.work("a", {"new.py": f"# mypy: ignore-errors\n{bad}", "kept.py": "# mypy: ignore-errors\nx = 2\n"})
    found = one(verdict(scene, desk_of(scene, "mypy")))
    assert (found.rule, found.path, found.line) == ("mypy/relaxed", "new.py", 1)
    ends = "import os\n\nprint('Found nothing')\nos._exit(0)\n"
    conf = "[mypy]\nstrict = True\n[mypy-new]\nignore_errors = True\n"
    stub = "def g() -> int: ...\n"
    scene.work("a", {"new.py": bad, "kept.py": "# mypy: ignore-errors\nx = 1\n", "new.pyi": stub})
    scene.work("a", {"conf/own.ini": conf, "ends.ini": "[mypy]\nplugins = ends.py\n", "ends.py": ends})
    told = verdict(scene, desk_of(scene, "mypy", args=["--config-file", "conf/own.ini", "new.py"]))
    places = [(f.rule, f.path, f.line) for f in told.findings]
    assert places == [("mypy/relaxed", "new.pyi", 1), ("mypy/relaxed", "conf/own.ini", 4)]
    assert (
        one(verdict(scene, desk_of(scene, "mypy", args=["--config-file=ends.ini", "."]))).rule
        == "mypy/broken"
    )


RELAXED = [
    ("new.py", "", "# mypy: disallow-untyped-defs=False, ignore-errors\n", 1),
    ("new.py", "", '"""A module."""\n# mypy: disable-error-code="arg-type"\n', 2),
    ("new.py", "", "# mypy: disallow-any-generics, strict-equality=True\n", 0),
    ("new.py", "# mypy: ignore-errors\n", "x = 1\n# mypy: ignore-errors\n", 0),
    ("new.py", "", "# type: ignore\nimport os\n", 1),
    ("new.py", "", "import os  # type: ignore\n", 0),
    ("mypy.ini", "[mypy]\nstrict = True\n", "[mypy]\nstrict = True\n[mypy-new.*]\nignore_errors = True\n", 4),
    ("mypy.ini", "[mypy]\n", "[mypy]\n[mypy-yaml]\nignore_missing_imports = True\n", 0),
    ("setup.cfg", "[mypy]\nstrict = True\n", "[mypy]\n", 1),
    ("mypy.ini", "[mypy]\ndisallow_untyped_defs = True\n", "[mypy]\ndisallow_untyped_defs = False\n", 2),
    ("pyproject.toml", "", "[tool.mypy]\nexclude = ['new']\n", 2),
    ("pyproject.toml", "", '[[tool.mypy.overrides]]\nmodule = "new"\nignore_errors = true\n', 3),
    ("pyproject.toml", "[tool.mypy]\nexclude = ['a']\n", "[tool.mypy]\nexclude = ['a']\nstrict = true\n", 0),
    ("pyproject.toml", "", "[tool.mypy]\nfollow_imports = 'skip'\n", 2),
    ("pyproject.toml", "", "[tool.mypy\n", 0),
    ("pyproject.toml", "", f"x = {'[' * 9000}{']' * 9000}\n", 0),
    ("pyproject.toml", "", "[tool.mypy]\nplugins = ['ours/plug.py']\n", 2),
    ("pyproject.toml", "", "[tool.mypy]\nplugins = ['pydantic.mypy']\n", 0),
    ("new.py", "", "import typing\n@typing.no_type_check\ndef f(): ...\n", 2),
    ("conf/strict.ini", "[mypy]\nstrict = True\n", "[mypy]\nstrict = False\n", 2),
]


@pytest.mark.parametrize(("path", "before", "after", "line"), RELAXED)
def test_less_asked_of_mypy_is_seen(path: str, before: str, after: str, line: int) -> None:
    assert [at for at, _ in relaxed_lines(path, before, after)] == ([line] if line else [])


def test_mypy_that_cannot_check_is_red(scene: Scene) -> None:
    scene.work("a", {"x.py": "x = 1\n"})
    assert one(verdict(scene, desk_of(scene, "mypy", args=["no_such_folder"]))).rule == "mypy/broken"


def test_ruff_findings_have_their_places(scene: Scene) -> None:
    scene.work("a", {"sub/x.py": "import os\n\nx = [1,2]\n"})
    found = one(verdict(scene, desk_of(scene, "ruff")))
    assert (found.rule, found.path, found.line) == ("ruff/F401", "sub/x.py", 1)
    with_layout = verdict(scene, desk_of(scene, "ruff", format=True))
    assert [f.rule for f in with_layout.findings] == ["ruff/F401", "ruff/format"]
    scene.work("a", {"sub/x.py": "x = [1, 2]\n"})
    assert verdict(scene, desk_of(scene, "ruff", format=True)).is_green


HOOKS = """\
repos:
  - repo: local
    hooks:
      - {id: no-todo, name: no todo, entry: "grep -n --with-filename TODO", language: system, files: py$}
      - {id: fine, name: fine, entry: "true", language: system}
"""


def test_pre_commit_runs_every_hook_on_all_files(scene: Scene) -> None:
    hooks = HOOKS.replace("grep -n --with-filename TODO", "sh -c '! grep -nH TODO $@' --")
    scene.work("a", {".pre-commit-config.yaml": hooks, "x.py": "x = 1\n"})
    assert verdict(scene, desk_of(scene, "pre-commit")).is_green
    scene.work("a", {"x.py": "x = 1\n# TODO more\n"})
    found = one(verdict(scene, desk_of(scene, "pre-commit")))
    assert (found.rule, found.path, found.line) == ("pre-commit/failed", "x.py", 2)
    assert found.message == "no-todo: # TODO more"


def test_a_hook_that_changes_files_is_red(scene: Scene) -> None:
    hooks = HOOKS.replace("grep -n --with-filename TODO", "sh -c 'echo more >> x.py' --")
    scene.work("a", {".pre-commit-config.yaml": hooks, "x.py": "x = 1\n"})
    found = verdict(scene, desk_of(scene, "pre-commit"))
    assert ("pre-commit/changed", "x.py") in [(f.rule, f.path) for f in found.findings]


@pytest.mark.parametrize(
    ("targets", "found"),
    [
        ({"a": "/", "d/b": "../../x", "c": ".."}, {"a", "d/b", "c"}),
        ({"a": "b/c", "b": "d", "d/c": "e", "e": "gone"}, set()),
        ({"d/a": "../b", "b": "d/..", "c": "b/.."}, {"c", "b/c", "d/a/c"}),
        ({"a": "b/x", "b": "c", "c": "../y"}, {"a", "b", "c"}),
        ({"a": "b", "b": "a", "self": "."}, set()),
        ({"d/out": "/x", "in": "d", "top": "."}, {"d/out", "in/out", "top/d/out"}),
    ],
)
def test_links_that_lead_out_are_known(targets: dict[str, str], found: set[str]) -> None:
    assert outward(targets) == found


def test_links_that_lead_out_of_the_checkout_are_passed_over_and_told(scene: Scene) -> None:
    outside = scene.root.parent / "elsewhere" / "sub"
    outside.mkdir(parents=True)
    (outside / "conftest.py").write_text("raise SystemExit(9)\n")
    (outside / "test_out.py").write_text("import os\n\n\ndef test_out() -> int:\n    assert False\n")
    marker = "def test_x() -> None:\n    assert True\n"
    scene.work("a", {"test_x.py": marker, "pkg/y.py": "y = 1\n", "pkg/test(1)/test_in.py": marker})
    worktree = scene.worktrees / "a"
    links = {"hop": "pkg/up/sub", "pkg/up": str(outside.parent), "inner.py": "pkg/y.py"}
    links |= {"test(1)": str(outside), "z.py": f"{outside}/test_out.py"}
    for name, target in links.items():
        (worktree / name).symlink_to(target)
    (worktree / os.fsdecode(b"x\xff,{ '\"$")).symlink_to("/")
    scene.repo.git("add", ".", cwd=worktree)
    scene.repo.git("commit", "--quiet", "-m", "links", cwd=worktree)
    names = ("pytest", "mypy", "ruff")
    found = run_gates(scene.desk(stream("a", *map(gate, names))), {"a": scene.tip("p/a")})
    assert [(one.findings, one.is_green) for one in found] == [((), True)] * 3, found
    why = "is a symbolic link that leads out of the checkout, and is not followed, and so 4 more"
    told = [(f.rule, f.path, f.message) for one in found for f in one.suppressed]
    assert told == [("links/not-followed", "hop", why)] * 3


def test_a_tool_that_is_not_there_is_red_and_says_so(scene: Scene) -> None:
    scene.work("a", {"x.py": "x = 1\n"})
    found = verdict(scene, desk_of(scene, "ruff", ruff="no-such-ruff"))
    assert found.is_red and "put it on the gate's PATH" in found.message
