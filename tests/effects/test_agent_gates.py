"""Gates in their own checkouts: exact commits, kept set-ups, nothing of anybody else's touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agent.gates import LOGS_KEPT, run_gates
from orchestrator.errors import CommandFailed, Refused
from orchestrator.wire import Checkout, GateCommand, GateRan, RunGates, encode, frame
from tests.support.agent_scene import Scene, copied, scene_in
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with scene_in(tmp_path, monkeypatch) as made:
        yield made


def asked(scene: Scene, *commands: str, commit: str = "", timeout_s: float = 30, **checkout: Any) -> RunGates:
    return RunGates(
        place=scene.place,
        checkout=Checkout(name="i3d", commit=commit or scene.repo.git("rev-parse", "main"), **checkout),
        gates=tuple(
            GateCommand(gate=f"g{n}", command=command, timeout_s=timeout_s)
            for n, command in enumerate(commands)
        ),
    )


def ran(scene: Scene, *commands: str, **fields: Any) -> list[GateRan]:
    answers: list[Any] = []
    run_gates(asked(scene, *commands, **fields), answers.append)
    return answers


def room(scene: Scene) -> Path:
    return scene.worktree("_gates") / "i3d"


def test_gates_run_on_the_commit_without_a_terminal(scene: Scene) -> None:
    command = "git rev-parse HEAD; test ! -t 0 && test ! -t 1 && ! read x; echo $WANTED; pwd"
    one, two = ran(scene, command, "echo broken >&2; exit 3", env={"WANTED": "here"})
    commit = scene.repo.git("rev-parse", "main")
    assert one.ok and one.tail == f"{commit}\nhere\n{room(scene)}" and one.seconds > 0
    assert (two.ok, two.exit_code, two.tail) == (False, 3, "broken")
    assert Path(two.log).read_text() == "broken\n"
    assert "main" in scene.repo.git("branch", "--show-current")


def test_the_checkout_moves_and_forgets_untracked_files(scene: Scene) -> None:
    scene.repo.commit("ignore", __gitignore="*.cache\n")
    assert ran(scene, "touch left.txt kept.cache; echo x > a.txt; git add -A; true")[0].changed == (
        "a.txt",
        "left.txt",
    )
    later = scene.repo.commit("next", a__txt="four\n")
    (done,) = ran(scene, "cat a.txt; ls", commit=later)
    assert done.ok and done.tail.split() == ["four", "README.md", "a.txt"]


def test_what_earlier_gates_left_ignored_is_gone_and_what_the_setup_made_stays(
    scene: Scene, tmp_path: Path
) -> None:
    scene.repo.commit("ignore", __gitignore="*.o\n__pycache__/\n.venv/\n.env\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious.o").touch()
    given: dict[str, Any] = {"setup": "mkdir .venv; touch .venv/tool", "copy": (copied(".env", "K=1\n"),)}
    leave = (
        f"touch x.o; mkdir -p sub/__pycache__/deep; touch sub/__pycache__/deep/a; ln -s {elsewhere} link.o"
    )
    locked = "mkdir -p sub/__pycache__/ro; touch sub/__pycache__/ro/a; chmod 555 sub/__pycache__/ro"
    assert [done.ok for done in ran(scene, leave, f"{locked}; test -e x.o", **given)] == [True, True]
    (done,) = ran(scene, "find . -path ./.git -prune -o -print | sort; cat .env", **given)
    assert done.tail.split() == [
        ".", "./.env", "./.gitignore", "./.venv", "./.venv/tool", "./README.md", "./a.txt", "K=1",
    ]  # fmt: skip
    assert (elsewhere / "precious.o").exists()


def test_what_a_setup_made_stays_where_git_lists_its_folder_as_a_whole(scene: Scene) -> None:
    scene.repo.commit("ignore", __gitignore="*.o\n", src_s_a__c="int a;\n")
    given = {"setup": "echo made > src/kept.o; echo ran >> count.o"}
    assert ran(scene, "touch src/left.o", **given)[0].ok
    scene.repo.git("rm", "-q", "src/a.c")
    scene.repo.git("commit", "-q", "-m", "gone")
    (done,) = ran(scene, "ls src; cat count.o", **given)
    assert done.tail.split() == ["kept.o", "ran"]


def test_a_checkout_of_before_the_record_is_set_up_afresh(scene: Scene) -> None:
    scene.repo.commit("ignore", __gitignore="*.o\n")
    given = {"setup": "echo ran >> count.o"}
    ran(scene, "touch left.o", **given)
    marker = next(Path(scene.place.common_dir, "worktrees").glob("*/orchestrator-gates.json"))
    content = json.loads(marker.read_text())
    del content["kept"]
    marker.write_text(json.dumps(content))
    assert ran(scene, "ls *.o; cat count.o", **given)[0].tail.split() == ["count.o", "ran"]


def test_a_gate_that_changes_tracked_files_is_not_ok_and_the_next_sees_none_of_it(scene: Scene) -> None:
    first, second, third, fourth = ran(
        scene,
        "echo x > a.txt",
        "cat a.txt",
        "git -c user.name=a -c user.email=a commit -q --allow-empty -m x",
        "true",
    )
    assert (first.ok, first.exit_code, first.changed) == (False, 0, ("a.txt",))
    assert second.ok and second.tail == "one\ntwo\nthree"
    assert third.changed == ("HEAD",) and fourth.ok


def test_a_gate_that_takes_too_long_is_ended_with_all_it_started(scene: Scene) -> None:
    (done,) = ran(scene, "setsid sleep 61 & echo $! > pid; sleep 60", timeout_s=0.5)
    assert (done.ok, done.timed_out) == (False, True)
    pid = int((room(scene) / "pid").read_text())
    eventually(lambda: not Path(f"/proc/{pid}").exists() or ") Z " in Path(f"/proc/{pid}/stat").read_text())


def test_setup_and_copies_come_first_and_setup_only_once(scene: Scene) -> None:
    scene.repo.commit("ignore", __gitignore=".env\nran\n")
    setup = "cat .env >> ran"
    (done,) = ran(scene, "cat ran", setup=setup, copy=(copied(".env", "K=1\n"),))
    assert done.ok and done.tail == "K=1"
    (done,) = ran(scene, "cat ran .env", setup=setup, copy=(copied(".env", "K=2\n"), copied("a.txt", "x")))
    assert done.ok and done.tail == "K=1\nK=2"
    assert ran(scene, "wc -l < ran", setup=setup + "; true", copy=(copied(".env", "K=2\n"),))[0].tail == "2"


def test_a_setup_runs_again_for_other_lock_files(scene: Scene) -> None:
    scene.repo.commit("ignore", __gitignore="ran\n")
    counts = [
        ran(scene, "wc -l < ran", setup="echo x >> ran", locks=locks)[0].tail for locks in ("", "1", "1", "2")
    ]
    assert counts == ["1", "2", "2", "3"]


def test_a_checkout_that_is_not_at_its_tree_is_not_judged(scene: Scene) -> None:
    with pytest.raises(CommandFailed, match="is not at the tree"):
        ran(scene, "true", tree="1" * 40)
    assert ran(scene, "true", tree=scene.repo.git("rev-parse", "main^{tree}"))[0].ok


def test_the_logs_of_the_last_runs_are_kept(scene: Scene) -> None:
    commit = scene.repo.git("rev-parse", "main")
    for number in range(LOGS_KEPT + 2):
        command = GateCommand(gate="g-1", command="echo x >> a.txt", timeout_s=30, run=f"a{number:x}.1")
        checkout = Checkout(name="i3d", commit=commit)
        run_gates(RunGates(place=scene.place, checkout=checkout, gates=(command,)), lambda _: None)
    ran(scene, "true")
    kept = [path.name for path in Path(scene.place.state, "gates", "i3d").glob("g-1-*")]
    assert len(kept) == 2 * LOGS_KEPT  # each with its patch
    assert "g-1-a0.1.log" not in kept


def test_what_a_setup_made_and_git_does_not_ignore_is_made_again(scene: Scene) -> None:
    setup = "mkdir venv; echo x > venv/tool; echo x > a.txt"
    assert [done.ok for done in ran(scene, "test -e venv/tool", setup=setup)] == [True]
    assert [done.ok for done in ran(scene, "test -e venv/tool", setup=setup)] == [True]


def test_a_failed_setup_is_the_only_answer(scene: Scene) -> None:
    (failed,) = ran(scene, "true", setup="echo no; exit 4")
    assert (failed.gate, failed.ok, failed.exit_code, failed.tail) == ("setup", False, 4, "no")
    assert [done.gate for done in ran(scene, "true", setup="true")] == ["g0"]


@pytest.mark.parametrize("kind", ["folder", "worktree"])
def test_what_is_not_ours_is_refused_untouched(scene: Scene, kind: str) -> None:
    if kind == "folder":
        room(scene).mkdir(parents=True)
    else:
        scene.repo.git("worktree", "add", "-q", "--detach", str(room(scene)))
    (room(scene) / "precious").write_text("x")
    with pytest.raises(Refused, match="_gates/i3d"):
        ran(scene, "true")
    assert (room(scene) / "precious").exists()


def test_a_commit_that_is_not_here(scene: Scene) -> None:
    with pytest.raises(CommandFailed, match="no commit"):
        ran(scene, "true", commit="1" * 40)


def test_a_checkout_deleted_by_hand_is_made_again(scene: Scene) -> None:
    ran(scene, "true")
    subprocess.run(["rm", "-rf", str(room(scene))], check=True)
    assert [done.ok for done in ran(scene, "test -e a.txt", setup="true")] == [True]


def test_a_gate_left_by_a_killed_agent_is_ended_before_the_next(scene: Scene) -> None:
    agent = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.agent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
    )
    assert agent.stdin is not None
    agent.stdin.write(frame({"id": 1, "request": encode(asked(scene, "echo $$ > pid; exec sleep 60"))}))
    agent.stdin.flush()
    pid = int(eventually(lambda: (p := room(scene) / "pid").exists() and p.read_text().strip()))
    os.kill(agent.pid, signal.SIGKILL)
    agent.wait()
    assert Path(f"/proc/{pid}").exists()
    (done,) = ran(scene, f"test ! -d /proc/{pid}")
    assert done.ok
