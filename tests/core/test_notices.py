"""What people are told, when, and in which words; without a clock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core import facts as f
from orchestrator.core.devices import Disk
from orchestrator.core.events import Event
from orchestrator.core.facts import Fact, LaunchId
from orchestrator.core.gating import Tips
from orchestrator.core.notices import (
    Condition,
    Notice,
    Told,
    conditions,
    hold_condition,
    news,
    notice_of,
    one_line,
)
from orchestrator.core.observation import HostSeen, LaunchSeen, Observation, SyncSeen
from orchestrator.core.plan import LOCAL, CommitId, Host, HostName, NotifyPolicy, QuietHours
from orchestrator.core.posting import Box, put, take
from orchestrator.core.state import State, replayed
from orchestrator.core.waiting import GIB
from orchestrator.core.wording import message
from tests.core.plans import plan, workstream

ALL = tuple(event.value for event in Event)
LAUNCH = LaunchId("a-1")
NOON = 12 * 60
GPU = HostName("gpu")
RED = f.GateFinished(
    wave=1, workstream=None, gate="tests", commit="c" * 40, tree="t", ok=False, seconds=1.0, cached=False,
    log="", outcome="red", message="2 failed\nmore",
)  # fmt: skip
LANDED = f.WaveLanded(
    wave=2, base="main", base_before="a", base_after="b", tag="t", landed=("a", "b"), left_out=("c",)
)


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (f.StageHeld(workstream="a", launch=LAUNCH, unmet=("x", "y")), (Event.HELD, "a", "x; y")),
        (f.StepPoisoned(workstream="a", launch=LAUNCH, step=3.0, reason="twice"), (Event.HELD, "a", "twice")),
        (
            f.GaveUp(workstream="a", launch=LAUNCH, reason="bad\nend\x1b[1m"),
            (Event.FAILED, "a", "bad end [1m"),
        ),
        (
            f.LaunchRefused(workstream="a", launch=LAUNCH, cause="setup", message="no make"),
            (Event.FAILED, "a", "no make"),
        ),
        (f.StagePassed(workstream="a", launch=LAUNCH, next_stage=None), (Event.DONE, "a", "")),
        (f.StagePassed(workstream="a", launch=LAUNCH, next_stage=1), None),
        (
            f.InputAwaited(workstream="a", launch=LAUNCH, line="Go on? [y/n]"),
            (Event.WAITING_FOR_INPUT, "a", "Go on? [y/n]"),
        ),
        (f.HostLost(host="gpu", reason="timed out"), (Event.HOST_LOST, "gpu", "timed out")),
        (RED, (Event.GATES_RED, "wave 1", "tests at cccccccccccc: 2 failed")),
        (replace(RED, outcome="infrastructure"), None),
        (replace(RED, ok=True, outcome="red", severity="warn"), None),
        (LANDED, (Event.LANDED, "wave 2", "a b on main, without c")),
        (
            f.WaveRolledBack(
                wave=2, base="main", base_before="b", base_after="a", form="reset", landed=("a",)
            ),
            (Event.ROLLED_BACK, "wave 2", "a"),
        ),
        (f.DaemonStarted(pid=1, version="1"), None),
    ],
)
def test_facts_that_people_are_told_of(fact: Fact, expected: tuple[Event, str, str] | None) -> None:
    notice = notice_of(fact, 5.0)
    assert (notice and (notice.event, notice.subject, notice.text)) == expected


def test_texts_of_programs_are_one_bounded_line() -> None:
    assert one_line("a\r\n\tb\x07 c") == "a b c"
    assert len(one_line("x" * 5000)) == 300


def running(step_seen: int) -> Observation:
    seen = LaunchSeen(launch=LAUNCH, alive=True, output_seq=step_seen)
    return Observation(hosts={LOCAL: HostSeen(reachable=True)}).with_pulses((seen,), 0.0, 0.0)


def test_a_stalled_worker_is_told_once_until_it_advances_also_by_the_next_daemon() -> None:
    state = replayed(
        (
            f.StartAsked(workstream="a", by="ada"),
            f.LaunchChosen(workstream="a", launch=LAUNCH, host=LOCAL, stage="run", attempt=1),
            f.Launched(workstream="a", launch=LAUNCH, worktree="/w", tip="t", made_branch=True),
        )
    )
    told: Told = {}
    counts = []
    # The same look again, what a new daemon sees after its own three minutes, and one that advanced.
    for step, now in ((7, 100.0), (7, 200.0), (7, 900.0), (7, 1000.0), (8, 200.0), (8, 210.0)):
        found = conditions(plan(workstream("a")), state, running(step), Tips(), now)
        notices, told = news(found, told, now)
        counts.append(len(notices))
    assert counts == [0, 1, 0, 0, 1, 0]


def test_a_wave_that_could_land_is_told_once_for_each_set_of_tips() -> None:
    done = replayed((f.DoneAsked(workstream="a", by="ada"),))
    told: Told = {}
    said = []
    for tip in ("1", "", "1", "2"):
        tips = Tips(commits={"a": CommitId(tip)}) if tip else Tips()
        notices, told = news(conditions(plan(workstream("a")), done, Observation(), tips, 0.0), told, 0.0)
        said.append([(notice.event.value, notice.subject, notice.text) for notice in notices])
    ready = [("wave-ready", "wave 1", "orchestrator wave merge 1")]
    assert said == [ready, [], [], ready]


def counts_of(looks: list[list[Condition]]) -> list[list[tuple[str, str]]]:
    """What is told after each look, by event and subject."""
    told: Told = {}
    said = []
    for found in looks:
        notices, told = news(found, told, 0.0)
        said.append([(one.event.value, one.subject) for one in notices])
    return said


def test_a_disk_is_full_once_until_there_is_room_again_on_each_host() -> None:
    declared = replace(plan(workstream("a")), hosts={LOCAL: Host(name=LOCAL), GPU: Host(name=GPU, ssh="gpu")})

    def look(here: float, there: float | None) -> list[Condition]:
        hosts = {
            name: HostSeen(
                reachable=free is not None,
                disk=Disk(folder="/w", free_bytes=int((free or 0) * GIB), total_bytes=100 * GIB),
            )
            for name, free in ((LOCAL, here), (GPU, there))
        }
        return conditions(declared, State(), Observation(hosts=hosts), Tips(), 0.0)

    here, there = ("disk-full", LOCAL), ("disk-full", GPU)
    looks = [(5.0, 5.0), (0.5, 5.0), (1.2, 0.5), (0.5, 1.2), (0.5, None), (2.0, 0.5), (0.5, 2.0), (0.5, 0.5)]
    told = [[], [here], [there], [], [], [], [here], [there]]
    assert counts_of([look(*one) for one in looks]) == told
    (full,) = (one for one in look(0.5, 5.0) if one.mark == "full")
    assert "below the floor of 1.0 GiB; nothing new starts there" in full.text


def test_an_outage_of_pulls_is_told_once_whatever_its_causes_and_its_end_once() -> None:
    facts = (
        None,
        f.SyncFailed(workstream="a", launch="a-1", cause="transfer", reason="rsync ended with 12"),
        f.SyncFailed(workstream="a", launch="a-1", cause="disk", reason="full"),
        f.ResultsSynced(workstream="a", launch="a-1", folder="/s", files=1, bytes=1),
        f.ResultsSynced(workstream="a", launch="a-1", folder="/s", files=2, bytes=2, final=True),
    )
    state, looks = State(), []
    for fact in facts:
        state = state.after(fact) if fact else state
        seen = Observation(synced={"a": SyncSeen(at=None, reason="rsync ended with 12")})
        looks.append(conditions(plan(workstream("a")), state, seen, Tips(), 0.0))
    assert counts_of(looks) == [[], [("sync-failed", "a")], [], [("sync-back", "a")], []]
    assert [one.text for one in looks[1] if one.mark] == ["rsync ended with 12"]


def test_a_daemon_that_holds_everything_says_so_once_and_when_it_goes_on() -> None:
    looks = [[hold_condition(held)] for held in ("", "disk is full", "disk I/O error", "", "disk is full")]
    held, back = ("journal-held", LOCAL), ("journal-back", LOCAL)
    assert counts_of(looks) == [[], [held], [], [back], [held]]


def notice(event: Event, subject: str, at: float, text: str = "") -> Notice:
    return Notice(event=event, subject=subject, text=text, first=at)


def sent_at(notices: list[Notice], policy: NotifyPolicy, until: float, minute: int = NOON) -> list[float]:
    """When messages go out, with a look every second."""
    box, times = Box(), []
    for now in range(int(until)):
        box = put(box, [one for one in notices if now - 1 < one.first <= now], policy.on or ALL)
        told, box = take(box, policy, float(now), minute)
        times += [float(now)] if told else []
    return times


def test_what_happens_together_is_told_together() -> None:
    failing = [notice(Event.FAILED, name, at) for at, name in enumerate("abc")]
    assert sent_at(failing, NotifyPolicy(), 100) == [2.0]


@pytest.mark.parametrize(("on", "most"), [(("host-lost",), 7), (("host-lost", "host-back"), 10)])
def test_a_host_that_flaps_a_hundred_times_an_hour_gives_a_handful(on: tuple[str, ...], most: int) -> None:
    flapping = [
        notice(event, "gpu", i * 36.0 + shift)
        for i in range(100)
        for event, shift in ((Event.HOST_LOST, 0.0), (Event.HOST_BACK, 20.0))
    ]
    assert 3 <= len(sent_at(flapping, NotifyPolicy(on=on), 3600)) <= most


def test_two_hundred_workers_failing_one_by_one_give_a_handful_too() -> None:
    failing = [notice(Event.FAILED, f"w{i}", i * 18.0) for i in range(200)]
    times = sent_at(failing, NotifyPolicy(), 3600)
    assert 5 <= len(times) <= 25


def test_what_repeats_is_told_again_after_a_while() -> None:
    failing = [notice(Event.FAILED, "a", at) for at in (0.0, 20.0, 7200.0)]
    assert sent_at(failing, NotifyPolicy(), 7300) == [2.0, 62.0, 7202.0]


def test_a_digest_gathers() -> None:
    failing = [notice(Event.FAILED, name, at) for name, at in (("a", 0.0), ("b", 300.0), ("c", 700.0))]
    assert sent_at(failing, NotifyPolicy(digest_s=600.0), 3000) == [600.0, 1300.0]


@pytest.mark.parametrize(
    ("minute", "expected"),
    [(21 * 60 + 59, True), (22 * 60, False), (3 * 60, False), (6 * 60 + 59, False), (7 * 60, True)],
)
def test_quiet_hours_span_midnight_and_keep_what_happens(minute: int, expected: bool) -> None:
    policy = NotifyPolicy(quiet=QuietHours(begins=22 * 60, ends=7 * 60))
    box = put(Box(), [notice(Event.FAILED, "a", 0.0)], ALL)
    told, after = take(box, policy, 100.0, minute)
    assert bool(told) is expected
    assert bool(after.waiting) is not expected
    noon = QuietHours(begins=11 * 60, ends=13 * 60)
    assert [noon.cover(m) for m in (659, 660, 779, 780)] == [False, True, True, False]


def test_only_what_is_wanted_is_kept_and_a_return_is_said_beside_the_loss() -> None:
    lost, back = notice(Event.HOST_LOST, "gpu", 0.0, "timed out"), notice(Event.HOST_BACK, "gpu", 1.0)
    box = put(Box(), [lost, back, notice(Event.DONE, "a", 0.0)], ("host-lost", "host-back"))
    assert [(one.event, one.text) for one in box.waiting.values()] == [(Event.HOST_LOST, "it answers again")]
    again = put(box, [lost], ("host-lost",))
    assert [(one.count, one.text) for one in again.waiting.values()] == [(2, "timed out")]


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    box = put(Box(), [notice(Event.FAILED, "a", 9_000.0)], ALL)
    _, box = take(box, NotifyPolicy(), 9_010.0, NOON)
    box = put(box, [notice(Event.FAILED, "a", 500.0), notice(Event.HELD, "b", 9_011.0)], ALL)
    told, _ = take(box, NotifyPolicy(), 510.0, NOON)
    assert {one.subject for one in told} == {"a", "b"}


def clock(at: float) -> str:
    return f"{at:.0f}h"


def test_words_for_one_and_for_many() -> None:
    one = message("p", [notice(Event.HELD, "a", 0.0, "loss is 0.5")], 1.0, clock)
    assert (one.title, one.body, one.level) == ("[p] a is held", "a is held: loss is 0.5", "warning")
    five = [notice(Event.FAILED, name, 0.0, "exit code 2") for name in "abcde"]
    many = message("p", five, 1.0, clock)
    assert many.title == "[p] 5 workers failed: a, b, c, d, e"
    assert many.body == "5 workers failed: a, b, c, d, e: exit code 2"


def test_words_for_different_reasons_times_and_events() -> None:
    notices = [
        notice(Event.LANDED, "wave 1", 0.0, "a on main"),
        notice(Event.FAILED, "a", 0.0, "exit code 2"),
        replace(notice(Event.FAILED, "b", 990.0, "killed"), count=4),
    ]
    said = message("p", notices, 1000.0, clock)
    assert said.title == "[p] 2 workers failed: a, b and 1 more"
    assert said.body.splitlines() == [
        "2 workers failed: a, b",
        "- a (at 0h): exit code 2",
        "- b (4 times): killed",
        "wave 1 landed (at 0h): a on main",
    ]
    assert said.level == "failure"


def test_a_storm_fits_on_a_screen() -> None:
    storm = [notice(Event.FAILED, f"w{i}", 0.0, f"{i} " + "x" * 400) for i in range(1000)]
    said = message("p", storm, 1.0, clock)
    assert "and 992 more" in said.title
    assert len(said.body) < 3000
    assert said.body.splitlines()[-1] == "- and 995 more"
