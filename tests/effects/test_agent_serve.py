"""The agent as a process: frames in, frames out, one request's bug or patience no other's business."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.wire import (
    PROTOCOL_VERSION,
    Failure,
    Finished,
    Hello,
    HostFacts,
    Inspect,
    OpenRepository,
    Probe,
    Seen,
    decode,
    encode,
    frame,
    read_frame,
)
from tests.support.agent_scene import Scene, scene_in
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[2]


class Agent:
    def __init__(self, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator.agent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **environment},
        )

    def send(self, number: int, message: object) -> None:
        self.write(frame({"id": number, "request": encode(message)}))

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def answer(self) -> tuple[int, str, Any]:
        assert self.process.stdout is not None
        document = read_frame(self.process.stdout.read)
        (kind,) = document.keys() - {"id"}
        return document["id"], kind, decode(document[kind])

    def ends(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(5)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with scene_in(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def agent() -> Iterator[Agent]:
    made = Agent()
    yield made
    made.process.kill()
    made.process.wait()


def test_a_request_and_its_answer(agent: Agent) -> None:
    agent.send(7, Hello())
    number, kind, facts = agent.answer()
    assert (number, kind) == (7, "reply") and isinstance(facts, HostFacts)
    assert facts.pid == agent.process.pid
    assert agent.ends() == 0


def test_a_failure_is_an_answer(agent: Agent, tmp_path: Path) -> None:
    agent.send(1, OpenRepository(project="p", owner="me", repository=str(tmp_path / "absent")))
    assert agent.answer()[1:] == (
        "error",
        Failure(kind="failed", message=f"{tmp_path}/absent is no directory"),
    )
    agent.send(2, OpenRepository(project="../p", owner="me", root=str(tmp_path)))
    assert agent.answer()[2].kind == "refused"
    agent.send(3, Hello())
    assert agent.answer()[:2] == (3, "reply")


def test_a_bug_ends_one_request_only(agent: Agent) -> None:
    agent.send(1, Finished())
    number, kind, failure = agent.answer()
    assert (number, kind, failure.kind) == (1, "error", "bug") and "Traceback" in failure.message
    agent.write(frame({"id": 2, "request": {"is": "Nonsense"}}))
    assert agent.answer()[2].kind == "bug"
    agent.send(3, Hello())
    assert agent.answer()[0] == 3


def test_bytes_that_are_no_frame_end_the_agent(agent: Agent) -> None:
    agent.write(b"GET / HTTP/1.1\r\n\r\n")
    assert agent.process.wait(5) == 3


def test_a_probe_does_not_wait_for_a_setup(scene: Scene, agent: Agent) -> None:
    gate = scene.repo.path / "gate"
    agent.send(1, scene.request(scene.entry(setup=f"until test -e '{gate}'; do sleep 0.05; done")))
    eventually((Path(scene.place.state) / "setups" / "i3d" / "supervisor.json").exists)
    agent.send(2, Probe(place=scene.place, launches=()))
    number, _, seen = agent.answer()
    assert number == 2 and isinstance(seen, Seen)
    gate.touch()
    assert [agent.answer()[1] for _ in range(2)] == ["item", "reply"]


def test_workers_live_on_when_the_agent_s_input_ends(scene: Scene, agent: Agent) -> None:
    wanted = scene.entry()
    agent.send(1, scene.request(wanted))
    assert [agent.answer()[1] for _ in range(2)] == ["item", "reply"]
    assert agent.ends() == 0
    assert scene.running(wanted).alive


def test_what_points_git_or_tmux_elsewhere_is_not_passed_on(scene: Scene) -> None:
    agent = Agent(GIT_DIR="/nonexistent", TMUX="/nonexistent,1,0", ORCHESTRATOR_STAGE="outer")
    wanted = scene.entry(command="env | grep -E '^(GIT_DIR|ORCHESTRATOR_STAGE)='; echo $TERM")
    agent.send(1, scene.request(wanted))
    assert agent.answer()[1] == "item"
    scene.ended(wanted)
    assert "GIT_DIR" not in scene.log("i3d") and "ORCHESTRATOR_STAGE=run" in scene.log("i3d")
    assert agent.ends() == 0


def test_only_the_standard_library_libtmux_and_gitpython_are_imported() -> None:
    program = (
        "import sys; before = set(sys.modules); import orchestrator.agent.serve, git.cmd; "
        "print(*{n.partition('.')[0] for n in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= {"orchestrator", "libtmux", "git", "gitdb", "smmap"}


def test_inspect_answers_through_the_stream(agent: Agent) -> None:
    agent.send(1, Inspect(folder="/"))
    assert agent.answer()[2].disk_total_bytes > 0


def test_who_speaks_another_protocol_is_refused(agent: Agent) -> None:
    agent.send(1, Hello(protocol=PROTOCOL_VERSION + 1))
    said = f"the agent speaks protocol {PROTOCOL_VERSION}, whoever asks {PROTOCOL_VERSION + 1}"
    assert agent.answer() == (1, "error", Failure(kind="refused", message=said))
