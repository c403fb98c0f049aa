"""The search for what makes a wave red: single cases, and what holds for every wave."""

from __future__ import annotations

import random
from collections.abc import Collection
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.isolation import (
    AllGood,
    Ask,
    BaseRed,
    Cause,
    Culprit,
    Culprits,
    Flaky,
    Inconclusive,
    Infrastructure,
    Interaction,
    Outcome,
    Purpose,
    Verdict,
    most_runs,
    next_step,
)
from orchestrator.core.membership import Members, Part
from tests.support.verdicts import Gates, red_with, searched

GREEN, RED, NOTHING = Outcome.GREEN, Outcome.RED, Outcome.INFRASTRUCTURE


def members(names: str, **needs: str) -> Members:
    return Members(names=tuple(names), needs={name: tuple(needed) for name, needed in needs.items()})


def guilty(proven: str, *causes: Cause) -> Culprits:
    return Culprits(causes=causes, proven=tuple(proven))


def culprit(name: str) -> Culprit:
    return Culprit(name=name)


def pair(together: str, out: str) -> Interaction:
    return Interaction(members=tuple(together), left_out=out)


@pytest.mark.parametrize(
    ("wave", "causes", "expected"),
    [
        (members("abc"), (), AllGood()),
        (members("abc"), ("b",), guilty("ac", culprit("b"))),
        (members("abc"), ("a", "c"), guilty("b", culprit("a"), culprit("c"))),
        (members("abc"), ("a", "b", "c"), guilty("", culprit("a"), culprit("b"), culprit("c"))),
        (members("abc"), ("ac",), guilty("ab", pair("ac", "c"))),
        (members("abc"), ("abc",), guilty("ab", pair("abc", "c"))),
        (members("a"), ("a",), guilty("", culprit("a"))),
        (members("a"), ("",), BaseRed()),
        (members("abcdefgh"), ("",), BaseRed()),
        (members("abcdefgh"), ("f",), guilty("abcdegh", culprit("f"))),
        (members("abcdefgh"), ("be",), guilty("abcdfgh", pair("be", "e"))),
        (members("abcdefgh"), ("be", "h"), guilty("abcdfg", pair("be", "e"), culprit("h"))),
        # What needs a culprit cannot land without it.
        (members("abc", c="a"), ("a",), guilty("b", culprit("a"))),
        # It works neither with nor without what it needs: it is to blame, not what it needs.
        (members("abc", c="a"), ("c",), guilty("ab", culprit("c"))),
        (members("abc", c="a"), ("ac",), guilty("ab", culprit("c"))),
        # Of two, that one is left out without which more can land.
        (members("abcd", c="b", d="b"), ("ab",), guilty("bcd", pair("ab", "a"))),
        # A need may stand later in the plan.
        (members("ab", a="b"), ("a",), guilty("b", culprit("a"))),
    ],
)
def test_what_is_found(wave: Members, causes: tuple[str, ...], expected: Verdict) -> None:
    assert searched(wave, red_with(*causes)).verdict == expected


def replies(*outcomes: Outcome, then: Gates) -> Gates:
    """The first runs come to these, the later ones to what `then` says."""
    left = iter(outcomes)
    return lambda part: next(left, None) or then(part)


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        ((RED, GREEN), red_with(), Flaky()),
        ((RED, GREEN), red_with("b"), Flaky()),
        ((NOTHING, GREEN), red_with(), AllGood()),
        ((NOTHING, RED, NOTHING, RED), red_with("b"), guilty("ac", culprit("b"))),
        ((NOTHING, NOTHING), red_with(), Infrastructure(members=("a", "b", "c"))),
        ((RED, NOTHING, NOTHING), red_with(), Infrastructure(members=("a", "b", "c"))),
        (
            (RED, RED),
            red_with(),
            Inconclusive(why="what was red twice was green when it was repeated once more"),
        ),
        # A flake on the way, ab, is repeated and then no reason for anything.
        ((RED, RED, RED), red_with("b"), guilty("ac", culprit("b"))),
        ((RED, RED, GREEN, RED), red_with("c"), guilty("ab", culprit("c"))),
    ],
)
def test_what_one_run_does_not_prove(first: tuple[Outcome, ...], then: Gates, expected: Verdict) -> None:
    assert searched(members("abc"), replies(*first, then=then)).verdict == expected


def test_a_culprit_that_is_green_now_and_then_is_not_accused() -> None:
    flips = iter([RED, GREEN] * 100)
    found = searched(members("abc"), lambda part: next(flips) if "b" in part else GREEN)
    assert found.verdict == Flaky()


def test_infrastructure_that_dies_on_the_way_keeps_what_was_proved() -> None:
    def gates(part: Part) -> Outcome:
        return NOTHING if part == frozenset("cdefgh") else red_with("a", "b", "d")(part)

    assert searched(members("abcdefgh"), gates).verdict == Infrastructure(
        members=tuple("cdefgh"), causes=(culprit("a"), culprit("b"))
    )


def test_parts_that_do_not_merge_are_gone_around() -> None:
    def gates(part: Part) -> Outcome:
        return Outcome.UNBUILDABLE if part == frozenset("abcd") else red_with("f")(part)

    assert searched(members("abcdefgh"), gates).verdict == guilty("abcdegh", culprit("f"))


