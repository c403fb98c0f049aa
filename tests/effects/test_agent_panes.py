"""Looking into sessions, typing, closing: ours only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.agent import panes
from orchestrator.agent.sessions import Opening, Tmux
from orchestrator.errors import CommandFailed, Refused
from orchestrator.wire import Capture, CloseSessions, Type
from tests.support.agent_scene import Scene, scene_in
from tests.support.eventually import eventually


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with scene_in(tmp_path, monkeypatch) as made:
        yield made


def capture(scene: Scene, *sessions: str, lines: int = 5) -> dict[str, str]:
    return panes.capture(Capture(tmux_socket=scene.tmux.socket, sessions=sessions, lines=lines)).panes


def send(scene: Scene, text: str, enter: bool = True) -> None:
    panes.type_text(Type(tmux_socket=scene.tmux.socket, session="p_i3d", text=text, enter=enter))


def close(scene: Scene, *sessions: str) -> None:
    panes.close_sessions(CloseSessions(tmux_socket=scene.tmux.socket, sessions=sessions))


def test_without_a_server_nothing_is_there(scene: Scene) -> None:
    assert capture(scene, "p_i3d") == {}
    close(scene, "p_i3d")
    with pytest.raises(CommandFailed, match="no tmux session"):
        send(scene, "x")


def test_many_screens_are_captured_at_once(scene: Scene) -> None:
    entries = [scene.entry(f"w{n}", command=f"seq 20; echo 'ünï {n}'; sleep 60") for n in range(3)]
    scene.start(*entries)
    names = [f"p_w{n}" for n in range(3)]
    found = eventually(
        lambda: (
            (c := capture(scene, *names, "p_absent", lines=2))
            and all("ünï" in text for text in c.values())
            and c
        )
    )
    assert found == {f"p_w{n}": f"20\nünï {n}" for n in range(3)}


@pytest.mark.parametrize(
    "text",
    [
        "hello; world;",
        "-l Enter",
        "it's $HOME `x`",
        "ünïcode ✓",
        "#{session_name}",
        "long " * 400 + "end",
        "",
    ],
)
def test_typed_text_arrives_as_it_is(scene: Scene, text: str) -> None:
    wanted = scene.entry(command="stty -echo; echo ready; IFS= read -r line; printf '%s' \"$line\" > typed")
    scene.started(wanted)
    eventually(lambda: "ready" in capture(scene, "p_i3d").get("p_i3d", ""))
    send(scene, text)
    scene.ended(wanted)
    assert (scene.worktree("i3d") / "typed").read_text() == text


def test_lines_arrive_as_lines(scene: Scene) -> None:
    wanted = scene.entry(command="stty -echo; echo ready; head -n 3 > typed")
    scene.started(wanted)
    eventually(lambda: "ready" in capture(scene, "p_i3d").get("p_i3d", ""))
    send(scene, "one\ntwo;\nthree")
    scene.ended(wanted)
    assert (scene.worktree("i3d") / "typed").read_text() == "one\ntwo;\nthree\n"


def test_typing_to_an_ended_worker_says_so(scene: Scene) -> None:
    wanted = scene.entry(command="true")
    scene.started(wanted)
    eventually(lambda: scene.tmux.pane("p_i3d", "#{pane_dead}") == "1")
    with pytest.raises(CommandFailed, match="has ended"):
        send(scene, "x")


def test_nothing_is_typed_into_a_foreign_session(scene: Scene) -> None:
    scene.tmux.run("new-session", "-d", "-s", "p_i3d", "cat")
    with pytest.raises(Refused, match="not ours"):
        send(scene, "x")


def test_a_foreign_session_is_not_looked_into(scene: Scene) -> None:
    scene.tmux.run("new-session", "-d", "-s", "p_mine", "echo secret; sleep 60")
    scene.started(scene.entry(command="echo hello; sleep 60"))
    eventually(lambda: "secret" in scene.tmux.screen("p_mine"))
    found = eventually(lambda: (c := capture(scene, "p_i3d", "p_mine")) and c.get("p_i3d") and c)
    assert found == {"p_i3d": "hello"}


def test_only_ended_sessions_of_ours_are_closed(scene: Scene) -> None:
    scene.tmux.run("new-session", "-d", "-s", "mine", "sleep 60")
    ended, running = scene.entry("a", command="true"), scene.entry("b")
    scene.start(ended, running)
    scene.running(running)
    eventually(lambda: scene.tmux.pane("p_a", "#{pane_dead}") == "1")
    with pytest.raises(Refused, match="mine"):
        close(scene, "p_a", "mine", "p_absent")
    with pytest.raises(Refused, match="still running: p_b"):
        close(scene, "p_b")
    assert scene.tmux.sessions() == ["mine", "p_b"]


def test_more_sessions_than_one_command_line_holds(scene: Scene, tmp_path: Path) -> None:
    folder = tmp_path / ("long #{name} " + "x" * 180)
    folder.mkdir()
    openings = [
        Opening(session=f"s{n}", launch=f"l{n}", folder=folder, argv=("/bin/sh", "-c", "pwd; sleep 60;"))
        for n in range(60)
    ]
    openings[30] = Opening(session="s1", launch="twice", folder=folder, argv=("true",))
    failed = Tmux(scene.tmux.socket).open(openings)
    assert list(failed) == ["twice"] and "duplicate session" in failed["twice"]
    assert len(scene.tmux.sessions()) == 59
    eventually(lambda: str(folder) in scene.tmux.run("capture-pane", "-p", "-J", "-t", "=s59:"))


def test_sessions_an_earlier_agent_s_last_command_opens_are_no_failure(scene: Scene, tmp_path: Path) -> None:
    openings = [
        Opening(session=f"s{n}", launch=f"l{n}", folder=tmp_path, argv=("sleep", "60")) for n in range(4)
    ]
    tmux = Tmux(scene.tmux.socket)
    assert tmux.open([openings[0], openings[2]]) == {}
    assert tmux.open(openings) == {}
    assert scene.tmux.sessions() == ["s0", "s1", "s2", "s3"]
