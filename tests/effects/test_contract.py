"""What the daemon may rely on from an agent, the same through a pipe and through SSH."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import tempfile
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator import wire
from orchestrator.core.plan import LOCAL, Host
from orchestrator.errors import CommandFailed, HostUnreachable, Refused
from orchestrator.link import Link, open_link
from tests.support.eventually import eventually
from tests.support.repository import Repository, pin, repository_at
from tests.support.sshd import run_sshd
from tests.support.tmux import TmuxServer, tmux_server

CALL_S = 20.0
# Prints, echoes what is typed, and saves when it is told to end.
WORKER = (
    "trap 'echo saved; exit 75' TERM; echo started; while read -r line; do echo got $line; done; sleep 100"
)


@dataclass
class Stage:
    """A repository, a tmux server, and a link to the real agent that works on both."""

    host: Host
    link: Link
    repo: Repository
    tmux: TmuxServer
    place: wire.Place
    # A launch is known by its id on the whole host: another test's must not end ours.
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def call(self, request: object, *, on_item: Any = None) -> Any:
        return self.link.call(request, deadline_s=CALL_S, on_item=on_item)

    def items(self, request: object) -> list[Any]:
        found: list[Any] = []
        assert self.call(request, on_item=found.append) == wire.Finished()
        return found

    def start(self, name: str = "i3d", command: str = WORKER) -> wire.Watched:
        path = Path(self.place.worktrees, name)
        worktree = wire.Worktree(
            workstream=name, path=str(path), branch=f"p/{name}", start="main", results="results"
        )
        launch = wire.Launch(
            launch=f"{name}-{self.token}",
            session=f"p_{name}",
            wave=1,
            stage="run",
            attempt=1,
            command=command,
            env={"GREETING": "hé"},
            ports=0,
            beat_s=0.2,
            stop_grace_s=5.0,
        )
        entry = wire.StartEntry(worktree=worktree, launch=launch)
        request = wire.Start(place=self.place, tmux_socket=self.tmux.socket, entries=(entry,))
        (started,) = self.items(request)
        assert isinstance(started, wire.Started), started
        return wire.Watched(launch=launch.launch, results=str(path / "results"))

    def seen(self, watched: wire.Watched) -> Any:
        return self.call(wire.Probe(place=self.place, launches=(watched,))).launches[0]

    def screen(self, session: str = "p_i3d") -> str:
        request = wire.Capture(tmux_socket=self.tmux.socket, sessions=(session, "p_none"), lines=20)
        panes: dict[str, str] = self.call(request).panes
        assert "p_none" not in panes
        return panes.get(session, "")

    def gates(self, *gates: wire.GateCommand) -> wire.RunGates:
        commit = self.repo.git("rev-parse", "main")
        return wire.RunGates(place=self.place, checkout=wire.Checkout(name="i3d", commit=commit), gates=gates)


@pytest.fixture(params=["local", "ssh"])
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """This machine, or this machine through a real sshd; neither sees the user's home or tmux server."""
    with ExitStack() as stack:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        if request.param == "local":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="orc-", dir="/tmp"))
            monkeypatch.setenv("TMUX_TMPDIR", folder)
            monkeypatch.setenv("HOME", str(tmp_path))
            yield Host(name=LOCAL)
        else:
            sshd = stack.enter_context(run_sshd(tmp_path / "gpu"))
            monkeypatch.setenv("ORCHESTRATOR_SSH_CONFIG", str(sshd.config))
            monkeypatch.setenv("TMUX_TMPDIR", str(sshd.tmux_folder))
            yield sshd.host()


