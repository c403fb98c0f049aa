from __future__ import annotations

import pytest

from orchestrator.core.case_fold import by_fold, collisions
from orchestrator.core.merge_order import MergeStep, suggest_order
from orchestrator.core.overlap import LineChange, Meeting, Span, meeting, merged


def changed(*lines: int, by: int = 0) -> LineChange:
    """These lines replaced by as many, which are `by` lines further down."""
    return LineChange(lines[0], len(lines), lines[0] + by, len(lines))


def inserted(behind: int, count: int = 1) -> LineChange:
    return LineChange(behind, 0, behind + 1, count)


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        ([changed(5)], [changed(5)], 0),
        ([changed(5)], [changed(6)], 0),
        ([changed(5)], [changed(7)], 1),
        ([changed(7)], [changed(5)], 1),
        ([changed(2, 3, 4, 5, 6, 7)], [inserted(4)], 0),
        ([inserted(5)], [inserted(5)], 0),
        ([inserted(5)], [changed(6)], 0),
        ([inserted(5)], [changed(8)], 2),
        ([changed(3)], [inserted(5)], 2),
        ([inserted(5)], [inserted(8)], 3),
        ([inserted(0)], [changed(1)], 0),
    ],
)
def test_the_distance_is_the_unchanged_lines_between(
    a: list[LineChange], b: list[LineChange], distance: int
) -> None:
    met = meeting(a, b)
    assert met is not None
    assert met.distance == distance


def test_of_many_changes_the_nearest_are_told_in_each_ones_own_lines() -> None:
    a = [changed(1), changed(10, 11, by=4), changed(90)]
    b = [changed(4), changed(11, by=-2), changed(40), changed(60)]
    assert meeting(a, b) == Meeting(((14, 15),), ((9, 9),), 0)


def test_a_deletion_is_told_by_the_line_before_it() -> None:
    assert meeting([LineChange(5, 3, 4, 0)], [changed(6)]) == Meeting(((4, 4),), ((6, 6),), 0)


def test_without_changed_lines_nothing_meets() -> None:
    assert meeting([], [changed(1)]) is None


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], ()),
        ([(3, 4), (1, 2)], ((1, 4),)),
        ([(1, 9), (2, 3), (11, 11)], ((1, 9), (11, 11))),
        ([(5, 5), (5, 5)], ((5, 5),)),
    ],
)
def test_spans_that_touch_become_one(spans: list[Span], expected: tuple[Span, ...]) -> None:
    assert merged(spans) == expected


@pytest.mark.parametrize(
    ("added", "there", "expected"),
    [
        (["Foo.py"], ["foo.py"], (("Foo.py", "foo.py"),)),
        (["foo.py"], ["foo.py"], ()),
        (["straße"], ["STRASSE"], (("straße", "STRASSE"),)),
        (["caf\u00e9"], ["cafe\u0301"], (("caf\u00e9", "cafe\u0301"),)),
        (["a/Foo.py"], ["b/foo.py"], ()),
    ],
)
def test_names_that_only_letter_case_keeps_apart(
    added: list[str], there: list[str], expected: tuple[tuple[str, str], ...]
) -> None:
    assert collisions(added, by_fold(there)) == expected


@pytest.mark.parametrize(
    ("groups", "conflicts", "late", "expected"),
    [
        ([["a", "b"]], [], [], ["a", "b"]),
        ([["a", "b"]], [("a", "b")], [], ["a", "b<a"]),
        # The one that meets all others goes last: it alone is reworked.
        ([["hub", "x", "y"]], [("hub", "x"), ("hub", "y")], [], ["x", "y", "hub<x,y"]),
        # Who must be reworked for base anyhow is not spoilt by going after another.
        (
            [["d", "e", "a", "b", "c"]],
            [("a", "b"), ("a", "c"), ("d", "e")],
            ["b", "c"],
            ["a", "d", "e<d", "b<main,a", "c<main,a"],
        ),
        # Waves land in their order, whatever it costs.
        ([["hub"], ["x", "y"]], [("hub", "x"), ("hub", "y")], [], ["hub", "x<hub", "y<hub"]),
    ],
)
def test_a_merge_order_leaves_few_to_rework(
    groups: list[list[str]], conflicts: list[tuple[str, str]], late: list[str], expected: list[str]
) -> None:
    steps = suggest_order(groups, conflicts, late, "main")
    assert [words(step) for step in steps] == expected


def words(step: MergeStep) -> str:
    return step.name + (f"<{','.join(step.rework)}" if step.rework else "")
