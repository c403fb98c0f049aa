"""Who is served first, on random days too: no share or slot too many, nobody left out for ever."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core import facts as f
from orchestrator.core.capacity import Drain
from orchestrator.core.decide import decide
from orchestrator.core.devices import Census, Disk
from orchestrator.core.line import in_order, line
from orchestrator.core.observation import HostSeen, Observation
from orchestrator.core.plan import Host, HostName, Plan, Workstream
from orchestrator.core.state import Done, State, replayed
from tests.core.gpus import gpu, process, there
from tests.core.plans import gpu_host, plan, workstream
from tests.core.test_decide import HERE, START, asked, chosen, launched

GPU = HostName("gpu")
GIB = 1024**3


def names_of(of: list[Workstream]) -> list[str]:
    return [one.name for one in of]


# --- order ------------------------------------------------------------------------------------------


def test_priority_then_wave_then_patience_then_the_file() -> None:
    day = plan(
        workstream("late", wave=2),
        workstream("third"),
        workstream("second"),
        workstream("fourth"),
        workstream("first", wave=2, priority=1),
        workstream("idle"),
    )
    state = replayed(asked("late", "third", "second", "fourth", "first"))
    since = {"late": 1.0, "second": 4.0, "third": 5.0, "fourth": 5.0, "first": 9.0}
    seen = replace(HERE, phase_since=since)
    assert names_of(in_order(day, state, seen)) == ["first", "second", "third", "fourth", "late"]


def test_a_slot_goes_to_the_first_and_the_others_are_told_behind_whom() -> None:
    here = Host(name=HostName("local"), slots=1)
    day = plan(workstream("a"), workstream("b"), workstream("c", priority=1), hosts=(here,))
    turns = line(day, replayed(asked("a", "b", "c")), HERE, 0.0)
    assert turns.served == {"c": ()}
    slot = "a slot on local (1 of 1 in use: c)"
    assert turns.waits == {"a": (slot,), "b": (slot, "behind a")}


@pytest.mark.parametrize(
    ("census", "first"),
    [(Census(), {}), (Census(error="it hangs"), {"b": ()}), (Census(driver=False), {"a": (0,)})],
)
def test_a_slot_waits_for_the_first_look_at_the_devices(census: Census, first: dict[str, object]) -> None:
    """Who needs none must not be there before who is first, only because the driver takes its time."""
    day = plan(
        workstream("a", host=GPU, gpu=1),
        workstream("b", host=GPU, wave=2),
        hosts=(Host(name=GPU, gpus=(0,), slots=1),),
    )
    seen = Observation(hosts={"gpu": HostSeen(reachable=True, census=census)})
    assert line(day, replayed(asked("a", "b")), seen, 0.0).served == first


def test_many_names_are_counted() -> None:
    here = Host(name=HostName("local"), slots=6)
    streams = [workstream(f"w{n}") for n in range(7)]
    turns = line(plan(*streams, hosts=(here,)), replayed(asked(*(w.name for w in streams))), HERE, 0.0)
    assert turns.waits["w6"] == ("a slot on local (6 of 6 in use: w0, w1, w2, w3 and 2 more)",)


def test_a_large_request_has_devices_kept_and_blocks_no_other_host() -> None:
    day = plan(
        workstream("a", host=GPU, gpu=1),
        workstream("big", host=GPU, gpu=2),
        workstream("small", host=GPU, gpu=1),
        workstream("there", gpu=1),
        workstream("plain", host=GPU),
        hosts=(gpu_host(gpus=(0, 1)), Host(name=HostName("local"), gpus=(0,))),
    )
    state = replayed((*asked("a", "big", "small", "there", "plain"), *on_a_device("a", 1)))
    seen = Observation(hosts={**there().hosts, **HERE.hosts})
    turns = line(day, state, seen, 0.0)
    assert turns.served == {"there": (0,), "plain": ()}
    assert turns.waits == {
        "big": ("2 GPUs of gpu: GPU 1: held by a",),
        "small": ("1 GPU of gpu: GPU 0: kept for big; GPU 1: held by a", "behind big"),
    }


def on_a_device(name: str, index: int) -> tuple[f.Fact, ...]:
    return chosen(name, host="gpu", gpus=(index,)), launched(name)


def test_nothing_is_kept_for_a_request_that_a_stranger_blocks() -> None:
    day = plan(
        workstream("big", host=GPU, gpu=2),
        workstream("small", host=GPU, gpu=1),
        hosts=(gpu_host(gpus=(0, 1)),),
    )
    blocked = there(gpu(0), gpu(1, process(9, 5000)))
    turns = line(day, replayed(asked("big", "small")), blocked, 0.0)
    assert turns.served == {"small": (0,)}


# --- drain and disk ---------------------------------------------------------------------------------


def test_a_drain_holds_what_is_wanted_and_lets_what_runs_go_on() -> None:
    day = plan(workstream("a"), workstream("b", host=GPU), hosts=(gpu_host(),))
    seen = Observation(hosts={**there().hosts, **HERE.hosts})
    state = replayed((*asked("a", "b"), f.DrainAsked(by="ada", hosts=("gpu",))))
    turns = line(day, state, seen, 0.0)
    assert turns.served == {"a": ()}
    assert turns.waits == {"b": ("the end of the drain of gpu (orchestrator drain --off gpu)",)}
    everywhere = replayed((f.DrainAsked(by="ada"), chosen("a"), launched("a")), state)
    assert line(day, everywhere, seen, 0.0).served == {}
    assert "that ada asked for" in line(day, everywhere, seen, 0.0).waits["b"][0]
    assert decide(day, everywhere, seen, 0.0).facts == ()


@pytest.mark.parametrize(
    ("lifted", "left"),
    [
        (f.DrainLifted(by="", everywhere=True), Drain(hosts=frozenset({"gpu"}), by="ada")),
        (f.DrainLifted(by="", hosts=("gpu",)), Drain(everywhere=True, by="ada")),
        (f.DrainLifted(by="", hosts=("gpu",), everywhere=True), Drain(by="ada")),
    ],
)
def test_a_drain_ends_as_far_as_it_is_lifted(lifted: f.DrainLifted, left: Drain) -> None:
    drained = (START, f.DrainAsked(by="ada", hosts=("gpu",)), f.DrainAsked(by="ada"))
    assert replayed((*drained, lifted)).capacity.drain == left


@pytest.mark.parametrize(
    ("floor", "free", "total", "waits"),
    [
        (None, GIB, 100 * GIB, False),
        (None, GIB - 1, 100 * GIB, True),
        (None, GIB // 10 - 1, 2 * GIB, True),
        (None, GIB // 10, 2 * GIB, False),
        (20 * GIB, 19 * GIB, 100 * GIB, True),
        (0, 0, 100 * GIB, False),
    ],
)
def test_nothing_starts_below_the_floor_of_the_disk(
    floor: int | None, free: int, total: int, waits: bool
) -> None:
    day = plan(workstream("a", host=GPU), hosts=(gpu_host(disk_floor=floor),))
    disk = Disk(folder="/data", free_bytes=free, total_bytes=total)
    turns = line(day, replayed(asked("a")), there(disk=disk), 0.0)
    assert ("a" in turns.waits) is waits
    assert ("a" in turns.served) is not waits


def test_a_full_disk_is_named_with_its_figures() -> None:
    day = plan(workstream("a", host=GPU), hosts=(gpu_host(disk_floor=2 * GIB),))
    disk = Disk(folder="/data", free_bytes=int(0.8 * GIB), total_bytes=100 * GIB)
    (words,) = line(day, replayed(asked("a")), there(disk=disk), 0.0).waits["a"]
    assert words == "disk: 819.2 MiB free of 100.0 GiB on gpu, at /data, below the floor of 2.0 GiB"


# --- random days ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """A workstream whose run lasts `ticks`."""

    gpu: int
    ticks: int
    priority: int
    wave: int
    host: str


HOSTS = st.builds(
    lambda gpus, share, slots: {"gpus": tuple(range(gpus)), "share": share, "slots": slots},
    st.integers(1, 4),
    st.integers(1, 3),
    st.one_of(st.none(), st.integers(1, 4)),
)
JOBS = st.lists(
    st.builds(
        Job,
        gpu=st.integers(0, 4),
        ticks=st.integers(1, 4),
        priority=st.integers(0, 2),
        wave=st.integers(1, 2),
        host=st.sampled_from(["gpu", "other"]),
    ),
    min_size=1,
    max_size=9,
)


class Day:
    """Time in ticks: what was decided is done at once, and runs end when their ticks are over."""

    def __init__(self, jobs: list[Job], first: dict[str, object], second: dict[str, object]) -> None:
        hosts = [Host(name=HostName(n), ssh=n, **more) for n, more in (("gpu", first), ("other", second))]  # type: ignore[arg-type]
        self.hosts = {host.name: host for host in hosts}
        self.jobs = {f"w{number}": self._within(job) for number, job in enumerate(jobs)}
        streams = [
            workstream(name, wave=job.wave, host=HostName(job.host), gpu=job.gpu, priority=job.priority)
            for name, job in self.jobs.items()
        ]
        self.plan: Plan = plan(*streams, hosts=tuple(hosts))
        self.state: State = replayed(asked(*self.jobs))
        self.since = dict.fromkeys(self.jobs, 0.0)
        self.ends: dict[str, int] = {}
        self.began: list[str] = []

    def _within(self, job: Job) -> Job:
        return replace(job, gpu=min(job.gpu, len(self.hosts[HostName(job.host)].gpus)))

    def tick(self, now: int) -> None:
        for name, end in list(self.ends.items()):
            if end == now:
                del self.ends[name]
                self._end(name)
        seen = Observation(
            hosts={name: HostSeen(reachable=True) for name in self.plan.hosts}, phase_since=self.since
        )
        turns = line(self.plan, self.state, seen, float(now))
        assert turns == line(self.plan, self.state, seen, float(now))
        for name, gpus in turns.served.items():
            self._begin(name, gpus, now)
        self._check()

    def _begin(self, name: str, gpus: tuple[int, ...], now: int) -> None:
        assert len(set(gpus)) == len(gpus) == self.jobs[name].gpu
        number = self.state.of(name).launches + 1
        one = chosen(name, number, attempt=self.state.of(name).attempts + 1, gpus=gpus)
        self.state = self.state.after(replace(one, host=self.jobs[name].host))
        self.state = self.state.after(launched(name, number))
        self.ends[name] = now + self.jobs[name].ticks
        self.began.append(name)

    def _end(self, name: str) -> None:
        launch = self.state.of(name).launch
        assert launch is not None
        end = f.LaunchEnded(
            workstream=name, launch=launch.id, exit_code=0, signal=None, cause="exited", ended=0, elapsed_s=1
        )
        self.state = replayed((end, self._follows(name, launch.id)), self.state)

    def _follows(self, name: str, launch: f.LaunchId) -> f.Fact:
        return f.StagePassed(workstream=name, launch=launch, next_stage=None)

    def _check(self) -> None:
        for name, host in self.hosts.items():
            running = [n for n in self.ends if self.jobs[n].host == name]
            assert host.slots is None or len(running) <= host.slots
            launches = [self.state.of(n).launch for n in running]
            load = Counter(index for launch in launches if launch for index in launch.gpus)
            assert all(load[index] <= host.share for index in load)
            assert set(load) <= set(host.gpus)


@settings(max_examples=150, deadline=None)
@given(JOBS, HOSTS, HOSTS)
def test_everybody_is_served_within_the_work_ahead(
    jobs: list[Job], first: dict[str, object], second: dict[str, object]
) -> None:
    day = Day(jobs, first, second)
    longest = sum(job.ticks for job in jobs) + 1  # one after another at worst
    for now in range(longest):
        day.tick(now)
    assert {day.state.of(name).phase for name in day.jobs} == {Done()}


class Stream(Day):
    """Every job but `w0` comes again as soon as it has ended."""

    def _follows(self, name: str, launch: f.LaunchId) -> f.Fact:
        if name == "w0":
            return super()._follows(name, launch)
        return f.RetryChosen(workstream=name, launch=launch, delay_s=0.0, reason="again")

    def tick(self, now: int) -> None:
        self.since |= {name: float(now) for name, end in self.ends.items() if end == now}
        super().tick(now)


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 4), st.integers(1, 2), st.integers(2, 4), st.data())
def test_a_large_request_starts_however_many_small_ones_come(
    gpus: int, share: int, count: int, data: st.DataObject
) -> None:
    """It waits for who runs on its devices; not for anybody who comes later."""
    ticks = data.draw(st.lists(st.integers(1, 6), min_size=gpus * share, max_size=gpus * share + 2))
    small = [Job(gpu=1, ticks=each, priority=0, wave=1, host="gpu") for each in ticks]
    big = Job(gpu=count, ticks=1, priority=0, wave=1, host="gpu")
    host: dict[str, object] = {"gpus": tuple(range(gpus)), "share": share}
    day = Stream([big, *small], host, host)
    day.state = replayed((START, *asked(*list(day.jobs)[1:])[1:]))
    begins = data.draw(st.integers(1, 8))
    for now in range(begins):
        day.tick(now)
    day.state = day.state.after(f.StartAsked(workstream="w0", by="me"))
    day.since["w0"] = -1.0  # it is the first in line
    for now in range(begins, begins + max(ticks) + 1):
        day.tick(now)
    assert "w0" in day.began
