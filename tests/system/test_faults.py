"""A sample of `make faults`: the product under a few faults, and the suite itself, which can find some."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from faults import cuts, files, kills, walk
from faults.figures import NotRun, Options, Subject, none_of, within
from faults.link import Relay
from faults.scene import FOREVER, Scene, scene
from faults.walk import Walk
from tests.support.eventually import eventually

FEW = Options(seed=5, cuts=3, few=True)


def missed(subject: Subject) -> list[str]:
    """The aims that were missed; nothing may be left out for want of a program."""
    answers = list(subject(FEW))
    assert answers and not [a for a in answers if isinstance(a, NotRun) and "--long" not in a.why]
    return [" ".join(a.row()) for a in answers if not isinstance(a, NotRun) and a.met is False]


def test_three_cuts_restart_and_lose_nothing() -> None:
    assert missed(cuts.measure) == []


def test_hostile_files_deceive_nobody() -> None:
    assert missed(files.measure) == []


def test_what_is_killed_at_a_transition_comes_to_its_end() -> None:
    assert missed(kills.measure) == []


def test_a_short_walk_of_faults_keeps_to_the_model() -> None:
    assert missed(walk.measure) == []


def test_a_figure_beyond_its_aim_is_missed() -> None:
    assert none_of("restarts", 1).met is False and none_of("restarts", 0).met
    assert within("known", 3.1, 3.0).met is False and within("known", 3.0, 3.0).met


@pytest.fixture(name="near", scope="module")
def near_fixture() -> Iterator[Scene]:
    """One worker on this machine."""
    with scene(poll_s=0.2) as stage:
        stage.plan(stage.line("near", "local", stage.command(FOREVER)))
        stage.project.ok("up")
        stage.until_all("running", ["near"])
        eventually(lambda: stage.workers("near"), message="it runs")
        yield stage


def test_the_suite_sees_who_runs(near: Scene) -> None:
    (worker,) = near.workers("near")
    (supervisor,) = near.supervisors()
    assert worker.pid != supervisor.pid and worker in near.left_over()
    assert len(near.agents()) == len(near.tmux_servers()) == 1


def test_a_second_live_worker_is_counted(near: Scene, tmp_path: Path) -> None:
    before = near.doubles()
    given = {"STAGE": "run", "ATTEMPT": "2", "RESULTS": str(tmp_path), "WORKSTREAM": "near"}
    env = {f"ORCHESTRATOR_{name}": value for name, value in given.items()} | {
        "PATH": near.project.env["PATH"]
    }
    subprocess.run(near.command(1).split(), env=env, check=True)
    assert near.doubles() == before + 1


def test_the_model_notices_a_start_that_it_did_not_expect(near: Scene) -> None:
    """Beside a scene in which a step went wrong: a worker began once more than it says."""
    walker = Walk(near, Random(1), {"near": "local"})
    with (near.marks / "near.runs").open("a") as file:
        file.write("start run 7\n")
    with pytest.raises(AssertionError, match="starts of 1"):
        walker.check(within_s=0.5)


def test_a_cut_relay_holds_everything_back_and_a_healed_one_loses_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_echo, args=(server,), daemon=True).start()
        relay = Relay(server.getsockname()[1])
        try:
            with socket.create_connection(("127.0.0.1", relay.port)) as near:
                near.settimeout(0.5)
                near.sendall(b"one")
                assert near.recv(10) == b"one"
                relay.cut()
                near.sendall(b"two")
                with pytest.raises(TimeoutError):
                    near.recv(10)
                relay.heal()
                near.settimeout(10)
                assert near.recv(10) == b"two"
                relay.drop()
                assert near.recv(10) == b""
        finally:
            relay.close()


def _echo(server: socket.socket) -> None:
    peer, _ = server.accept()
    while data := peer.recv(100):
        peer.sendall(data)