def test_members_that_do_not_merge_apart_are_not_told_apart() -> None:
    def gates(part: Part) -> Outcome:
        return Outcome.UNBUILDABLE if len(part & frozenset("de")) == 1 else red_with("d")(part)

    verdict = searched(members("abcdefgh"), gates).verdict
    assert verdict == Inconclusive(why="d and e do not merge one without the other")


def test_a_gate_that_needs_all_of_them_blames_nobody() -> None:
    """Red without any one of them, too: no part can be told from another."""
    everyone = frozenset("abcde")
    outcomes = replies(RED, RED, then=lambda part: GREEN if part == everyone else RED)
    assert searched(members("abcde"), outcomes).verdict == BaseRed()


def test_a_repeat_is_asked_for_as_such() -> None:
    """So that whoever runs it does not answer from memory."""
    assert next_step(members("ab"), []) == Ask(members=("a", "b"), purpose=Purpose.WHOLE)
    repeat = next_step(members("ab"), [RED])
    assert repeat == Ask(members=("a", "b"), purpose=Purpose.REPEAT, again=True)


def test_one_culprit_in_eight_step_by_step() -> None:
    asked = [
        ("".join(ask.members), ask.purpose.value)
        for ask, _ in searched(members("abcdefgh"), red_with("f")).runs
    ]
    assert asked == [
        ("abcdefgh", "whole"),
        ("abcdefgh", "repeat"),
        ("abcd", "search"),
        ("abcdef", "search"),
        ("abcde", "search"),
        ("f", "accused"),
        ("f", "accused"),
        ("abcdegh", "rest"),
    ]  # fmt: skip


# --- what holds for every wave ------------------------------------------------------------------------

NAMES = tuple(f"w{number:02}" for number in range(16))


@st.composite
def waves(draw: st.DrawFn) -> Members:
    count = draw(st.integers(1, len(NAMES)))
    names = draw(st.permutations(NAMES[:count]))
    needs = {}
    for number, name in enumerate(NAMES[1:count], start=1):
        needs[name] = tuple(draw(st.sets(st.sampled_from(NAMES[:number]), max_size=draw(st.integers(0, 1)))))
    return Members(names=tuple(names), needs=needs)


@st.composite
def red_waves(draw: st.DrawFn) -> tuple[Members, tuple[Part, ...]]:
    """A wave, and sets of members that are red together."""
    wave = draw(waves())
    cause = st.frozensets(st.sampled_from(wave.names), min_size=1, max_size=3)
    return wave, tuple(draw(st.lists(cause, min_size=1, max_size=4)))


def is_red(wave: Members, causes: Collection[Part], names: Collection[str]) -> bool:
    return red_with(*causes)(wave.with_needs(names)) is RED


@settings(max_examples=50)
@given(red_waves())
def test_with_sound_gates_every_cause_is_found_and_only_causes(
    case: tuple[Members, tuple[Part, ...]],
) -> None:
    wave, causes = case
    found = searched(wave, red_with(*causes))
    verdict = found.verdict
    assert isinstance(verdict, Culprits)
    out = wave.with_dependents([cause.left_out for cause in verdict.causes])
    assert set(verdict.proven) == set(wave.names) - out
    for cause in causes:
        assert cause & out, "what is red together would land together"
    for accused in verdict.causes:
        assert is_red(wave, causes, accused.members)
        if isinstance(accused, Interaction):
            assert not any(is_red(wave, causes, [name]) for name in accused.members)
    for (name,) in (cause for cause in causes if len(cause) == 1):
        assert name in out
    assert len(found.runs) <= most_runs(len(wave.names))


@settings(max_examples=50)
@given(red_waves())
def test_what_lands_was_green_and_whoever_is_accused_red_twice(
    case: tuple[Members, tuple[Part, ...]],
) -> None:
    wave, causes = case
    found = searched(wave, red_with(*causes))
    assert isinstance(found.verdict, Culprits)
    assert found.greens(found.verdict.proven) >= 1 or not found.verdict.proven
    for cause in found.verdict.causes:
        assert found.reds(wave.with_needs(cause.members)) >= 2
        assert any(cause.left_out not in ask.members for ask, outcome in found.runs if outcome is GREEN)


@settings(max_examples=50)
@given(red_waves(), st.integers(0, 2**32), st.sampled_from([0.05, 0.3]))
def test_flaky_gates_end_too_and_nobody_is_accused_on_one_red(
    case: tuple[Members, tuple[Part, ...]], seed: int, often: float
) -> None:
    wave, causes = case
    dice = random.Random(seed)

    def gates(part: Part) -> Outcome:
        return RED if dice.random() < often else red_with(*causes)(part)

    found = searched(wave, gates)
    assert len(found.runs) <= most_runs(len(wave.names))
    for cause in getattr(found.verdict, "causes", ()):
        assert found.reds(wave.with_needs(cause.members)) >= 2
        assert found.greens(wave.with_needs(cause.members)) == 0
    if isinstance(found.verdict, Culprits) and found.verdict.proven:
        assert found.greens(found.verdict.proven) >= 1


@settings(max_examples=50)
@given(red_waves())
def test_every_part_that_is_run_has_what_it_needs_and_no_run_is_asked_for_twice_without_saying_so(
    case: tuple[Members, tuple[Part, ...]],
) -> None:
    wave, causes = case
    runs = searched(wave, red_with(*causes)).runs
    for number, (ask, _) in enumerate(runs):
        assert wave.with_needs(ask.members) == set(ask.members)
        before = {earlier.members for earlier, _ in islice(runs, number)}
        assert ask.again == (ask.members in before)
