from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core import facts as f
from orchestrator.core.gating import Tips, WaveState, has_landed, to_land, wave_state, waves_before
from orchestrator.core.plan import CommitId, Gate, WaveNumber
from orchestrator.core.state import Done, Merged, State, replayed
from tests.core.plans import plan, workstream

ONE, TWO = WaveNumber(1), WaveNumber(2)
TESTS = Gate(name="tests", run="true")
PLAN = plan(workstream("a", gates=(TESTS,)), workstream("b"), workstream("c", wave=2))
TIP, OLD = CommitId("1" * 40), CommitId("2" * 40)
BOTH = {"a": TIP, "b": TIP}
DONE = (f.DoneAsked(workstream="a", by=""), f.DoneAsked(workstream="b", by=""))
BEGUN = f.LandingBegun(
    wave=1, base="main", base_before=OLD, candidate=TIP, tag="p/wave1", tag_object=TIP, tips=dict(BOTH)
)
LANDED = f.WaveLanded(wave=1, base="main", base_before=OLD, base_after=TIP, tag="p/wave1", landed=("a", "b"))
PART = replace(LANDED, landed=("a",), left_out=("b",))
REST = replace(LANDED, landed=("b",), tag="p/wave1.2")


def state(*facts: f.Fact) -> State:
    return replayed(facts)


@pytest.mark.parametrize(
    ("facts", "commits", "green", "expected"),
    [
        ((), BOTH, {("a", "tests", TIP)}, WaveState.OPEN),
        (DONE[:1], BOTH, {("a", "tests", TIP)}, WaveState.OPEN),
        (DONE, BOTH, set(), WaveState.OPEN),
        (DONE, BOTH, {("a", "tests", OLD)}, WaveState.OPEN),
        (DONE, BOTH, {("b", "tests", TIP)}, WaveState.OPEN),
        (DONE, {"a": TIP}, {("a", "tests", TIP)}, WaveState.OPEN),
        (DONE, BOTH, {("a", "tests", TIP)}, WaveState.READY),
        ((*DONE, BEGUN), BOTH, set(), WaveState.MERGING),
        ((*DONE, BEGUN, f.LandingRefused(wave=1, reasons=("x",))), BOTH, set(), WaveState.OPEN),
        ((*DONE, BEGUN, LANDED), {}, set(), WaveState.MERGED),
        ((*DONE, PART), {}, set(), WaveState.OPEN),
        ((*DONE, PART), {"b": TIP}, set(), WaveState.READY),
        ((*DONE, PART, BEGUN), {"b": TIP}, set(), WaveState.MERGING),
        ((*DONE, PART, REST), {}, set(), WaveState.MERGED),
    ],
)
def test_a_waves_state(
    facts: tuple[f.Fact, ...],
    commits: dict[str, CommitId],
    green: set[tuple[str, str, CommitId]],
    expected: WaveState,
) -> None:
    tips = Tips(commits=commits, green=frozenset(green))
    assert wave_state(PLAN, state(*facts), tips, ONE) is expected


def test_lower_waves_land_first() -> None:
    assert waves_before(PLAN, state(*DONE), TWO) == (ONE,)
    assert waves_before(PLAN, state(*DONE, LANDED), TWO) == ()
    assert waves_before(PLAN, state(), ONE) == ()


def test_a_wave_that_landed_in_part_holds_back_later_ones() -> None:
    part = state(*DONE, PART)
    assert waves_before(PLAN, part, TWO) == (ONE,)
    assert [w.name for w in to_land(PLAN, part, ONE)] == ["b"]
    assert part.of("a").phase == Merged(1) and part.of("b").phase == Done()
    complete = part.after(REST)
    assert complete.wave(1).landed == REST and complete.wave(1).members_landed == ("a", "b")
    assert waves_before(PLAN, complete, TWO) == ()


def test_a_wave_is_complete_when_the_plan_gave_up_what_was_left_out() -> None:
    without_b = plan(workstream("a"), workstream("c", wave=2))
    assert has_landed(without_b, state(PART), ONE) and not has_landed(PLAN, state(PART), ONE)
    assert waves_before(without_b, state(PART), TWO) == ()
    assert not has_landed(without_b, state(), ONE)
