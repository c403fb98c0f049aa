"""Files that are too much, too strange or not there: refused with one line, quickly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.core.plan import Plan
from orchestrator.errors import ExitStatus, OrchestratorError
from orchestrator.plan_file import PlanErrors, Problem, load_plan

LISTS = "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 40))
MERGES = "".join(f"a{n}: &a{n} {{<<: [{','.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 40))
CHAIN = "".join(f"a{n}: &a{n} {'[' * 40}*a{n - 1}{']' * 40}\n" for n in range(1, 3000))

TOO_MUCH = {
    "aliases": ("a0: &a0 x\n" + LISTS, "6:38: more than 100000 values, aliases counted in full"),
    "merges": ("a0: &a0 {k: v}\n" + MERGES, "6:19: more than 100000 values, aliases counted in full"),
    "deep_by_aliases": ("a0: &a0 x\n" + CHAIN, "3:49: more than 50 levels deep"),
    "deep_lists": ("[" * 500_000, "1:51: more than 50 levels deep"),
    "deep_mappings": ("{a: " * 200_000, "1:198: more than 50 levels deep"),
    "deep_blocks": ("".join(" " * n + "a:\n" for n in range(1000)), "50:50: more than 50 levels deep"),
    "large": ("x" * (1024 * 1024 + 1), "1:1: the file is larger than 1048576 bytes; plans are not"),
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("text, expected", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_bomb_is_one_line(complaints: Callable[[str], list[str]], text: str, expected: str) -> None:
    assert complaints(text) == [expected]


def test_bytes_that_are_no_text_are_named_by_line(complaints: Callable[[bytes], list[str]]) -> None:
    assert complaints("version: 1\nproject: ça".encode() + b"f\xe9\n") == [
        "2:13: byte 0xe9 (number 24 of the file) is not UTF-8; save the file as UTF-8"
    ]


def test_a_byte_order_mark_is_no_problem(write: Callable[[bytes], Path]) -> None:
    text = b"\xef\xbb\xbfversion: 1\nproject: p\nwaves: {1: {workstreams: {a: {branch: a}}}}\n"
    assert load_plan(write(text)).project == "p"


@pytest.mark.parametrize("name", ["", "absent.yaml", "a\0b"])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(PlanErrors) as caught:
        load_plan(tmp_path / name)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (1, 1)
    assert problem.message.startswith("cannot read the plan: ")


def test_characters_no_program_takes_are_said_once(complaints: Callable[[str], list[str]]) -> None:
    head = "version: 1\nproject: p\nwaves:\n  1:\n    workstreams:\n"
    text = head + '      a: {branch: "\\ud800", worktree: "~\\0/x"}\n'
    message = "text with the character '{}'; no program can be given that"
    assert complaints(text) == ["6:19: " + message.format("\\ud800"), "6:39: " + message.format("\\x00")]


def test_a_home_that_does_not_exist_is_a_path_like_any_other(load: Callable[[str], Plan]) -> None:
    text = "version: 1\nproject: p\nwaves: {1: {workstreams: {a: {branch: a, worktree: ~nobody-here/x}}}}\n"
    assert load(text).workstreams["a"].worktree == "~nobody-here/x"


def test_the_error_holds_its_problems(write: Callable[[str], Path]) -> None:
    path = write("version: 1\nproject: no\nwaves: {1: {workstreams: {a: {branch: a}}}}\n")
    with pytest.raises(OrchestratorError) as caught:
        load_plan(path)
    assert isinstance(caught.value, PlanErrors)
    assert caught.value.exit_status == ExitStatus.USAGE
    message = "'no' is a boolean in YAML; text is wanted; quote it: 'no'"
    assert caught.value.problems == (Problem(path, 2, 10, message),)
    assert str(caught.value) == f"{path}:2:10: {message}"


def test_anchors_and_merges_are_read(load: Callable[[str], Plan]) -> None:
    plan = load(
        """\
version: 1
project: p
waves:
  1:
    workstreams:
      a: &a {branch: a, run: make, env: {X: a}}
      b: {<<: *a, branch: b}
      c: {branch: c, <<: [{run: test}, *a]}
"""
    )
    assert [(w.branch, w.stages[0].run, dict(w.env)) for w in plan.workstreams.values()] == [
        ("a", "make", {"X": "a"}),
        ("b", "make", {"X": "a"}),
        ("c", "test", {"X": "a"}),
    ]
