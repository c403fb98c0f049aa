"""`conflicts`, without a daemon."""

from __future__ import annotations

import pytest

from tests.support.project import Project

PLAN = """\
version: 1
project: p
waves:
  1: {workstreams: {a: {branch: w/a}, b: {branch: w/b}}}
  2: {workstreams: {c: {branch: w/c}, d: {branch: w/d}}}
"""


@pytest.fixture
def branches(project: Project) -> Project:
    """`a` and `c` edit the same line, `b` another file; `d` does not exist."""
    project.plan(PLAN)
    assert project.repository is not None
    project.repository.commit("ten", ten="".join(f"{n}\n" for n in range(10)))
    for name, files in (("a", {"a__txt": "A\n"}), ("b", {"b": "b"}), ("c", {"a__txt": "C\n", "b2": "c"})):
        project.repository.branch(f"w/{name}", **files)
    return project


def test_a_conflict_is_told_with_files_lines_and_an_order(branches: Project) -> None:
    answer = branches.run("conflicts")
    assert answer.code == 1
    assert answer.out == (
        "✗ a and c\n"
        "    a.txt  content  line 1 of a, line 1 of c\n"
        "suggested order:\n"
        "    1. a\n"
        "    2. b\n"
        "    3. c  after taking in a\n"
    )
    assert answer.err == "d: its branch w/d does not exist yet\n"


def test_names_choose_and_without_conflict_the_answer_is_yes(branches: Project) -> None:
    answer = branches.ok("conflicts", "b")
    assert answer.out == "✓ no conflict: 1 branch, in pairs, with main and wave by wave\n"
    assert branches.run("conflicts", "[ac]").code == 1
    unknown = branches.run("conflicts", "bb")
    assert (unknown.code, "did you mean 'b'?" in unknown.err) == (2, True)


def test_json_has_every_pair_wave_and_overlap(branches: Project) -> None:
    answer = branches.run("conflicts", "--json")
    assert answer.code == 1
    document = answer.json
    assert [(p["a"], p["b"], p["conflict"]) for p in document["pairs"]] == [
        ("a", "b", False),
        ("a", "c", True),
        ("b", "c", False),
    ]
    lines = {"a": [[1, 1]], "b": [[1, 1]]}
    assert document["pairs"][1]["files"] == [{"path": "a.txt", "kind": "content", "lines": lines}]
    assert [(w["wave"], w["conflict"], w["files"]) for w in document["waves"]] == [
        (1, False, []),
        (2, False, []),
    ]
    assert document["overlaps"] == []
    assert document["left_out"] == [{"name": "d", "reason": "its branch w/d does not exist yet"}]
    assert document["merges"] == {"computed": 6, "reused": 0}
    assert branches.run("conflicts", "--json").json["merges"] == {"computed": 0, "reused": 6}


def test_overlaps_are_told_but_are_no_conflict(branches: Project) -> None:
    assert branches.repository is not None
    lines = [f"{n}\n" for n in range(10)]
    branches.git("branch", "-D", "w/c")
    for name, place in (("c", 1), ("d", 8)):
        text = "".join([*lines[:place], "x\n", *lines[place + 1 :]])
        branches.repository.branch(f"w/{name}", ten=text)
    answer = branches.ok("conflicts")
    assert "both touch, without conflict:\n    ten  c and d  line 2 of c, line 9 of d\n" in answer.out
    (overlap,) = branches.ok("conflicts", "--json").json["overlaps"]
    assert (overlap["a"], overlap["b"], overlap["path"], overlap["distance"]) == ("c", "d", "ten", 6)


def test_where_no_branch_is_yet_there_is_nothing_to_tell(planned: Project) -> None:
    answer = planned.ok("conflicts")
    assert answer.out == ""
    assert "there is no branch yet: orchestrator up" in answer.err
