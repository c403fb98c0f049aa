"""Alive and not advancing: what is shown, what is kept, what is ended; and what is never held against it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import facts as f
from orchestrator.core.decide import Decision, KeepStacks, decide
from orchestrator.core.divergence import Reports
from orchestrator.core.observation import HostSeen, LaunchSeen, Observation, Progress
from orchestrator.core.plan import Heartbeat, Plan, RestartPolicy
from orchestrator.core.state import State, replayed
from orchestrator.core.status import state_in_words
from tests.core.plans import plan, workstream

LAUNCH = f.LaunchId("a-1-t")
HEARTBEAT = Heartbeat(every_s=30.0, stale_s=180.0)
PLAN = plan(workstream("a", heartbeat=HEARTBEAT))
HERE = {"local": HostSeen(reachable=True)}


def running() -> State:
    return replayed(
        [
            f.JournalBegun(token="t"),
            f.StartAsked(workstream="a", by="me"),
            f.LaunchChosen(workstream="a", launch=LAUNCH, host="local", stage="run", attempt=1),
            f.Launched(workstream="a", launch=LAUNCH, worktree="/w", tip="c", made_branch=True),
        ]
    )


class Watching:
    """One worker, looked at by a clock of our own."""

    def __init__(self, day: Plan = PLAN) -> None:
        self.plan = day
        self.state = running()
        self.now = 1000.0
        self.observation = Observation(hosts=HERE, phase_since={"a": self.now})
        self.beat = 0
        self.seen = LaunchSeen(
            launch=LAUNCH, alive=True, reported=True, progress=Progress(seq=1, step=5.0, unit="epoch")
        )
        self.look()

    def look(self, *, beats: bool = True, **changes: object) -> None:
        self.beat += beats
        self.seen = replace(self.seen, beat_seq=self.beat, **changes)  # type: ignore[arg-type]
        self.observation = self.observation.with_pulses((self.seen,), self.now, self.now)

    def silence(self, seconds: int, *, beats: bool = True) -> None:
        """It says nothing for so long; a look every ten seconds, and one at the end."""
        for passed in range(0, seconds, 10):
            self.now += min(10, seconds - passed)
            self.look(beats=beats)

    def decision(self) -> Decision:
        return decide(self.plan, self.state, self.observation, self.now)

    def words(self) -> tuple[str, str]:
        worker = self.plan.workstream("a")
        return state_in_words(self.plan, self.state, self.observation, worker, self.now)

    def report(self, seq: int, **more: object) -> None:
        fields = {"step": 5.0, "unit": "epoch", **more}
        self.look(progress=Progress(seq=seq, **fields))  # type: ignore[arg-type]


def test_a_worker_that_stands_still_is_looked_at_once_and_then_ended() -> None:
    day = Watching()
    day.silence(180)
    assert day.decision() == Decision()
    day.silence(1)
    (effect,) = day.decision().effects
    assert isinstance(effect, KeepStacks) and (effect.seq, effect.step) == (1, 5.0)
    assert day.words() == (
        "stale",
        "stalled: nothing advanced for 181 s; ended and restarted in 179 s unless it advances",
    )
    stall = f.StallSeen(workstream="a", launch=LAUNCH, seq=1, silent_s=181.0, stacks="/s/stacks")
    day.state = day.state.after(stall)
    assert day.words()[1].endswith("unless it advances; its stacks: /s/stacks")
    day.silence(179)
    assert day.decision() == Decision()
    day.silence(1)
    (fact,) = day.decision().facts
    assert isinstance(fact, f.StopChosen) and (fact.cause, fact.silent_s) == ("stalled", 361.0)
    assert fact.reason == "stalled at epoch 5: alive, but without progress for 361 s"
    day.state = day.state.after(fact)
    (stop,) = day.decision().effects
    assert stop.key == f"stop {LAUNCH}"
    assert day.words() == ("running", f"stopping it: {fact.reason}; its stacks: /s/stacks")


def test_a_worker_that_advances_again_is_let_be_and_looked_at_anew() -> None:
    day = Watching()
    day.silence(181)
    day.state = day.state.after(f.StallSeen(workstream="a", launch=LAUNCH, seq=1, silent_s=181.0))
    day.report(2)
    day.silence(180)
    assert day.decision() == Decision()
    day.silence(1)
    (effect,) = day.decision().effects
    assert isinstance(effect, KeepStacks) and effect.seq == 2


def test_an_announced_silence_is_waited_for() -> None:
    day = Watching()
    day.report(2, grace_s=1000.0)
    day.silence(1000)
    assert day.decision() == Decision()
    day.silence(1)
    assert isinstance(day.decision().effects[0], KeepStacks)
    day.silence(180)
    assert day.decision().facts != ()


@pytest.mark.parametrize(
    "change",
    [
        {"progress": None, "reported": False},  # known by its terminal only
        {"progress": Progress(seq=1), "reported": True},  # counts no steps
        {"reported": False},  # what an earlier attempt left
        {"alive": False},
        {"asks": "Continue? [y/n]"},
    ],
)
def test_silence_of_who_counts_no_steps_ends_nobody(change: dict[str, object]) -> None:
    day = Watching()
    day.look(**change)  # type: ignore[arg-type]
    day.silence(4000)
    decision = day.decision()
    assert decision.effects == () and not any(isinstance(fact, f.StopChosen) for fact in decision.facts)
    assert day.words()[0] == "stale"


def test_it_can_be_switched_off() -> None:
    day = Watching(plan(workstream("a", heartbeat=HEARTBEAT, restart=RestartPolicy(stalled=False))))
    day.silence(4000)
    assert day.decision() == Decision()


def test_a_shell_is_never_ended() -> None:
    day = Watching(plan(workstream("a", stages=(), heartbeat=HEARTBEAT)))
    day.silence(4000)
    assert day.decision() == Decision()


def test_a_silent_supervisor_speaks_for_its_worker() -> None:
    day = Watching()
    day.silence(4000, beats=False)
    assert day.decision() == Decision()
    assert day.words()[0] == "stale"


def test_a_silent_host_ends_nobody_and_its_time_does_not_count() -> None:
    day = Watching()
    day.silence(170)
    day.now += 4000.0
    gone = {"local": HostSeen(reachable=False, reason="timeout")}
    day.observation = replace(day.observation, hosts=gone)
    assert day.decision() == Decision()
    day.observation = replace(day.observation, hosts=HERE)
    assert day.decision() == Decision()
    day.look()
    assert day.decision() == Decision()
    day.silence(180)
    assert day.decision() == Decision()
    day.silence(1)
    assert isinstance(day.decision().effects[0], KeepStacks)


def test_a_daemon_that_slept_has_seen_nothing() -> None:
    """Its clock went on, and no answer has come yet."""
    day = Watching()
    day.silence(170)
    day.now += 4000.0
    assert day.decision() == Decision()


def test_a_daemon_that_was_down_begins_anew() -> None:
    day = Watching()
    day.silence(360)
    day.observation = Observation(hosts=HERE, phase_since={"a": day.now})
    day.look()
    day.silence(180)
    assert day.decision() == Decision()


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), max_size=8))
def test_nobody_is_ended_who_was_not_watched_standing_still(hours: list[tuple[int, bool]]) -> None:
    """Answers come, or do not come for a while; ended is who did not move for all of the grace, watched."""
    day, watched = Watching(), 0
    for seconds, answers in hours:
        if answers:
            day.silence(seconds)
            watched += seconds
        else:
            day.now += seconds
            day.look()
            watched = 0 if seconds > 20 else watched + seconds
        ended = any(isinstance(fact, f.StopChosen) for fact in day.decision().facts)
        assert ended == (watched > 360)


# --- numbers that are none ----------------------------------------------------------------------------


def reports(*finite: bool, name: str = "train_loss", first: int = 1, by: int = 1) -> Reports:
    seen = Reports()
    for number, good in enumerate(finite):
        metrics = {name: 0.5} if good else {}
        seen = seen.after(first + by * number, float(number), metrics, () if good else (name,))
    return seen


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (
            reports(True, False, False, False),
            "train_loss is not a finite number in 3 reports one after another (steps 1, 2, 3); "
            "it was 0.5 at step 0",
        ),
        (
            reports(False, False, False),
            "train_loss is not a finite number in 3 reports one after another (steps 0, 1, 2)",
        ),
        (reports(True, False, False), None),
        (reports(False, False, True, False, False), None),
        (reports(True, False, False, False, name="acc"), "acc is not a finite number"),
        (reports(False, False, False, name="acc"), None),
        (reports(False, False, False, name="best_loss"), None),
        (reports(*[False] * 9, by=7), None),
        (reports(*[False] * 10, by=7), "train_loss is not a finite number in 10 reports"),
        (reports(*[True, False] * 30, by=2), None),
    ],
)
def test_a_metric_is_lost_when_it_stays_no_number(seen: Reports, words: str | None) -> None:
    assert (seen.diverged or "").startswith(words or "") and (seen.diverged is None) == (words is None)


def test_the_same_report_seen_again_counts_once() -> None:
    seen = reports(True, False, False)
    for _ in range(20):
        seen = seen.after(seen.seq, 2.0, {}, ("train_loss",))
    assert seen.diverged is None


def test_a_diverged_worker_is_ended_with_words() -> None:
    day = Watching()
    day.report(2, metrics={"loss": 0.25})
    for seq in (3, 4, 5):
        assert day.decision() == Decision()
        day.report(seq, step=float(seq), not_finite=("loss",))
    (fact,) = day.decision().facts
    assert isinstance(fact, f.StopChosen) and fact.cause == "diverged"
    assert fact.reason == (
        "diverged: loss is not a finite number in 3 reports one after another (steps 3, 4, 5); "
        "it was 0.25 at step 5"
    )
    day.plan = plan(workstream("a", restart=RestartPolicy(diverged=False)))
    assert day.decision() == Decision()


def test_an_earlier_attempts_numbers_are_not_this_ones() -> None:
    day = Watching()
    for seq in range(2, 9):
        day.look(reported=False, progress=Progress(seq=seq, step=1.0, not_finite=("loss",)))
    assert day.decision() == Decision()


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40))
def test_sound_numbers_never_end_anybody(values: list[float]) -> None:
    seen = Reports()
    for seq, value in enumerate(values, start=1):
        good = math.isfinite(value)
        seen = seen.after(seq, float(seq), {"loss": value} if good else {}, () if good else ("loss",))
        lost = len(values[:seq]) >= 3 and not any(map(math.isfinite, values[seq - 3 : seq]))
        assert (seen.diverged is not None) == lost
