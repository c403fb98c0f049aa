"""The restart table: what follows from each way a run can end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import facts as f
from orchestrator.core.causes import Cause
from orchestrator.core.decide import decide
from orchestrator.core.devices import Disk
from orchestrator.core.observation import HostSeen, Observation
from orchestrator.core.plan import RestartPolicy
from orchestrator.core.restarts import BACKOFF_LIMIT_S, INTERRUPTIONS_A_DAY, RULES, Budget, wait_s
from orchestrator.core.state import Failed, Held, State, Wanted, replayed
from orchestrator.core.status import state_in_words
from tests.core.plans import plan, workstream

POLICY = RestartPolicy(limit=3, backoff_s=10.0)
PLAN = plan(workstream("a", restart=POLICY))
HERE = Observation(hosts={"local": HostSeen(reachable=True)})
LATER = replace(HERE, phase_since={"a": 0.0})
Verdict = f.RetryChosen | f.GaveUp | f.StepPoisoned


class Life:
    """One workstream that ends again and again."""

    def __init__(self, policy: RestartPolicy = POLICY) -> None:
        self.plan = plan(workstream("a", restart=policy))
        asked = f.StartAsked(workstream="a", by="me")
        self.state: State = replayed([f.JournalBegun(token="t"), asked])

    def ends(
        self,
        cause: str = "exited",
        code: int | None = 1,
        step: float | None = None,
        elapsed_s: float = 5.0,
        stop: tuple[str, float] | None = None,
        detail: str = "",
    ) -> Verdict:
        """It is launched once more and ends so; what is decided then. `stop` is why we ended it."""
        launch = self.launch()
        if stop is not None:
            why = f"{stop[0]} at epoch 5"
            self.happens(
                f.StopChosen(workstream="a", launch=launch, cause=stop[0], reason=why, silent_s=stop[1])
            )
        end = f.LaunchEnded(
            workstream="a",
            launch=launch,
            exit_code=code,
            signal=None if code is not None else "SIGKILL",
            cause=cause,
            ended=0.0,
            elapsed_s=elapsed_s,
            step=step,
            detail=detail,
        )
        self.happens(end)
        (verdict,) = decide(self.plan, self.state, HERE, 0.0).facts
        assert isinstance(verdict, f.RetryChosen | f.GaveUp | f.StepPoisoned)
        self.happens(verdict)
        return verdict

    def launch(self) -> f.LaunchId:
        (chosen,) = decide(self.plan, self.state, LATER, 1e9).facts
        assert isinstance(chosen, f.LaunchChosen)
        self.happens(chosen)
        self.happens(
            f.Launched(workstream="a", launch=chosen.launch, worktree="/w", tip="c", made_branch=False)
        )
        return chosen.launch

    def happens(self, fact: f.Fact) -> None:
        self.state = self.state.after(fact)

    def words(self, observation: Observation = HERE, now: float = 0.0) -> tuple[str, str]:
        return state_in_words(self.plan, self.state, observation, self.plan.workstream("a"), now)


def test_every_cause_has_a_rule() -> None:
    assert set(RULES) == set(Cause)


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        ("rebooted", None),
        ("lost", None),
        ("supervisor-lost", None),
        ("hangup", None),
        ("stopped", 0),
        ("exited", 75),
    ],
)
def test_an_interruption_is_repeated_at_once_and_does_not_count(cause: str, code: int | None) -> None:
    life = Life()
    for _ in range(POLICY.limit + 1):
        verdict = life.ends(cause, code, elapsed_s=3600.0)
        assert isinstance(verdict, f.RetryChosen)
        assert (verdict.delay_s, verdict.counted, verdict.limit) == (0.0, False, 0)
    assert life.state.of("a").failures == 0


def test_interruptions_that_come_fast_wait_and_end_after_a_day_full_of_them() -> None:
    life = Life()
    delays = [life.ends("hangup", None, elapsed_s=1.0) for _ in range(INTERRUPTIONS_A_DAY)]
    waits = [verdict.delay_s for verdict in delays if isinstance(verdict, f.RetryChosen)]
    assert waits[0] == 0.0 and waits[1] == pytest.approx(10.0, rel=0.2) and max(waits) <= BACKOFF_LIMIT_S
    last = life.ends("hangup", None, elapsed_s=1.0)
    assert isinstance(last, f.GaveUp)
    assert last.reason == "lost its tmux session, 20 times within a day of running"


def test_a_day_of_running_forgets_interruptions() -> None:
    life = Life()
    verdicts = [life.ends("rebooted", None, elapsed_s=2 * 3600.0) for _ in range(40)]
    assert all(isinstance(verdict, f.RetryChosen) for verdict in verdicts)


@pytest.mark.parametrize(
    ("cause", "stop", "repeats", "first_s"),
    [
        ("exited", None, 3, 10.0),
        ("signal", None, 3, 10.0),
        ("timeout", None, 3, 10.0),
        ("start-failed", None, 3, 10.0),
        ("gpu-fault", None, 3, 10.0),
        ("stopped", ("stalled", 360.0), 3, 10.0),
        ("gpu-memory", None, 2, 10.0),
        ("memory", None, 1, 60.0),
        ("a cause of tomorrow", None, 3, 10.0),
    ],
)
def test_a_failure_is_repeated_after_a_wait_that_doubles(
    cause: str, stop: tuple[str, float] | None, repeats: int, first_s: float
) -> None:
    life, delays = Life(), []
    for number in range(1, repeats + 1):
        verdict = life.ends(cause, None, stop=stop)
        assert isinstance(verdict, f.RetryChosen)
        assert (verdict.restart, verdict.limit) == (number, repeats)
        delays.append(verdict.delay_s)
    assert delays == [pytest.approx(first_s * 2**n, rel=0.2) for n in range(repeats)]
    assert isinstance(life.ends(cause, None, stop=stop), f.GaveUp)
    assert isinstance(life.state.of("a").phase, Failed)


@pytest.mark.parametrize(
    ("code", "cause", "stop", "reason"),
    [
        (2, "exited", None, "ended with exit code 2 (configuration: not retried)"),
        (
            None,
            "stopped",
            ("diverged", 0.0),
            "diverged at epoch 5 (the same would come of it again: not retried)",
        ),
        (
            1,
            "exited",
            ("diverged", 0.0),
            "diverged at epoch 5 (the same would come of it again: not retried)",
        ),
    ],
)
def test_what_would_happen_again_is_not_repeated(
    code: int | None, cause: str, stop: tuple[str, float] | None, reason: str
) -> None:
    verdict = Life().ends(cause, code, stop=stop)
    assert isinstance(verdict, f.GaveUp) and verdict.reason == reason


def test_a_run_that_ended_by_itself_before_we_could_stop_it_ended_by_itself() -> None:
    verdict = Life().ends("exited", 7, stop=("stalled", 360.0))
    assert isinstance(verdict, f.RetryChosen) and verdict.reason == "ended with exit code 7"


def test_no_restarts_are_none_at_all() -> None:
    for cause in ("exited", "rebooted", "memory", "disk"):
        verdict = Life(RestartPolicy(limit=0)).ends(cause, None)
        assert isinstance(verdict, f.GaveUp), cause


def test_the_same_step_twice_is_held_and_resume_repeats_it() -> None:
    life = Life()
    assert isinstance(life.ends(step=120.0), f.RetryChosen)
    poisoned = life.ends(step=120.0)
    assert isinstance(poisoned, f.StepPoisoned) and poisoned.step == 120.0
    phase = life.state.of("a").phase
    assert isinstance(phase, Held) and phase.repeats
    word, reason = life.words()
    assert word == "held" and "at step 120" in reason and "resume repeats the stage" in reason
    stage = life.state.of("a").stage
    life.happens(f.HoldAccepted(workstream="a", by="me", next_stage=stage))
    assert isinstance(life.state.of("a").phase, Wanted) and life.state.of("a").stage == stage
    assert life.state.of("a").attempts == 2
    assert isinstance(life.ends(step=120.0), f.RetryChosen)


@pytest.mark.parametrize(
    ("first", "second"), [(119.0, 120.0), (0.0, 0.0), (None, None), (120.0, 0.0), (None, 120.0)]
)
def test_other_steps_are_no_poison(first: float | None, second: float | None) -> None:
    life = Life()
    life.ends(step=first, elapsed_s=100.0)
    assert isinstance(life.ends(step=second, elapsed_s=100.0), f.RetryChosen)


def test_an_interruption_at_the_same_step_is_no_poison() -> None:
    life = Life()
    life.ends(step=120.0)
    assert isinstance(life.ends("rebooted", None, step=120.0), f.RetryChosen)
    assert isinstance(life.ends("memory", None, step=120.0), f.RetryChosen)


@pytest.mark.parametrize(
    ("step", "code", "elapsed_s", "expected"),
    [
        (0.0, 1, 5.0, f.GaveUp),
        (0.0, 3, 5.0, f.RetryChosen),  # not in the same way
        (None, 1, 5.0, f.GaveUp),  # the attempt before it did report
        (0.0, 1, 61.0, f.RetryChosen),
        (1.0, 1, 5.0, f.RetryChosen),
    ],
)
def test_a_worker_that_fails_before_its_first_step_twice_is_not_repeated(
    step: float | None, code: int, elapsed_s: float, expected: type
) -> None:
    life = Life()
    assert isinstance(life.ends(step=0.0), f.RetryChosen)
    assert isinstance(life.ends(step=step, code=code, elapsed_s=elapsed_s), expected)


def test_a_worker_that_reports_nothing_has_no_first_step() -> None:
    life = Life()
    verdicts = [life.ends() for _ in range(4)]
    assert [type(verdict) for verdict in verdicts] == [f.RetryChosen] * 3 + [f.GaveUp]
    assert verdicts[-1].reason == "ended with exit code 1 after 3 restarts"


def test_an_hour_of_progress_refills_the_budget() -> None:
    life = Life()
    for step in (1.0, 2.0, 3.0):
        life.ends(step=step)
    refilled = life.ends(step=900.0, elapsed_s=3601.0)
    assert isinstance(refilled, f.RetryChosen) and refilled.refilled
    assert (refilled.restart, life.state.of("a").failures) == (1, 1)


@pytest.mark.parametrize(
    ("step", "elapsed_s", "stop"),
    [
        (900.0, 3599.0, None),
        (2.5, 4000.0, None),  # no further than an attempt before it
        (900.0, 3700.0, ("stalled", 360.0)),  # the last minutes were no progress
    ],
)
def test_time_without_progress_refills_nothing(
    step: float, elapsed_s: float, stop: tuple[str, float] | None
) -> None:
    life = Life()
    for before in (1.0, 2.0, 3.0):
        life.ends(step=before)
    cause = "stopped" if stop else "exited"
    assert isinstance(life.ends(cause, step=step, elapsed_s=elapsed_s, stop=stop), f.GaveUp)


def test_a_person_gives_a_new_budget() -> None:
    life = Life()
    for _ in range(4):
        life.ends()
    life.happens(f.RestartAsked(workstream="a", by="me"))
    assert isinstance(life.ends(), f.RetryChosen)


def host(free: int | None, total: int | None = 100 * 2**30) -> Observation:
    disk = None if free is None or total is None else Disk(folder="/w", free_bytes=free, total_bytes=total)
    seen = HostSeen(reachable=True, disk=disk)
    return Observation(hosts={"local": seen})


def test_a_full_disk_is_waited_for() -> None:
    life = Life()
    verdict = life.ends("disk", 1, detail="No space left on device", elapsed_s=100.0)
    assert isinstance(verdict, f.RetryChosen) and verdict.needs_disk and not verdict.counted
    full = host(10 * 2**20)
    assert decide(life.plan, life.state, full, 1e9).facts == ()
    word, reason = life.words(full)
    assert word == "waiting"
    assert reason == (
        "waits for disk: 10.0 MiB free of 100.0 GiB on local, at /w, below the floor of 1.0 GiB; "
        "failed on a full disk (No space left on device)"
    )
    for enough in (host(2**30), host(4 * 2**20, 64 * 2**20), host(None, None)):
        assert decide(life.plan, life.state, enough, 1e9).facts != ()


def test_words_name_the_cause_and_what_comes_next() -> None:
    life = Life()
    life.ends("memory", None, detail="oom_kill 1 → 2")
    since = replace(HERE, phase_since={"a": 100.0})
    retry = life.state.of("a").phase
    assert isinstance(retry, Wanted)
    word, reason = life.words(since, 100.0 + retry.delay_s - 12.0)
    assert (word, reason) == ("backoff", "was killed for memory (oom_kill 1 → 2); restart 1 of 1 in 12 s")
    assert life.words(since, 1e6) == (
        "starting",
        "was killed for memory (oom_kill 1 → 2); restart 1 of 1 now",
    )
    silent = replace(since, hosts={"local": HostSeen(reachable=False, reason="no route")})
    assert life.words(silent, 1e6)[1].startswith("waits for host local (no route); was killed for memory")


@given(st.text(min_size=1), st.integers(0, 100), st.floats(0.0, 1e4))
def test_the_wait_is_the_same_for_the_same_launch_and_bounded(
    launch: str, failures: int, backoff_s: float
) -> None:
    policy = RestartPolicy(backoff_s=backoff_s)
    wait = wait_s(policy, failures, launch)
    assert wait == wait_s(policy, failures, launch)
    whole = min(backoff_s * 2.0 ** min(failures, 32), 1e12)
    assert min(0.8 * whole, BACKOFF_LIMIT_S) - 1e-6 <= wait <= min(whole, BACKOFF_LIMIT_S) + 1e-6


def test_many_do_not_start_at_once() -> None:
    waits = {round(wait_s(POLICY, 0, f"w{n}-1-t"), 1) for n in range(50)}
    assert len(waits) > 15 and 8.0 <= min(waits) < 8.5 and 9.5 < max(waits) <= 10.0


def test_a_budget_of_none_is_never_a_restart() -> None:
    assert [c for c, rule in RULES.items() if rule.budget is Budget.NONE] == [
        Cause.CONFIGURATION,
        Cause.DIVERGED,
    ]
