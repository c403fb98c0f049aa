"""The measures of a wave as tables: facts and texts in, numbers out."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from orchestrator.core import facts as f
from orchestrator.core.facts import Fact, LaunchId
from orchestrator.git import Commit
from orchestrator.reports.metrics import (
    Happened,
    Timing,
    TypeRun,
    added_tests,
    breaking,
    conflicts,
    is_test_file,
    mypy_errors,
    names_of_tests,
    timing,
    type_errors,
)


def started(at: float, name: str, attempt: int = 1) -> Happened:
    launch = LaunchId(f"{name}-{attempt}")
    fact = f.LaunchChosen(workstream=name, launch=launch, host="local", stage="run", attempt=attempt)
    return Happened(at, fact)


def ended(at: float, name: str, elapsed_s: float, attempt: int = 1) -> Happened:
    fact = f.LaunchEnded(
        workstream=name,
        launch=LaunchId(f"{name}-{attempt}"),
        exit_code=0,
        signal=None,
        cause="exited",
        ended=0.0,
        elapsed_s=elapsed_s,
    )
    return Happened(at, fact)


def test_two_side_by_side_are_faster_than_one_after_another() -> None:
    history = [
        started(100, "a"),
        started(110, "b"),
        started(50, "other"),
        ended(160, "a", 50),
        ended(200, "b", 90),
    ]
    found = timing(history, ("a", "b"), landed_at=260)
    assert found == Timing(active_s={"a": 50.0, "b": 90.0}, wall_s=100.0, duration_s=160.0)
    assert found.speed_up == pytest.approx(1.4)


def test_every_attempt_is_active_time_and_no_wait_is() -> None:
    history = [started(0, "a"), ended(10, "a", 10), started(40, "a", 2), ended(50, "a", 9, 2)]
    found = timing(history, ("a",), landed_at=50)
    assert (found.active_s, found.wall_s, found.speed_up) == ({"a": 19.0}, 50.0, pytest.approx(0.38))


@pytest.mark.parametrize("history", [[], [started(0, "a")], [started(0, "b"), ended(5, "b", 5)]])
def test_what_never_ran_is_not_measured(history: list[Happened]) -> None:
    found = timing(history, ("a",), landed_at=9)
    assert (found.wall_s, found.duration_s, found.speed_up) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("a.py:1: error: x\nFound 3 errors in 2 files (checked 9 source files)\n", 3),
        ("Found 1 error in 1 file (checked 1 source file)", 1),
        ("exit status 1\nFound 12 errors in 3 files (errors prevented further checking)", 12),
        ("Success: no issues found in 4 source files\n", 0),
        ("I once Found 3 errors in 2 files", None),
        ("all good", None),
        ("", None),
    ],
)
def test_only_mypys_own_words_count(text: str, errors: int | None) -> None:
    assert mypy_errors(text) == errors


THREE, ONE, NONE = (f"Found {n} errors in 1 file" for n in (3, 1, 0))


@pytest.mark.parametrize(
    ("runs", "found"),
    [
        ([("a", THREE), ("a", ONE), ("b", ONE), ("b", NONE)], (4, 1)),
        ([("a", THREE), (None, ONE), (None, "Success: no issues found in 1 source file")], (1, 0)),
        ([("a", "flake8: fine"), ("b", ONE)], (1, 1)),
        ([("a", "pyright")], (None, None)),
        ([], (None, None)),
    ],
)
def test_type_errors_of_the_first_and_the_last_run(
    runs: list[tuple[str | None, str]], found: tuple[int | None, int | None]
) -> None:
    assert type_errors([TypeRun(*run) for run in runs]) == found


def test_a_conflict_that_is_met_twice_is_one() -> None:
    def look(wave: int, *words: str) -> Happened:
        fact: Fact = f.WaveProposed(wave=wave, base="main", base_before="c0", tips={}, conflicts=words)
        return Happened(0, fact)

    assert conflicts([look(1, "x", "y"), look(1, "x"), look(2, "z"), look(1)], 1) == ("x", "y")


@pytest.mark.parametrize(
    ("subject", "body", "breaks"),
    [
        ("feat!: drop v1", "", True),
        ("feat(api)!: drop v1", "", True),
        ("feat: add", "BREAKING CHANGE: v1 is gone", True),
        ("feat: add", "words\n\nBREAKING-CHANGE: v1 is gone", True),
        ("feat: wow!", "no BREAKING CHANGE: here", False),
        ("stop! now: please", "", False),
    ],
)
def test_breaking_changes_are_announced(subject: str, body: str, breaks: bool) -> None:
    when = datetime(2024, 1, 1, tzinfo=timezone.utc)
    commit = Commit("c", (), "Ada", "ada@example.org", when, subject, body)
    assert breaking([commit]) == ((subject,) if breaks else ())


TESTS = """\
import unittest
def test_a(): pass
async def test_b(): pass
def helper():
    def test_inner(): pass
class TestOne:
    def test_a(self): pass
    def other(self): pass
class Case(unittest.TestCase):
    def test_c(self): pass
class Plain:
    def test_no(self): pass
"""


def test_test_functions_are_those_that_pytest_collects() -> None:
    assert names_of_tests(TESTS) == ("test_a", "test_b", "TestOne.test_a", "Case.test_c")
    assert names_of_tests("def test_broken(:\n") == names_of_tests("\0") == ()


def test_added_tests_are_new_ones_not_moved_ones() -> None:
    assert added_tests([], [TESTS]) == 4
    assert added_tests(["def test_a(): pass"], ["", "def test_a(): pass\ndef test_z(): pass"]) == 1
    assert added_tests([TESTS], ["def test_a(): pass"]) == 0


@pytest.mark.parametrize(
    ("path", "is_test"),
    [("tests/test_a.py", True), ("a_test.py", True), ("test_a.txt", False), ("tests/support.py", False)],
)
def test_test_files_are_named_as_pytest_wants_it(path: str, is_test: bool) -> None:
    assert is_test_file(path) is is_test
