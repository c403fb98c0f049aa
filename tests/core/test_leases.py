"""Who is given which device, and what is said to those who are not: tables of what a driver may tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core import facts as f
from orchestrator.core.decide import decide
from orchestrator.core.devices import Census, Gpu
from orchestrator.core.host_status import host_status
from orchestrator.core.leases import LINGER_LIMIT_S, need_mb, reserve_mb, visible_devices
from orchestrator.core.line import line
from orchestrator.core.observation import HostSeen, Observation
from orchestrator.core.plan import Host, HostName, Plan, Stage
from orchestrator.core.state import Failed, State, replayed
from tests.core.gpus import TOTAL_MB, gpu, process, there
from tests.core.plans import gpu_host, plan, workstream
from tests.core.test_decide import asked, chosen, ended, launched

GPU = HostName("gpu")
ONE = gpu_host(gpus=(0,))
SHARED = gpu_host(gpus=(0,), share=2)


def peak(name: str, megabytes: int, stage: str = "run") -> f.GpuPeakSeen:
    return f.GpuPeakSeen(workstream=name, launch=f.LaunchId(f"{name}-1-t"), stage=stage, peak_mb=megabytes)


def planned(host: Host, *names: str, **more: object) -> Plan:
    return plan(*(workstream(n, host=GPU, **{"gpu": 1, **more}) for n in names), hosts=(host,))


def running(*names: str, gpus: tuple[int, ...] = (0,)) -> tuple[f.Fact, ...]:
    facts = [(chosen(name, host="gpu", gpus=gpus), launched(name)) for name in names]
    return tuple(fact for pair in facts for fact in pair)


def waits(day: Plan, state: State, seen: Observation, name: str, now: float = 0.0) -> str:
    return ", ".join(line(day, state, seen, now).waits.get(name, ()))


def served(day: Plan, state: State, seen: Observation, name: str, now: float = 0.0) -> tuple[int, ...] | None:
    return line(day, state, seen, now).served.get(name)


# --- what the driver says against what the plan says ------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (gpu(0), None),
        (gpu(0, hidden_mb=500), None),
        (
            gpu(0, process(4711, 642)),
            "GPU 0 of gpu: pid 4711 (python, user bob) of nobody here holds 642 MiB",
        ),
        (gpu(0, process(7, None)), "GPU 0 of gpu: pid 7 (python, user bob) of nobody here holds memory"),
        (gpu(0, process(7, 9, user="")), "GPU 0 of gpu: pid 7 (python) of nobody here holds 9 MiB"),
        (
            gpu(0, process(9, 2048, "old-1-x")),
            "GPU 0 of gpu: pid 9 (python, user bob) of old-1-x, which has no lease here, holds 2.0 GiB",
        ),
        (gpu(0, hidden_mb=20000), "GPU 0 of gpu: 76.0 GiB needed, 60.5 GiB left"),
        (gpu(1), "GPU 0 of gpu: its driver does not show it"),
    ],
)
def test_a_device_alone_is_given_when_nobody_is_on_it(seen: Gpu, says: str | None) -> None:
    day, state = planned(ONE, "a"), replayed(asked("a"))
    assert waits(day, state, there(seen), "a") == (says or "")
    assert served(day, state, there(seen), "a") == (None if says else (0,))


def test_shares_count_on_a_host_without_a_driver() -> None:
    day, state = planned(SHARED, "a", "b", "c"), replayed(asked("a", "b", "c"))
    for census in (None, Census(driver=False)):
        seen = Observation(hosts={"gpu": HostSeen(reachable=True, census=census)})
        turns = line(day, state, seen, 0.0)
        assert turns.served == {"a": (0,), "b": (0,)}
        assert turns.waits == {"c": ("GPU 0 of gpu: held by a, b",)}


@pytest.mark.parametrize(
    ("census", "says"),
    [
        (Census(), "a look at the GPUs of gpu"),
        (Census(age_s=31.0, gpus=(gpu(0),)), "nvidia-smi has not answered for 31 s"),
        (Census(error="nvidia-smi exited with status 15: lost"), "exited with status 15"),
    ],
)
def test_nothing_is_given_where_the_driver_does_not_answer(census: Census, says: str) -> None:
    day, state = planned(ONE, "a"), replayed(asked("a"))
    seen = Observation(hosts={"gpu": HostSeen(reachable=True, census=census)})
    assert says in waits(day, state, seen, "a")
    assert decide(day, state, seen, 0.0).facts == ()


def test_work_without_a_gpu_does_not_ask_the_driver() -> None:
    day, state = planned(ONE, "a", gpu=0), replayed(asked("a"))
    seen = Observation(hosts={"gpu": HostSeen(reachable=True, census=Census(error="sick"))})
    assert served(day, state, seen, "a") == ()


# --- memory -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peak_mb", "share", "need"), [(None, 1, 77824), (None, 2, 38912), (10000, 2, 11000)]
)
def test_what_a_run_needs(peak_mb: int | None, share: int, need: int) -> None:
    assert need_mb(peak_mb, share, TOTAL_MB) == need


def test_a_peak_with_its_margin_never_asks_for_more_than_there_is() -> None:
    assert need_mb(79000, 1, TOTAL_MB) == 79000
    assert need_mb(75000, 1, TOTAL_MB) == TOTAL_MB - reserve_mb(TOTAL_MB)


def test_two_who_were_measured_share_a_device_and_a_third_has_no_room() -> None:
    day = planned(gpu_host(gpus=(0,), share=4), "a", "b", "c")
    state = replayed(
        (*asked("a", "b", "c"), *running("a"), peak("a", 30000), peak("b", 40000), peak("c", 9000))
    )
    early = there(gpu(0, process(1, 500, "a-1-t")))  # a has hardly begun: what it will need counts
    turns = line(day, state, early, 0.0)
    assert turns.served == {"b": (0,)}
    assert turns.waits == {"c": ("GPU 0 of gpu: 9.7 GiB needed, 4.8 GiB left beside a, b",)}
    grown = there(gpu(0, process(1, 60000, "a-1-t")))  # and what it holds, where that is more
    turns = line(day, state, grown, 0.0)
    assert turns.served == {}
    assert turns.waits["c"] == ("GPU 0 of gpu: kept for b", "behind b")


def test_memory_of_strangers_counts_on_a_shared_device() -> None:
    day = planned(SHARED, "a")
    state = replayed((*asked("a"), peak("a", 30000)))
    assert served(day, state, there(gpu(0, process(1, 40000))), "a") == (0,)
    words = waits(day, state, there(gpu(0, process(1, 60000))), "a")
    assert words == (
        "GPU 0 of gpu: 32.2 GiB needed, 21.4 GiB left "
        "beside pid 1 (python, user bob) of nobody here with 58.6 GiB"
    )


def test_memory_of_a_container_that_shows_no_process_is_its_lease_s() -> None:
    day = planned(SHARED, "a", "b")
    state = replayed((*asked("a", "b"), *running("a"), peak("a", 30000), peak("b", 30000)))
    assert served(day, state, there(gpu(0, hidden_mb=33000)), "b") == (0,)
    assert "held by" not in waits(day, state, there(gpu(0, hidden_mb=60000)), "b")
    assert served(day, state, there(gpu(0, hidden_mb=60000)), "b") is None


def test_the_validation_stage_measures_for_the_next() -> None:
    stages = (Stage(name="validation", run="v"), Stage(name="full", run="r"))
    day = plan(
        workstream("a", host=GPU, gpu=1, stages=stages),
        workstream("b", host=GPU, gpu=1),
        hosts=(gpu_host(gpus=(0,), share=4),),
    )
    told = f.StagePassed(
        workstream="a",
        launch=f.LaunchId("a-1-t"),
        next_stage=1,
        metrics={"loss": 1.0, "peak_gpu_memory_mb": 20000.0},
    )
    first = chosen("a", host="gpu", stage="validation", gpus=(0,))
    state = replayed((*asked("a", "b"), first, launched("a"), ended("a"), told))
    assert state.capacity.peaks == {"a": {"validation": 20512}}
    assert state.capacity.peak_mb("a", "full") == 20512
    assert served(day, state, there(gpu(0, process(9, 50000))), "a") == (0,)
    assert served(day, state, there(gpu(0, process(9, 70000))), "a") is None


def test_what_fits_on_no_device_is_refused_in_words() -> None:
    day = planned(ONE, "a")
    state = replayed((*asked("a"), peak("a", 90000)))
    (fact,) = decide(day, state, there(gpu(0)), 0.0).facts
    assert isinstance(fact, f.FitsNowhere)
    assert "87.9 GiB of a GPU, and gpu has at most 80.0 GiB" in fact.reason
    state = state.after(fact)
    assert state.of("a").phase == Failed(fact.reason, launched=False)
    again = state.after(f.RestartAsked(workstream="a", by="me"))  # who asks for that made it smaller
    assert served(day, again, there(gpu(0)), "a") == (0,)


# --- an end frees what it held ----------------------------------------------------------------------


def test_a_device_stays_leased_until_a_later_look_shows_it_left() -> None:
    day = planned(ONE, "a", "b")
    state = replayed((*asked("a", "b"), *running("a"), ended("a"), passed("a")))
    busy = there(gpu(0, process(5, 642, "a-1-t")), at=99.0)
    at_the_end = replace(busy, ended_at={"a-1-t": 100.0})
    left = "still to be left by a, whose run has ended"
    assert waits(day, state, at_the_end, "b", 101.0) == (
        f"GPU 0 of gpu: {left}: pid 5 (python, user bob) holds 642 MiB"
    )
    not_since = replace(there(gpu(0), at=99.0), ended_at={"a-1-t": 100.0})
    assert waits(day, state, not_since, "b", 101.0) == f"GPU 0 of gpu: {left}: not looked at since"
    since = replace(there(gpu(0), at=100.5), ended_at={"a-1-t": 100.0})
    assert served(day, state, since, "b", 101.0) == (0,)


def passed(name: str) -> f.StagePassed:
    return f.StagePassed(workstream=name, launch=f.LaunchId(f"{name}-1-t"), next_stage=None)


def test_what_a_run_left_for_a_minute_is_a_stranger_s() -> None:
    day = planned(ONE, "a", "b")
    state = replayed((*asked("a", "b"), *running("a"), ended("a"), passed("a")))
    now = 100.0 + LINGER_LIMIT_S + 1
    seen = replace(there(gpu(0, process(5, 642, "a-1-t")), at=now), ended_at={"a-1-t": 100.0})
    assert waits(day, state, seen, "b", now) == (
        "GPU 0 of gpu: pid 5 (python, user bob) of a-1-t, which has no lease here, holds 642 MiB"
    )


def test_an_end_frees_at_once_where_no_driver_tells() -> None:
    day = planned(ONE, "a", "b")
    state = replayed((*asked("a", "b"), *running("a"), ended("a"), passed("a")))
    seen = replace(there(), ended_at={"a-1-t": 100.0})
    assert served(day, state, seen, "b", 100.0) == (0,)


def test_a_gate_s_processes_are_no_strangers_while_it_holds_a_share() -> None:
    day = planned(SHARED, "a")
    state = replayed((*asked("a"), peak("a", 30000)))
    of_a_gate = there(gpu(0, process(3, 20000, "tests-0123456789abcdef")), gpus_of_gates=(0,))
    assert served(day, state, of_a_gate, "a") == (0,)
    alone = planned(ONE, "a")
    assert waits(alone, state, of_a_gate, "a") == "GPU 0 of gpu: held by a gate"


# --- what is shown ----------------------------------------------------------------------------------


def test_status_names_holders_and_strangers() -> None:
    state = replayed((*asked("a"), *running("a")))
    seen = there(gpu(0, process(1, 500, "a-1-t"), process(2, 600)), gpus_of_gates=(0,))
    found = host_status(gpu_host(gpus=(0,), share=2), state, seen, 0.0)
    (device,) = found.gpus
    assert (device.held_by, device.memory_free_mb) == (("a", "a gate"), TOTAL_MB - 1100)
    assert [(p.pid, p.workstream) for p in device.processes] == [(1, "a"), (2, None)]
    assert (found.driver, found.gpu_note) == (True, "")


@pytest.mark.parametrize(
    ("census", "driver", "note"),
    [
        (None, None, ""),
        (Census(), None, ""),
        (Census(driver=False), False, "1 GPU declared, no driver found: leases go by count alone"),
        (Census(age_s=0.0, gpus=(gpu(1),)), True, "its driver does not show GPU 0"),
        (
            Census(age_s=0.0, divided=(0,)),
            True,
            "GPU 0 is divided by MIG: a lease is of the whole device, and a run sees its "
            "first instance only; give instances by `env` and `slots` instead of `gpu`",
        ),
        (Census(error="sick"), True, "no GPU is given: a look at the GPUs of gpu: sick"),
    ],
)
def test_status_says_where_driver_and_plan_differ(census: Census | None, driver: bool, note: str) -> None:
    seen = Observation(hosts={"gpu": HostSeen(reachable=True, census=census)})
    found = host_status(ONE, replayed(()), seen, 0.0)
    assert (found.driver, found.gpu_note) == (driver, note)
    assert found.gpus[0].memory_total_mb is None


def test_devices_are_counted_as_the_driver_counts_them() -> None:
    assert visible_devices((0, 2)) == {"CUDA_VISIBLE_DEVICES": "0,2", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert visible_devices(()) == {}
