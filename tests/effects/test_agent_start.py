"""A Start on real git and tmux: what it makes, what it refuses, and that twice is once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator import supervise
from orchestrator.agent.environment import unpack
from orchestrator.shipping import agent_shipment
from orchestrator.wire import NotStarted, Start, Started, encode, frame
from tests.support.agent_scene import Scene, copied, scene_in
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with scene_in(tmp_path, monkeypatch) as made:
        yield made


def test_a_worker_runs_in_its_worktree_with_its_variables(scene: Scene) -> None:
    wanted = scene.entry(
        command='env | grep ORCH; echo "secret is $TOKEN"; pwd; git branch --show-current',
        launch_env={"TOKEN": "s3cret"},
        launch_ports=2,
        skeleton=("src/models", "src/models/deep", "a.txt.d"),
        copy=(copied(".env", "K=1\n"),),
    )
    answer = scene.started(wanted)
    seen = scene.ended(wanted)
    log = scene.log("i3d")
    assert seen.exit is not None and seen.exit.exit_code == 0
    assert (answer.made_branch, answer.tip) == (True, scene.repo.git("rev-parse", "main"))
    assert f"ORCHESTRATOR_RESULTS={scene.worktree('i3d')}/results" in log
    assert f"ORCHESTRATOR_PORT={answer.port}" in log
    assert "ORCHESTRATOR_WORKSTREAM=i3d" in log and "ORCHESTRATOR_ATTEMPT=1" in log
    assert "secret is s3cret" in log and str(scene.worktree("i3d")) in log and "p/i3d" in log
    worktree = scene.worktree("i3d")
    assert [p.name for p in worktree.rglob(".gitkeep")] == [".gitkeep", ".gitkeep"]
    assert not (worktree / "src/models/.gitkeep").exists()
    assert stat.S_IMODE((worktree / ".env").stat().st_mode) == 0o600
    spec = Path(scene.place.state, "launches", answer.launch, "spec.json")
    assert stat.S_IMODE(spec.stat().st_mode) == 0o600
    assert scene.repo.git("branch", "--list", "p/i3d", "--format=%(upstream)") == ""


def test_the_contract_files_are_kept_out_of_git(scene: Scene) -> None:
    exclude = scene.repo.path / ".git" / "info" / "exclude"
    exclude.write_text("mine")
    wanted = scene.entry(results="out [1]/#x", command="true")
    scene.started(wanted)
    scene.ended(wanted)
    assert (scene.worktree("i3d") / "out [1]/#x/exit.json").exists()
    assert scene.repo.git("status", "--porcelain", cwd=scene.worktree("i3d")) == ""
    before = exclude.read_text()
    scene.started(scene.entry(results="out [1]/#x", command="true", launch="second"))
    assert exclude.read_text() == before
    assert before.startswith("mine\n")


def test_twice_is_once(scene: Scene) -> None:
    wanted = scene.entry(command="echo begun >> begun; sleep 60", launch_ports=1)
    first, again = scene.started(wanted), scene.started(wanted)
    scene.running(wanted)
    assert scene.started(wanted) == again
    assert (first.port, first.tip) == (again.port, again.tip)
    begun = scene.worktree("i3d") / "begun"
    eventually(lambda: begun.exists() and begun.read_text())
    assert begun.read_text() == "begun\n"
    assert scene.tmux.sessions() == ["p_i3d"]


def test_an_ended_launch_is_not_started_again(scene: Scene) -> None:
    wanted = scene.entry(command="echo x >> ran")
    scene.started(wanted)
    scene.ended(wanted)
    scene.tmux.run("kill-server")
    scene.started(wanted)
    assert scene.tmux.sessions() == []
    assert (scene.worktree("i3d") / "ran").read_text() == "x\n"


def test_the_next_launch_takes_the_ended_pane_and_its_neighbours_live_on(scene: Scene) -> None:
    first = scene.entry(command="echo one; exit 3", launch_ports=1)
    port = scene.started(first).port
    assert scene.ended(first).exit is not None
    eventually(lambda: scene.tmux.pane("p_i3d", "#{pane_dead}") == "1")
    assert "exit 3" in scene.tmux.screen("p_i3d")
    pane = scene.tmux.pane("p_i3d", "#{pane_id}")
    scene.tmux.run("split-window", "-t", "=p_i3d:", "sleep 60")
    second = scene.entry(command="sleep 60", launch="second", launch_ports=1, launch_attempt=2)
    assert scene.started(second).port == port
    scene.running(second)
    panes = scene.tmux.run("list-panes", "-t", "=p_i3d:", "-F", "#{pane_id} #{pane_dead}").splitlines()
    assert f"{pane} 0" in panes and len(panes) == 2


def test_a_worker_s_pane_that_someone_closed_gets_a_new_window(scene: Scene) -> None:
    first = scene.entry(command="true")
    scene.started(first)
    scene.ended(first)
    scene.tmux.run("split-window", "-t", "=p_i3d:", "sleep 60")
    scene.tmux.run("kill-pane", "-a", "-t", "=p_i3d:")
    second = scene.entry(command="sleep 60", launch="second")
    scene.started(second)
    scene.running(second)
    assert len(scene.tmux.run("list-windows", "-t", "=p_i3d:", "-F", "x").splitlines()) == 2


def test_no_option_is_set_for_others(scene: Scene) -> None:
    scene.tmux.run("new-session", "-d", "-s", "mine", "sleep 60")
    before = scene.tmux.run("show-options", "-g") + scene.tmux.run("show-options", "-g", "-w")
    scene.started(scene.entry())
    after = scene.tmux.run("show-options", "-g") + scene.tmux.run("show-options", "-g", "-w")
    assert after == before
    assert scene.tmux.run("show-options", "-t", "=mine:") == ""
    assert scene.tmux.pane("mine", "#{@orchestrator}") == ""


def test_an_existing_branch_with_shared_history_is_adopted(scene: Scene) -> None:
    tip = scene.repo.branch("p/i3d", x__txt="x")
    answer = scene.started(scene.entry())
    assert (answer.tip, answer.made_branch) == (tip, False)
    assert (scene.worktree("i3d") / "x.txt").exists()


def test_an_unrelated_branch_is_taken(scene: Scene) -> None:
    scene.repo.git("checkout", "-q", "--orphan", "p/i3d")
    tip = scene.repo.commit("unrelated")
    scene.repo.git("checkout", "-q", "main")
    refusal = scene.refused(scene.entry())
    assert refusal.cause == "taken" and "p/i3d" in refusal.message
    assert scene.repo.git("rev-parse", "p/i3d") == tip
    assert not scene.worktree("i3d").exists()


def test_a_branch_checked_out_elsewhere_is_taken_and_says_where(scene: Scene, tmp_path: Path) -> None:
    scene.repo.git("worktree", "add", "-q", "-b", "p/i3d", str(tmp_path / "theirs"))
    refusal = scene.refused(scene.entry())
    assert refusal.cause == "taken" and str(tmp_path / "theirs") in refusal.message
    refusal = scene.refused(scene.entry("other", branch="main"))
    assert refusal.cause == "taken" and str(scene.repo.path) in refusal.message


@pytest.mark.parametrize("kind", ["folder", "file", "clone"])
def test_a_path_that_is_not_ours_is_taken(scene: Scene, kind: str) -> None:
    path = scene.worktree("i3d")
    path.parent.mkdir()
    if kind == "file":
        path.write_text("precious")
    elif kind == "clone":
        scene.repo.git("clone", "-q", ".", str(path))
    else:
        path.mkdir()
        (path / "precious").write_text("x")
    refusal = scene.refused(scene.entry())
    assert refusal.cause == "taken" and str(path) in refusal.message
    assert "p/i3d" not in scene.repo.git("branch", "--list")
    assert path.exists() and scene.tmux.sessions() == []


def test_a_worktree_on_another_branch_is_taken(scene: Scene) -> None:
    path = scene.worktree("i3d")
    scene.repo.git("worktree", "add", "-q", "-b", "theirs", str(path))
    refusal = scene.refused(scene.entry())
    assert refusal.cause == "taken" and "theirs" in refusal.message


def test_a_foreign_session_is_taken_and_left_alone(scene: Scene) -> None:
    scene.tmux.run("new-session", "-d", "-s", "p_i3d", "sleep 60")
    pid = scene.tmux.pane("p_i3d", "#{pane_pid}")
    refusal = scene.refused(scene.entry())
    assert refusal.cause == "taken" and "p_i3d" in refusal.message
    assert scene.tmux.pane("p_i3d", "#{pane_pid}") == pid
    assert not scene.worktree("i3d").exists()


def test_a_session_whose_name_only_begins_alike_is_no_obstacle(scene: Scene) -> None:
    scene.tmux.run("new-session", "-d", "-s", "p_i3d-10", "sleep 60")
    scene.started(scene.entry())
    assert scene.tmux.sessions() == ["p_i3d", "p_i3d-10"]


def test_a_session_that_still_runs_the_launch_before_is_taken(scene: Scene) -> None:
    first = scene.entry()
    scene.started(first)
    scene.running(first)
    assert scene.refused(scene.entry(launch="second")).cause == "taken"
    assert scene.seen(first).alive


def test_one_refusal_does_not_hold_back_the_others(scene: Scene) -> None:
    scene.tmux.run("new-session", "-d", "-s", "p_b", "sleep 60")
    scene.repo.git("branch", "p/c")
    answers = scene.start(
        scene.entry("a"), scene.entry("b"), scene.entry("c", branch="p/c/below"), scene.entry("d")
    )
    outcome = {answer.workstream: getattr(answer, "cause", "started") for answer in answers}
    assert outcome == {"a": "started", "b": "taken", "c": "git", "d": "started"}


def test_a_session_that_tmux_refuses_is_named_and_the_rest_opens(scene: Scene) -> None:
    bad = scene.entry("b", launch_session="")
    answers = {answer.workstream: answer for answer in scene.start(scene.entry("a"), bad, scene.entry("c"))}
    refusal = answers["b"]
    assert isinstance(refusal, NotStarted) and refusal.cause == "tmux"
    assert isinstance(answers["a"], Started) and isinstance(answers["c"], Started)
    assert scene.tmux.sessions() == ["p_a", "p_c"]


def test_a_start_that_is_no_commit(scene: Scene) -> None:
    refusal = scene.refused(scene.entry(start="nowhere"))
    assert refusal.cause == "git" and "nowhere" in refusal.message


def test_a_worktree_deleted_by_hand_comes_back_with_its_branch(scene: Scene) -> None:
    first = scene.entry(command="true", setup="touch made-by-setup")
    scene.started(first)
    scene.ended(first)
    scene.repo.commit("work", cwd=scene.worktree("i3d"), w__txt="w")
    scene.repo.git("worktree", "add", "-q", "-b", "bystander", str(scene.worktree("bystander")))
    shutil.rmtree(scene.worktree("i3d"))
    shutil.rmtree(scene.worktree("bystander"))
    second = scene.entry(command="true", launch="second", setup="touch made-by-setup")
    assert not scene.started(second).made_branch
    assert (scene.worktree("i3d") / "w.txt").exists()
    assert (scene.worktree("i3d") / "made-by-setup").exists()
    assert "bystander" in scene.repo.git("worktree", "list")


def test_a_deleted_worktree_that_is_locked_is_left_registered(scene: Scene) -> None:
    path = scene.worktree("i3d")
    scene.repo.git("worktree", "add", "-q", "-b", "p/i3d", str(path))
    scene.repo.git("worktree", "lock", "--reason", "on a stick", str(path))
    shutil.rmtree(path)
    assert "on a stick" in scene.refused(scene.entry()).message


@pytest.mark.parametrize("with_files", [False, True])
def test_a_worktree_add_that_was_killed_is_done_again(scene: Scene, with_files: bool) -> None:
    path = scene.worktree("i3d")
    scene.repo.git("worktree", "add", "-q", "--no-checkout", "-b", "p/i3d", str(path))
    scene.repo.git("worktree", "lock", "--reason", "initializing", str(path))
    if with_files:
        (path / "a.txt").write_text("half a fi")
    wanted = scene.entry(command="true")
    scene.started(wanted)
    assert (path / "a.txt").read_text() == "one\ntwo\nthree\n"
    assert scene.repo.git("status", "--porcelain", cwd=path) == ""
    aside = path.with_name("i3d.interrupted") / "a.txt"
    assert aside.exists() == with_files


def test_a_check_out_that_was_killed_is_finished(scene: Scene) -> None:
    path = scene.worktree("i3d")
    scene.repo.git("worktree", "add", "-q", "--no-checkout", "-b", "p/i3d", str(path))
    folder = scene.repo.path / ".git" / "worktrees" / "i3d"
    (folder / "orchestrator-filling").touch()
    (folder / "index.lock").touch()
    (path / "a.txt").write_text("half a fi")
    scene.started(scene.entry())
    assert (path / "a.txt").read_text() == "one\ntwo\nthree\n"


def test_uncommitted_work_and_a_rebase_under_way_survive_a_start(scene: Scene) -> None:
    first = scene.entry(command="true")
    scene.started(first)
    scene.ended(first)
    worktree = scene.worktree("i3d")
    scene.repo.commit("ours", cwd=worktree, a__txt="ours\n")
    scene.repo.commit("theirs", a__txt="theirs\n")
    subprocess.run(["git", "rebase", "-q", "main"], cwd=worktree, capture_output=True, check=False)
    (worktree / "a.txt").write_text("half resolved\n")
    scene.started(scene.entry(command="true", launch="second"))
    assert (worktree / "a.txt").read_text() == "half resolved\n"


def test_copies_never_overwrite_and_never_leave(scene: Scene, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (scene.repo.path / "link").symlink_to(outside)
    scene.repo.git("add", "link")
    scene.repo.git("commit", "-q", "-m", "a link out")
    kept = scene.entry("a", command="true", copy=(copied("a.txt", "new"), copied("deep/er/x", "x", 0o755)))
    scene.started(kept)
    assert (scene.worktree("a") / "a.txt").read_text() == "one\ntwo\nthree\n"
    assert os.access(scene.worktree("a") / "deep/er/x", os.X_OK)
    for name, path in (("b", "../out"), ("c", "link/x"), ("d", ".git/hooks/x"), ("e", "/tmp/x")):
        refusal = scene.refused(scene.entry(name, copy=(copied(path, "x"),)))
        assert refusal.cause == "copy", refusal
    assert list(outside.iterdir()) == []
    assert scene.refused(scene.entry("f", results="link")).cause == "copy"


def test_a_worktree_behind_a_link_is_found_again(scene: Scene, tmp_path: Path) -> None:
    real = tmp_path / "disk" / "i3d"
    real.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(real)
    for launch in ("one", "two"):
        wanted = scene.entry(command="pwd -P > where", launch=launch, path=str(link))
        scene.started(wanted)
        scene.ended(wanted)
    assert (real / "where").read_text() == f"{real}\n"


def test_setup_runs_once_per_worktree_and_text(scene: Scene) -> None:
    def start(launch: str, setup: str) -> None:
        wanted = scene.entry(command="true", launch=launch, setup=setup, env={"FROM": "plan"})
        scene.started(wanted)
        scene.ended(wanted)

    start("one", "echo $FROM >> ran; test ! -t 1; read line || echo eof >> ran")
    start("two", "echo $FROM >> ran; test ! -t 1; read line || echo eof >> ran")
    assert (scene.worktree("i3d") / "ran").read_text() == "plan\neof\n"
    start("three", "echo changed >> ran")
    assert (scene.worktree("i3d") / "ran").read_text() == "plan\neof\nchanged\n"


def test_a_failed_setup_says_its_last_lines_and_runs_again(scene: Scene) -> None:
    broken = scene.entry(setup="echo try >> tries; echo no such package; test -e fixed")
    refusal = scene.refused(broken)
    assert refusal.cause == "setup" and "status 1" in refusal.message and "no such package" in refusal.message
    assert refusal.log is not None and "no such package" in Path(refusal.log).read_text()
    assert scene.tmux.sessions() == []
    (scene.worktree("i3d") / "fixed").touch()
    scene.started(broken)
    assert (scene.worktree("i3d") / "tries").read_text() == "try\ntry\n"


def test_ports_are_kept_unless_a_stranger_has_them(scene: Scene) -> None:
    first = scene.entry("a", command="true", launch_ports=3)
    port = scene.started(first).port
    scene.ended(first)
    other = scene.started(scene.entry("b", launch_ports=2)).port
    assert port is not None and other is not None and other not in range(port, port + 3)
    assert scene.started(scene.entry("a", command="true", launch="second", launch_ports=3)).port == port
    scene.ended(scene.entry("a", launch="second"))
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", port + 1))
        stranger.listen()
        moved = scene.started(scene.entry("a", command="true", launch="third", launch_ports=3)).port
    assert moved is not None and not set(range(moved, moved + 3)) & set(range(port + 1, port + 2))


def test_a_folder_nobody_may_write_is_a_disk_refusal(scene: Scene) -> None:
    """In /sys not even root makes folders."""
    refusal = scene.refused(scene.entry(path="/sys/kernel/worktrees/i3d"))
    assert refusal.cause == "disk" and "/sys/kernel" in refusal.message
    assert "p/i3d" not in scene.repo.git("branch", "--list")


def test_what_fails_for_all_is_answered_for_each(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    exclude = scene.repo.path / ".git" / "info" / "exclude"
    exclude.unlink()
    exclude.mkdir()
    answers = scene.start(scene.entry("a"), scene.entry("b"))
    assert [getattr(answer, "cause", None) for answer in answers] == ["git", "git"]
    exclude.rmdir()
    monkeypatch.setenv("PATH", "/nonexistent")
    (answer,) = scene.start(scene.entry("a"))
    assert isinstance(answer, NotStarted) and "git is not installed" in answer.message
    monkeypatch.undo()


def test_a_full_disk_is_a_disk_refusal(scene: Scene) -> None:
    """`/dev/full` answers every write as a full disk does."""
    scene.repo.git("config", "filter.full.smudge", "cat > /dev/full")
    scene.repo.git("config", "filter.full.clean", "cat")
    scene.repo.git("config", "filter.full.required", "true")
    scene.repo.commit("filtered", __gitattributes="a.txt filter=full\n")
    refusal = scene.refused(scene.entry())
    assert refusal.cause == "disk" and "No space left" in refusal.message
    scene.repo.git("config", "--unset", "filter.full.smudge")
    scene.repo.git("config", "--unset", "filter.full.required")
    scene.started(scene.entry())
    assert (scene.worktree("i3d") / "a.txt").read_text() == "one\ntwo\nthree\n"


def test_a_shell_without_a_command_waits_for_people(scene: Scene) -> None:
    wanted = scene.entry(command=None)
    scene.started(wanted)
    scene.running(wanted)
    scene.tmux.run("send-keys", "-t", "=p_i3d:", "echo hello; exit 4", "Enter")
    seen = scene.ended(wanted)
    assert seen.exit is not None and seen.exit.exit_code == 4


@pytest.mark.parametrize("moment", [0.02, 0.06, 0.12, 0.25])
def test_an_agent_killed_at_any_moment_starts_every_worker_once(scene: Scene, moment: float) -> None:
    entries = [
        scene.entry(f"w{n}", command="echo x >> ran; sleep 60", setup="true" if n % 2 else None)
        for n in range(6)
    ]
    agent = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.agent"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, start_new_session=True,
    )  # fmt: skip
    assert agent.stdin is not None and agent.stdout is not None
    agent.stdin.write(frame({"id": 1, "request": encode(scene.request(*entries))}))
    agent.stdin.flush()
    locks = Path(scene.place.state, "worktrees")
    eventually(locks.is_dir)
    with pytest.raises(subprocess.TimeoutExpired):
        agent.wait(moment)
    os.kill(agent.pid, signal.SIGKILL)
    agent.wait()
    answers = scene.start(*entries)
    assert {type(answer) for answer in answers} == {Started}, answers
    for entry in entries:
        scene.running(entry)
    ran = [scene.worktree(f"w{n}") / "ran" for n in range(6)]
    eventually(lambda: all(path.exists() and path.read_text() for path in ran))
    assert [path.read_text() for path in ran] == ["x\n"] * 6
    assert scene.tmux.sessions() == [f"p_w{n}" for n in range(6)]


def test_two_starts_at_once_start_once(scene: Scene) -> None:
    entries = [scene.entry(f"w{n}", command="echo x >> ran; sleep 60") for n in range(4)]
    request: Start = scene.request(*entries)
    payload = b"".join(frame({"id": number, "request": encode(request)}) for number in (1, 2))
    agent = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.agent"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert agent.stdin is not None and agent.stdout is not None
    agent.stdin.write(payload)
    agent.stdin.flush()
    items = [json.loads(_payload(agent.stdout.read)) for _ in range(10)]
    agent.stdin.close()
    assert agent.wait(5) == 0
    assert sorted(item["id"] for item in items) == [1] * 5 + [2] * 5
    assert {item["item"]["is"] for item in items if "item" in item} == {"Started"}
    assert [
        p.read_text() for n in range(4) for p in [scene.worktree(f"w{n}") / "ran"] if eventually(p.exists)
    ] == ["x\n"] * 4


def _payload(read) -> bytes:  # type: ignore[no-untyped-def]
    header = read(8)
    return read(int.from_bytes(header[4:], "big"))  # type: ignore[no-any-return]


def test_the_supervisor_is_unpacked_whole_by_many_at_once(tmp_path: Path) -> None:
    archive = tmp_path / "agent.zip"
    archive.write_bytes(agent_shipment().content)
    with ThreadPoolExecutor(16) as pool:
        folders = list(pool.map(lambda _: unpack(archive, "orchestrator/supervise"), range(16)))
    assert len(set(folders)) == 1
    shipped = {path.name for path in Path(supervise.__file__).parent.glob("*.py")}
    assert {path.name for path in folders[0].iterdir()} == shipped
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agent.supervise", "agent.zip"]
