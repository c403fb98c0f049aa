"""Who runs when: one run of a key, a budget for each host, shares of its GPUs, checkouts for candidates."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.core import facts as f
from orchestrator.core.facts import LaunchId
from orchestrator.core.plan import LOCAL, Gate, Host
from orchestrator.errors import Refused
from orchestrator.gates import (
    GateVerdict,
    Outcome,
    gpus_of_gates,
    run_gates,
    run_wave_gates,
    run_workstream_gates,
)
from orchestrator.gates.jobs import AT_ONCE_ON_A_HOST
from orchestrator.gates.turns import turn
from tests.support import landing
from tests.support.driver import Driver
from tests.support.eventually import eventually
from tests.support.landing import Desk, Scene, gate, scene_fixture, workstream

__all__ = ["scene_fixture"]

ONE_GPU = Host(name=LOCAL, gpus=(3,))


def run(scene: Scene, desk: Desk) -> GateVerdict:
    return run_workstream_gates(desk, desk.plan.workstream("a"), scene.tip("p/a"))[0]


# --- one run of a key -------------------------------------------------------------------------------


def held(scene: Scene, ends: str) -> tuple[Gate, Path, Path]:
    """A gate that ends when a file appears; where its runs leave their lines, and that file."""
    runs, go = (scene.root.parent / name for name in ("runs", "go"))
    runs.touch()
    return gate("held", f"echo run >> '{runs}'; until test -e '{go}'; do sleep 0.02; done; {ends}"), runs, go


@pytest.mark.parametrize(("ends", "outcome"), [("true", Outcome.GREEN), ("echo no; exit 3", Outcome.RED)])
def test_who_asks_while_it_runs_takes_its_verdict(scene: Scene, ends: str, outcome: Outcome) -> None:
    asked, runs, go = held(scene, ends)
    scene.work("a", {"a": "1"})
    desks = [scene.desk(workstream("a", asked)) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(run, scene, desks[0])
        eventually(lambda: runs.read_text(), message="it runs")
        others = [pool.submit(run, scene, desk) for desk in desks[1:]]
        said = "held of a waits for the same run"
        eventually(lambda: all(said in desk.said for desk in desks[1:]), message="they wait")
        go.touch()
        verdicts = [one.result(timeout=20) for one in (first, *others)]
    assert [(v.outcome, v.cached) for v in verdicts] == [(outcome, False), (outcome, True), (outcome, True)]
    assert len({v.message for v in verdicts}) == 1
    assert runs.read_text() == "run\n"
    assert not list((desks[0].home.state.gates / "turns").iterdir())
    assert run(scene, desks[0]).cached is (outcome is Outcome.GREEN)  # a red is for those who waited only


def test_what_a_killed_run_left_in_its_turn_is_no_verdict(tmp_path: Path) -> None:
    def never() -> None:
        raise AssertionError("nobody holds it")

    (tmp_path / "key").write_text('{"outcome": "red"}')
    with turn(tmp_path / "key", never, join=True) as mine:
        assert mine.said == {}
        assert (tmp_path / "key").read_text() == ""
        mine.tell({"outcome": "green"})
    assert not (tmp_path / "key").exists()


def test_a_turn_is_not_waited_for_longer_than_somebody_wants_it(tmp_path: Path) -> None:
    def gone() -> None:
        raise Refused("interrupted.")

    with turn(tmp_path / "key", gone, join=True):  # noqa: SIM117 - the second is the one that waits
        with pytest.raises(Refused), turn(tmp_path / "key", gone, join=True):
            pass


# --- budget and checkouts ---------------------------------------------------------------------------


def test_no_more_than_the_budget_run_side_by_side_whoever_asks(scene: Scene) -> None:
    """Each gate notes how many it sees at once; four ask from two desks."""
    here = scene.root.parent
    note = (
        f"mkdir '{here}/at'.$$; ls -d '{here}'/at.* | wc -l >> '{here}/seen'; sleep 0.1; rmdir '{here}/at'.$$"
    )
    names = "abcd"
    for name in names:
        scene.work(name, {name: "1"})
    desks = [scene.desk(*(workstream(name, gate("note", note)) for name in names)) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(run_gates, desk, {name: scene.tip(f"p/{name}") for name in half})
            for desk, half in zip(desks, (names[:2], names[2:]), strict=True)
        ]
        assert all(v.ok for one in asked for v in one.result(timeout=30))
    assert max(map(int, (here / "seen").read_text().split())) <= AT_ONCE_ON_A_HOST


def test_candidates_of_a_wave_are_tried_side_by_side(scene: Scene) -> None:
    """Each waits for the other: in one checkout they would time out."""
    here = scene.root.parent
    meet = f"touch '{here}'/met.$(cat a); until test $(ls '{here}'/met.* | wc -l) = 2; do sleep 0.02; done"
    scene.work("a", {"a": "1"})
    desk = scene.desk(workstream("a"), waves={1: {"gates": (gate("meet", meet, timeout_s=20),)}})
    wave, base = desk.plan.workstream("a").wave, scene.tip("main")
    candidates = [scene.tip("p/a"), scene.work("a", {"a": "2"})]
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(run_wave_gates, desk, wave, candidate, base=base) for candidate in candidates]
        assert [one.result(timeout=30)[0].outcome for one in asked] == [Outcome.GREEN] * 2


# --- GPUs -------------------------------------------------------------------------------------------


def launch(desk: Desk, name: str, *gpus: int) -> f.LaunchChosen:
    chosen = f.LaunchChosen(
        workstream=name, launch=LaunchId(f"{name}-1"), host=LOCAL, stage="run", attempt=1, gpus=gpus
    )
    desk.record(f.StartAsked(workstream=name, by="test"), chosen)
    return chosen


def test_a_gate_waits_for_the_gpu_that_a_worker_holds(scene: Scene) -> None:
    scene.work("a", {"a": "1"})
    given = gate("cuda", 'test "$CUDA_VISIBLE_DEVICES" = 3', gpu=1)
    desk = scene.desk(workstream("a", given), workstream("b", gpu=1), hosts=(ONE_GPU,), done=False)
    chosen = launch(desk, "b", 3)
    with ThreadPoolExecutor(1) as pool:
        asked: Future[GateVerdict] = pool.submit(run, scene, desk)
        said = "cuda of a waits for GPU 3 of local: held by b"
        eventually(lambda: said in desk.said, message=said)
        how = {"exit_code": 0, "signal": None, "cause": "exited", "ended": 0.0, "elapsed_s": 1.0}
        desk.record(f.LaunchEnded(workstream="b", launch=chosen.launch, **how))
        assert asked.result(timeout=20).ok


def test_a_gate_waits_for_a_stranger_on_its_device(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = Driver(tmp_path / "driver", 8192, 8192, 8192, 8192)
    driver.hold(3, os.getpid(), 642)
    monkeypatch.setenv("PATH", driver.path)
    monkeypatch.setattr(landing, "_links", [])  # the other tests' agent knows no driver
    scene.work("a", {"a": "1"})
    given = gate("cuda", 'test "$CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER" = "3 PCI_BUS_ID"', gpu=1)
    desk = scene.desk(workstream("a", given), hosts=(ONE_GPU,))
    with ThreadPoolExecutor(1) as pool:
        asked: Future[GateVerdict] = pool.submit(run, scene, desk)
        said = f"cuda of a waits for GPU 3 of local: pid {os.getpid()} (python, user "
        eventually(lambda: any(line.startswith(said) for line in desk.said), message=said)
        driver.let_go()
        assert asked.result(timeout=20).ok
    desk.site(LOCAL).link.close()


def test_gates_share_no_device_beyond_its_share_and_the_daemon_sees_theirs(scene: Scene) -> None:
    here = scene.root.parent
    alone = f"mkdir '{here}/alone' && sleep 0.2 && rmdir '{here}/alone'"
    for name in "ab":
        scene.work(name, {name: "1"})
    desk = scene.desk(*(workstream(n, gate("cuda", alone, gpu=1)) for n in "ab"), hosts=(ONE_GPU,))
    assert gpus_of_gates(desk.home, ONE_GPU) == ()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(run_gates, desk, {name: scene.tip(f"p/{name}") for name in "ab"})
        eventually((here / "alone").exists, message="one runs")
        assert gpus_of_gates(desk.home, ONE_GPU) == (3,)
        assert [verdict.outcome for verdict in asked.result(timeout=20)] == [Outcome.GREEN] * 2
    assert gpus_of_gates(desk.home, ONE_GPU) == ()
