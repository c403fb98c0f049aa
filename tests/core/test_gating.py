from __future__ import annotations

import pytest

from orchestrator.core import facts as f
from orchestrator.core.gating import Tips, WaveState, wave_state, waves_before
from orchestrator.core.plan import CommitId, Gate, WaveNumber
from orchestrator.core.state import State, replayed
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


@pytest.mark.parametrize("gate", [Gate(name="x", severity="warn"), Gate(name="x", scope="wave")])
def test_warnings_and_gates_of_the_wave_hold_no_tip_back(gate: Gate) -> None:
    one = plan(workstream("a", gates=(TESTS, gate)))
    known = frozenset({("a", "tests", TIP)})
    assert Tips(commits={"a": TIP}, green=known).is_green(one.workstream("a"))
    assert not Tips(commits={"a": TIP}).is_green(one.workstream("a"))


def test_lower_waves_land_first() -> None:
    assert waves_before(PLAN, state(*DONE), TWO) == (ONE,)
    assert waves_before(PLAN, state(*DONE, LANDED), TWO) == ()
    assert waves_before(PLAN, state(), ONE) == ()