@pytest.fixture
def stage(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    pin(monkeypatch, tmp_path)
    with (
        tmux_server() as tmux,
        repository_at(tmp_path / "my repo") as repo,
        open_link(host, deadline_s=CALL_S) as link,
    ):
        opening = wire.OpenRepository(project="p", owner="me", repository=str(repo.path))
        made = Stage(host, link, repo, tmux, link.call(opening, deadline_s=CALL_S))
        try:
            yield made
        finally:
            _end_workers(made)


def _end_workers(stage: Stage) -> None:
    folder = Path(stage.place.state, "launches")
    launches = tuple(path.name for path in folder.iterdir()) if folder.is_dir() else ()
    with open_link(stage.host, deadline_s=CALL_S) as link:
        link.call(wire.Stop(place=stage.place, launches=launches, grace_s=0.0), deadline_s=CALL_S)


def test_it_says_who_it_is(stage: Stage) -> None:
    facts = stage.call(wire.Hello())
    assert facts == stage.link.facts
    assert facts.protocol == wire.PROTOCOL_VERSION
    assert facts.git.startswith("git version ")
    assert facts.tmux.startswith("tmux ")


def test_it_inspects_the_host(stage: Stage) -> None:
    inspection = stage.call(wire.Inspect(folder=str(stage.repo.path)))
    assert inspection.folder_writable
    assert inspection.disk_total_bytes == shutil.disk_usage(stage.repo.path).total


def test_it_finds_a_repository_and_makes_a_clone(stage: Stage, tmp_path: Path) -> None:
    assert stage.place.repository == str(stage.repo.path)
    assert stage.place.state == str(stage.repo.path / ".git" / "orchestrator")
    root = tmp_path / "made"
    made = stage.call(wire.OpenRepository(project="p", owner="me", root=str(root)))
    assert Path(made.repository) == root / "p"
    assert stage.call(wire.OpenRepository(project="p", owner="you", root=str(root))) == made
    assert stage.call(wire.Claim(place=made, owner="you", daemon="d", take_over=True)).taken_from == "me"
    with pytest.raises(Refused, match="taken over by you"):
        stage.call(wire.Claim(place=made, owner="me", daemon="e", fence=1))


def test_a_worker_starts_works_and_saves_when_stopped(stage: Stage) -> None:
    watched = stage.start()
    assert stage.tmux.sessions() == ["p_i3d"]
    eventually(lambda: stage.seen(watched).alive, message="alive")
    eventually(lambda: "started" in stage.screen(), message="started")
    stage.call(wire.Type(tmux_socket=stage.tmux.socket, session="p_i3d", text="wörld; $HOME"))
    eventually(lambda: "got wörld; $HOME" in stage.screen(), message="echo")
    (stopped,) = stage.items(wire.Stop(place=stage.place, launches=(watched.launch,), grace_s=5.0))
    assert stopped.exit.exit_code == 75
    assert stage.seen(watched).exit == stopped.exit
    part = stage.call(wire.ReadLog(place=stage.place, workstream="i3d", lines=100))
    text = base64.b64decode(part.text).decode()
    assert "started" in text
    assert "got wörld; $HOME" in text
    assert "saved" in text
    rest = stage.call(wire.ReadLog(place=stage.place, workstream="i3d", offset=part.offset))
    assert rest == wire.LogPart(text="", offset=part.offset)


def test_a_start_is_repeatable(stage: Stage) -> None:
    watched = stage.start()
    eventually(lambda: stage.seen(watched).alive, message="alive")
    assert stage.start() == watched
    assert stage.tmux.sessions() == ["p_i3d"]


def test_a_worker_gets_its_environment(stage: Stage) -> None:
    watched = stage.start(command='printf "%s" "$GREETING $ORCHESTRATOR_WORKSTREAM" > results/said')
    eventually(lambda: stage.seen(watched).exit, message="ended")
    assert stage.seen(watched).exit.exit_code == 0
    assert Path(watched.results, "said").read_text() == "hé i3d"


def test_gates_run_on_the_commit(stage: Stage) -> None:
    passes = wire.GateCommand(gate="tests", command="cat a.txt", timeout_s=20)
    fails = wire.GateCommand(gate="types", command="echo bad >&2; exit 3", timeout_s=20)
    first, second = stage.items(stage.gates(passes, fails))
    assert (first.gate, first.ok, first.exit_code) == ("tests", True, 0)
    assert "two" in first.tail
    assert (second.gate, second.ok, second.exit_code) == ("types", False, 3)
    assert "bad" in second.tail


def test_tips_and_changes(stage: Stage) -> None:
    watched = stage.start()
    tips = stage.call(wire.ReadTips(place=stage.place, branches=("main", "p/i3d", "nowhere")))
    main = stage.repo.git("rev-parse", "main")
    assert tips.commits == {"main": main, "p/i3d": main}
    worktree = Path(watched.results).parent
    (worktree / "a.txt").write_text("changed")
    (worktree / "new file").write_text("new")
    (changes,) = stage.call(wire.ReadChanges(paths=(str(worktree), "/nowhere"))).worktrees
    assert changes.tracked == ("a.txt",)
    assert changes.untracked == ("new file",)


def test_a_failure_arrives_as_our_error(stage: Stage) -> None:
    with pytest.raises(CommandFailed, match="there is no tmux session p_none"):
        stage.call(wire.Type(tmux_socket=stage.tmux.socket, session="p_none", text="hello"))
    assert stage.link.alive


def test_a_long_call_does_not_hold_up_a_short_one(stage: Stage, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    waits = wire.GateCommand(
        gate="slow", command=f"until [ -e '{go_on}' ]; do sleep 0.05; done", timeout_s=60
    )
    answered = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(stage.call, stage.gates(waits), on_item=lambda _: answered.set())
        for _ in range(20):
            stage.call(wire.Hello())
        assert not answered.is_set()
        go_on.touch()
        assert slow.result(timeout=30) == wire.Finished()
    assert answered.is_set()


def test_many_callers_at_once(stage: Stage) -> None:
    watched = stage.start()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: stage.seen(watched).launch, range(100)))
    assert answers == [watched.launch] * 100


def test_a_running_worker_says_where_it_stands(stage: Stage) -> None:
    watched = stage.start()
    eventually(lambda: stage.seen(watched).last_line == "started")
    request = wire.DumpStacks(place=stage.place, workstream="i3d", launch=watched.launch)
    found = stage.call(request)
    assert "trap 'echo saved; exit 75' TERM" in found.text and Path(found.path).read_text() == found.text
    with pytest.raises(Refused, match="does not run"):
        stage.call(wire.DumpStacks(place=stage.place, workstream="i3d", launch="never"))


def test_workers_outlive_the_agent(stage: Stage) -> None:
    watched = stage.start()
    eventually(lambda: stage.seen(watched).alive, message="alive")
    before = stage.seen(watched)
    os.kill(stage.link.facts.pid, signal.SIGKILL)
    with pytest.raises(HostUnreachable):
        stage.call(wire.Hello())
    probe = wire.Probe(place=stage.place, launches=(watched,))
    with open_link(stage.host, deadline_s=CALL_S) as link:

        def beats_on() -> bool:
            (seen,) = link.call(probe, deadline_s=CALL_S).launches
            assert seen.alive, f"{seen} was {before}"
            return bool(seen.beat_seq > before.beat_seq)

        eventually(beats_on, message=f"beats on after {before}")


def test_a_stopped_agent_is_unreachable_by_the_deadline(stage: Stage) -> None:
    os.kill(stage.link.facts.pid, signal.SIGSTOP)
    try:
        with pytest.raises(HostUnreachable, match=r"did not answer Hello within 0\.3 s"):
            stage.link.call(wire.Hello(), deadline_s=0.3)
    finally:
        _continue(stage.link.facts.pid)


def _continue(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return
