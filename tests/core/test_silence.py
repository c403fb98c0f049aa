"""What `status` says while a host, or a supervisor, is silent: nothing follows from either."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core import facts as f
from orchestrator.core.decide import decide
from orchestrator.core.observation import HostSeen, LaunchSeen, Observation
from orchestrator.core.plan import Heartbeat
from orchestrator.core.state import replayed
from orchestrator.core.status import state_in_words
from tests.core.plans import plan, workstream

LAUNCH = f.LaunchId("a-1-t")
HERE = Observation(hosts={"local": HostSeen(reachable=True)})
GONE = HostSeen(reachable=False, reason="no route")
ONE = workstream("a", heartbeat=Heartbeat(every_s=4.0, stale_s=100.0))
PLAN = plan(ONE)
CHOSEN = (
    f.JournalBegun(token="t"),
    f.StartAsked(workstream="a", by="me"),
    f.LaunchChosen(workstream="a", launch=LAUNCH, host="local", stage="run", attempt=1),
)
RUNNING = (
    *CHOSEN,
    f.Launched(workstream="a", launch=LAUNCH, worktree="/w", tip="c", made_branch=True),
)


def words(facts: tuple[f.Fact, ...], observation: Observation, now: float = 13.0) -> tuple[str, str]:
    return state_in_words(PLAN, replayed(facts), observation, ONE, now)


def watched(*beats: tuple[float, int], silence: str = "") -> Observation:
    observation = HERE
    for at, seq in beats:
        one = LaunchSeen(launch=LAUNCH, alive=True, beat_seq=seq, output_seq=int(at), silence=silence)
        observation = observation.with_pulses((one,), asked_at=at, now=at)
    return observation


def test_a_supervisor_that_does_not_beat_is_silent_and_nothing_follows() -> None:
    seen = watched((0.0, 1), (6.0, 1), (13.0, 1), silence="state T")
    assert words(RUNNING, seen) == ("running", "its supervisor is silent for 13 s (state T)")
    assert decide(PLAN, replayed(RUNNING), seen, 1e6).facts == ()


@pytest.mark.parametrize(
    "seen", [watched((0.0, 1), (6.0, 1), (12.0, 1)), watched((0.0, 1), (9.0, 2), (13.0, 2)), HERE]
)
def test_who_beats_or_was_not_watched_is_not_silent(seen: Observation) -> None:
    assert words(RUNNING, seen) == ("running", "")


def test_output_that_cannot_be_kept_is_told() -> None:
    one = LaunchSeen(launch=LAUNCH, alive=True, log_error="No space left on device")
    seen = HERE.with_pulses((one,), asked_at=0.0, now=0.0)
    assert words(RUNNING, seen) == ("running", "its output cannot be kept: No space left on device")


def test_a_time_that_nobody_watched_is_no_silence() -> None:
    assert words(RUNNING, watched((0.0, 1), (600.0, 1)), 600.0)[0] != "running; its supervisor is silent"
    assert "supervisor" not in words(RUNNING, watched((0.0, 1), (600.0, 1)), 600.0)[1]


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (CHOSEN, ("starting", "host local does not answer: no route")),
        (RUNNING, ("running", "host local does not answer: no route")),
        (
            (*RUNNING, f.StopAsked(workstream="a", by="me")),
            ("running", "stopping; host local does not answer: no route"),
        ),
    ],
)
def test_a_silent_host_is_named_and_the_state_kept(facts: tuple[f.Fact, ...], word: tuple[str, str]) -> None:
    observation = replace(watched((0.0, 1)), hosts={"local": GONE})
    assert words(facts, observation, 1e5) == word
    assert decide(PLAN, replayed(facts), observation, 1e5).facts == ()
    assert decide(PLAN, replayed(facts), observation, 1e5).effects == ()
