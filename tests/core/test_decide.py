"""Tables of (plan, state, observation) and what must follow, and properties over random days."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core import facts as f
from orchestrator.core.adopting import LaunchFound
from orchestrator.core.decide import Decision, JudgeStage, StartWorker, StopWorker, decide
from orchestrator.core.observation import Exit, HostSeen, LaunchSeen, Observation
from orchestrator.core.plan import HostName, Needs, Plan, Stage, WaveNumber, WorkstreamName
from orchestrator.core.state import (
    Done,
    Ended,
    Failed,
    Held,
    ImpossibleFact,
    Merged,
    Running,
    State,
    Stopped,
    Stopping,
    Wanted,
    replayed,
)
from orchestrator.core.status import state_in_words
from tests.core.plans import gpu_host, plan, workstream

HERE = Observation(hosts={"local": HostSeen(reachable=True)})
START = f.JournalBegun(token="t")


def asked(*names: str) -> tuple[f.Fact, ...]:
    return (START, *(f.StartAsked(workstream=name, by="me") for name in names))


def chosen(name: str, number: int = 1, attempt: int = 1, **more: object) -> f.LaunchChosen:
    fields = {"host": "local", "stage": "run", **more}
    return f.LaunchChosen(
        workstream=name,
        launch=f.LaunchId(f"{name}-{number}-t"),
        attempt=attempt,
        **fields,  # type: ignore[arg-type]
    )


def launched(name: str, number: int = 1) -> f.Launched:
    return f.Launched(
        workstream=name, launch=f.LaunchId(f"{name}-{number}-t"), worktree="/w", tip="c", made_branch=True
    )


def ended(name: str, number: int = 1, code: int | None = 0, cause: str = "exited") -> f.LaunchEnded:
    return f.LaunchEnded(
        workstream=name,
        launch=f.LaunchId(f"{name}-{number}-t"),
        exit_code=code,
        signal=None if code is not None else "SIGKILL",
        cause=cause,
        ended=0.0,
        elapsed_s=5.0,
    )


def seen(launch: str, **more: object) -> Observation:
    one = LaunchSeen(launch=launch, **{"alive": True, **more})  # type: ignore[arg-type]
    return HERE.with_pulses((one,), asked_at=5.0, now=5.0)


def test_a_wanted_worker_is_chosen_then_started() -> None:
    one = plan(workstream("a"))
    state = replayed(asked("a"))
    assert decide(one, state, HERE, 0.0) == Decision(facts=(chosen("a"),))
    (effect,) = decide(one, state.after(chosen("a")), HERE, 0.0).effects
    assert isinstance(effect, StartWorker)
    assert effect.launch.id == "a-1-t"


FOUND = LaunchFound(
    workstream="a", launch="a-7-other", stage="full", attempt=3, command="train --resume", worktree="/w",
    branch="w/a", tip="t", gpus=(0,),
)  # fmt: skip
TWO = (Stage(name="short", run="train --short"), Stage(name="full", run="train", resume="train --resume"))


@pytest.mark.parametrize(
    ("change", "adopted"),
    [
        ({}, True),
        ({"command": "train"}, True),
        ({"command": "train --faster"}, False),
        ({"stage": "short"}, False),
        ({"branch": "w/b"}, False),
        ({"branch": None}, False),
    ],
)
def test_what_runs_already_is_taken_over_where_it_is_as_the_plan_has_it(
    change: dict[str, Any], adopted: bool
) -> None:
    """Also where no device is left, for it holds one itself."""
    one = plan(workstream("a", stages=TWO, host=HostName("gpu"), gpu=1), hosts=(gpu_host(gpus=(0,)),))
    there = {"gpu": HostSeen(reachable=True, gpus_of_gates=(0,))}
    observation = Observation(hosts=there).with_found((replace(FOUND, **change),))
    facts = decide(one, replayed(asked("a")), observation, 0.0).facts
    if not adopted:
        assert not facts
        return
    (fact,) = facts
    assert fact == f.LaunchAdopted(
        workstream="a", launch=f.LaunchId("a-7-other"), host="gpu", stage="full", index=1, attempt=3,
        worktree="/w", tip="t", gpus=(0,),
    )  # fmt: skip
    record = replayed((*asked("a"), fact)).of("a")
    assert isinstance(record.phase, Running) and (record.stage, record.attempts) == (1, 3)
    assert record.launch is not None and record.launch.gpus == (0,)


def test_nothing_of_a_silent_host_is_taken_over_and_nothing_twice() -> None:
    one = plan(workstream("a", stages=TWO))
    found = HERE.with_found((FOUND,))
    assert isinstance(decide(one, replayed(asked("a")), found, 0.0).facts[0], f.LaunchAdopted)
    silent = replace(found, hosts={"local": HostSeen(reachable=False)})
    assert not decide(one, replayed(asked("a")), silent, 0.0).facts
    (fact,) = decide(one, replayed(asked("a")), found.without_found(["a"]), 0.0).facts
    assert isinstance(fact, f.LaunchChosen)
    own = replayed(
        (*asked("a"), chosen("a"), launched("a"), f.RestartAsked(workstream="a", by="me"), ended("a"))
    )
    (fact,) = decide(one, own, HERE.with_found((replace(FOUND, launch="a-1-t"),)), 0.0).facts
    assert isinstance(fact, f.LaunchChosen)


def test_what_is_in_flight_is_not_handed_out_again() -> None:
    state = replayed((*asked("a"), chosen("a")))
    flying = replace(HERE, in_flight=frozenset({"start a-1-t"}))
    assert decide(plan(workstream("a")), state, flying, 0.0) == Decision()


@pytest.mark.parametrize("reachable", [None, False])
def test_nothing_follows_from_a_silent_host(reachable: bool | None) -> None:
    silent = replace(seen("a-1-t", alive=False), hosts={"local": HostSeen(reachable=reachable)})
    running = replayed((*asked("a"), chosen("a"), launched("a")))
    assert decide(plan(workstream("a")), running, silent, 1e9) == Decision()


def test_a_stop_waits_for_its_host() -> None:
    stopping = replayed((*asked("a"), chosen("a"), launched("a"), f.StopAsked(workstream="a", by="me")))
    assert decide(plan(workstream("a")), stopping, Observation(), 0.0) == Decision()
    (effect,) = decide(plan(workstream("a")), stopping, HERE, 0.0).effects
    assert isinstance(effect, StopWorker)


def test_an_end_is_recorded_once_it_is_seen() -> None:
    running = replayed((*asked("a"), chosen("a"), launched("a")))
    end = Exit(exit_code=3, signal=None, cause="exited", ended=0.0, elapsed_s=5.0)
    (fact,) = decide(plan(workstream("a")), running, seen("a-1-t", alive=False, exit=end), 0.0).facts
    assert fact == ended("a", code=3)


def test_only_a_question_asked_since_the_launch_can_find_it_lost() -> None:
    running = replayed((*asked("a"), chosen("a"), launched("a")))
    unknown = seen("a-1-t", alive=False, unknown=True)
    asked_before = replace(unknown, phase_since={"a": 6.0})
    assert decide(plan(workstream("a")), running, asked_before, 9.0) == Decision()
    asked_after = replace(unknown, phase_since={"a": 4.0})
    (fact,) = decide(plan(workstream("a")), running, asked_after, 9.0).facts
    assert isinstance(fact, f.LaunchEnded)
    assert fact.cause == "lost"


def test_a_look_from_before_a_launch_does_not_find_it_lost() -> None:
    """A stop was asked while it was being started, and a probe in between saw nothing yet."""
    stopping = replayed((*asked("a"), chosen("a"), f.RestartAsked(workstream="a", by="me")))
    after = stopping.after(launched("a"))
    assert after.of("a").phase == stopping.of("a").phase
    assert after.of("a").phase is not stopping.of("a").phase
    unknown = (LaunchSeen(launch="a-1-t", alive=False, unknown=True),)
    starting = replace(HERE, in_flight=frozenset({"start a-1-t"}))
    assert starting.with_pulses(unknown, 5.0, 5.0).pulses == {}
    assert HERE.with_pulses(unknown, 5.0, 5.0).pulses != {}


def test_a_good_end_is_judged_by_its_results() -> None:
    state = replayed((*asked("a"), chosen("a"), launched("a"), ended("a")))
    (effect,) = decide(plan(workstream("a")), state, HERE, 0.0).effects
    assert isinstance(effect, JudgeStage)
    assert effect.elapsed_s == 5.0


@pytest.mark.parametrize(
    ("code", "cause", "expected"),
    [
        (1, "exited", f.RetryChosen),
        (75, "exited", f.RetryChosen),
        (None, "signal", f.RetryChosen),
        (None, "supervisor-lost", f.RetryChosen),
        (None, "rebooted", f.RetryChosen),
        (2, "exited", f.GaveUp),
    ],
)
def test_a_bad_end_is_retried_unless_it_says_not_to(code: int | None, cause: str, expected: type) -> None:
    state = replayed((*asked("a"), chosen("a"), launched("a"), ended("a", code=code, cause=cause)))
    (fact,) = decide(plan(workstream("a")), state, HERE, 0.0).facts
    assert isinstance(fact, expected)


def test_the_restart_limit_ends_in_failure_and_backoff_doubles() -> None:
    one, state, delays = plan(workstream("a")), replayed(asked("a")), []
    for number in (1, 2, 3):
        facts = (chosen("a", number, attempt=number), launched("a", number), ended("a", number, code=1))
        state = replayed(facts, state)
        (fact,) = decide(one, state, HERE, 0.0).facts
        delays.append(fact.delay_s if isinstance(fact, f.RetryChosen) else None)
        state = state.after(fact)
    first, second, third = delays
    assert first == pytest.approx(10.0, rel=0.2) and second == pytest.approx(20.0, rel=0.2) and third is None
    assert state.of("a").phase == Failed("ended with exit code 1 after 2 restarts")


def test_a_restart_waits_out_its_backoff() -> None:
    one = plan(workstream("a"))
    retry = f.RetryChosen(workstream="a", launch=f.LaunchId("a-1-t"), delay_s=10.0, reason="")
    state = replayed((*asked("a"), chosen("a"), launched("a"), ended("a", code=1), retry))
    since = replace(HERE, phase_since={"a": 100.0})
    assert decide(one, state, since, 109.9) == Decision()
    assert decide(one, state, since, 110.0).facts == (chosen("a", 2, attempt=2),)


def test_needs_order_time() -> None:
    one = plan(
        workstream("a"),
        workstream("b", needs=Needs(workstreams=(WorkstreamName("a"),))),
        workstream("c", wave=2),
        needs={2: Needs(waves=(WaveNumber(1),))},
    )
    state = replayed(asked("a", "b", "c"))
    assert decide(one, state, HERE, 0.0).facts == (chosen("a"),)
    passed = f.StagePassed(workstream="a", launch=f.LaunchId("a-1-t"), next_stage=None)
    state = replayed((chosen("a"), launched("a"), ended("a"), passed), state)
    assert decide(one, state, HERE, 0.0).facts == (chosen("b"),)
    state = state.after(landed("a", "b"))
    assert isinstance(state.of("a").phase, Merged)
    assert decide(one, state, HERE, 0.0).facts == (chosen("c"),)


def landed(*names: str) -> f.WaveLanded:
    return f.WaveLanded(
        wave=1, base="main", base_before="0", base_after="1", tag="p/wave1", landed=tuple(names)
    )


def test_a_device_that_a_gate_holds_is_not_given_to_a_worker() -> None:
    host = gpu_host(gpus=(0, 1))
    one = plan(*(workstream(n, host=HostName("gpu"), gpu=1) for n in ("a", "b")), hosts=(host,))
    there = Observation(hosts={"gpu": HostSeen(reachable=True, gpus_of_gates=(0,))})
    facts = [f.StartAsked(workstream=name, by="") for name in ("a", "b")]
    decision = decide(one, replayed(facts), there, 0.0)
    assert [(fact.workstream, fact.gpus) for fact in decision.facts] == [("a", (1,))]  # type: ignore[union-attr]


def test_slots_and_gpu_shares_limit_a_host() -> None:
    host = gpu_host(gpus=(0, 1), share=2, slots=4)
    names = ("a", "b", "c", "d", "e")
    one = plan(*(workstream(n, host=HostName("gpu"), gpu=1) for n in names), hosts=(host,))
    there = Observation(hosts={"gpu": HostSeen(reachable=True)})
    facts = decide(one, replayed(asked(*names)), there, 0.0).facts
    assert [fact.gpus for fact in facts if isinstance(fact, f.LaunchChosen)] == [(0,), (1,), (0,), (1,)]


def test_the_next_stage_starts_at_attempt_one() -> None:
    stages = (Stage(name="validation", run="v"), Stage(name="full", run="r"))
    one = plan(workstream("a", stages=stages))
    passed = f.StagePassed(workstream="a", launch=f.LaunchId("a-1-t"), next_stage=1)
    state = replayed((*asked("a"), chosen("a", stage="validation"), launched("a"), ended("a"), passed))
    assert decide(one, state, HERE, 0.0).facts == (chosen("a", 2, stage="full"),)


def test_a_held_worker_goes_on_only_when_told() -> None:
    held = f.StageHeld(workstream="a", launch=f.LaunchId("a-1-t"), unmet=("loss is 3, required < 1",))
    state = replayed((*asked("a"), chosen("a"), launched("a"), ended("a"), held))
    assert state.of("a").phase == Held(("loss is 3, required < 1",))
    assert decide(plan(workstream("a")), state, HERE, 1e9) == Decision()
    accepted = f.HoldAccepted(workstream="a", by="me", next_stage=None)
    assert state.after(accepted).of("a").phase == Done()


def test_a_stage_that_had_nothing_left_to_do_says_so_when_it_is_held_again() -> None:
    def held(number: int, **inputs: float) -> f.StageHeld:
        launch, unmet = f.LaunchId(f"a-{number}-t"), ("acc is 0.5, required > 0.7",)
        return f.StageHeld(workstream="a", launch=launch, unmet=unmet, inputs=inputs)

    def run(number: int) -> tuple[f.Fact, ...]:
        again = () if number == 1 else (f.RestartAsked(workstream="a", by="me"),)
        return (*again, chosen("a", number, attempt=number), launched("a", number), ended("a", number))

    def reason(*facts: f.Fact) -> str:
        one = plan(workstream("a"))
        state = replayed((*asked("a"), *facts))
        word, why = state_in_words(one, state, HERE, one.workstream("a"), 0.0)
        assert word == "held"
        return why

    before = (*run(1), held(1, acc=0.5, elapsed_s=60.0))
    assert reason(*before) == "acc is 0.5, required > 0.7"
    assert "nothing left to do" in reason(*before, *run(2), held(2, acc=0.5, elapsed_s=63.0))
    assert "nothing left" not in reason(*before, *run(2), held(2, acc=0.6, elapsed_s=99.0))
    assert "nothing left" not in reason(*run(1), held(1, elapsed_s=9.0), *run(2), held(2, elapsed_s=9.1))


def test_a_late_result_of_an_old_attempt_is_impossible() -> None:
    retry = f.RetryChosen(workstream="a", launch=f.LaunchId("a-1-t"), delay_s=0.0, reason="")
    state = replayed(
        (*asked("a"), chosen("a"), launched("a"), ended("a", code=1), retry, chosen("a", 2, attempt=2))
    )
    with pytest.raises(ImpossibleFact):
        state.after(ended("a", 1))


def test_a_stopped_worker_stays_stopped() -> None:
    state = replayed(
        (*asked("a"), chosen("a"), launched("a"), f.StopAsked(workstream="a", by="me"), ended("a", code=None))
    )
    assert isinstance(state.of("a").phase, Stopped)
    assert decide(plan(workstream("a")), state, HERE, 1e9) == Decision()


# --- random days ------------------------------------------------------------------------------


PLAN = plan(
    workstream("a"),
    workstream("b", stages=(Stage(name="one", run="x"), Stage(name="two", run="y"))),
    workstream("c", stages=(), needs=Needs(workstreams=(WorkstreamName("a"),))),
)

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["up", "stop", "restart", "done", "resume", "end", "kill", "answer", "late"]),
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 1000),
    ),
    max_size=60,
)


def outside(what: str, name: str, state: State) -> f.Fact | None:
    """Something people or hosts may do to a worker at any time, sensible or not."""
    launch = state.of(name).launch
    if what in ("up", "stop", "restart", "done"):
        kind = {"up": f.StartAsked, "stop": f.StopAsked, "restart": f.RestartAsked, "done": f.DoneAsked}[what]
        return kind(workstream=name, by="me")
    if what == "resume":
        return f.HoldAccepted(workstream=name, by="me", next_stage=None)
    if launch is None:
        return None
    if what == "answer":
        return replace(launched(name), launch=launch.id)
    code = {"end": 0, "kill": None, "late": 1}[what]
    ident = f.LaunchId("old") if what == "late" else launch.id
    return replace(ended(name, code=code), launch=ident)


def settle(day: Plan, state: State, now: float) -> State:
    """Write down every decision until none is left; a decision must always be possible."""
    for _ in range(50):
        decision = decide(day, state, HERE, now)
        if not decision.facts:
            return state
        state = replayed(decision.facts, state)
    raise AssertionError("decisions never end")


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_any_day_folds_and_decides(events: list[tuple[str, str, int]]) -> None:
    state = replayed((START,))
    for what, name, now in events:
        fact = outside(what, name, state)
        if fact is None:
            continue
        try:
            state = state.after(fact)
        except ImpossibleFact:
            continue
        state = settle(PLAN, state, float(now))
        first = decide(PLAN, state, HERE, float(now))
        assert first == decide(PLAN, state, HERE, float(now))
        flying = replace(HERE, in_flight=frozenset(effect.key for effect in first.effects))
        assert decide(PLAN, state, flying, float(now)).effects == ()
        for record in state.workstreams.values():
            if isinstance(record.phase, Running | Stopping | Ended):
                assert record.launch is not None
            if isinstance(record.phase, Wanted):
                assert record.failures <= 2
