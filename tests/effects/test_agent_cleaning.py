"""What a landed workstream left on a host is taken away, and nothing that git does not hold is lost."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agent.cleaning import clean
from orchestrator.agent.files import locked
from orchestrator.agent.gates import run_gates
from orchestrator.agent.worktrees import workstream_lock
from orchestrator.wire import Checkout, Cleaned, CleanWorkstream, RunGates
from tests.support.agent_scene import Scene, scene_in
from tests.support.killing import killed, killing_git

COMMIT = "echo a > a.new && git add a.new && git commit -qm work"


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with scene_in(tmp_path, monkeypatch) as scene:
        scene.repo.commit_files("ignored", {".gitignore": "*.pt\n/.venv/\n/cache/\n"})
        yield scene


def request(scene: Scene, **changes: Any) -> CleanWorkstream:
    """To clean `i3d` as it stands."""
    found = scene.repo.git("for-each-ref", "--format=%(objectname)", "refs/heads/p/i3d")
    fields: dict[str, Any] = {
        "place": scene.place,
        "tmux_socket": scene.tmux.socket,
        "workstream": "i3d",
        "session": "p_i3d",
        "launch": None,
        "path": str(scene.worktree("i3d")),
        "branch": "p/i3d",
        "tip": found or None,
        "results": "results",
    }
    return CleanWorkstream(**{**fields, **changes})


def worktree(scene: Scene) -> Path:
    """A worktree without a session, with one commit."""
    path = scene.worktree("i3d")
    scene.repo.git("worktree", "add", "--quiet", "-b", "p/i3d", str(path), "main")
    scene.repo.commit_files("work", {"a.new": "new\n"}, cwd=path)
    return path


def kept(scene: Scene, name: str = "i3d") -> Path:
    return Path(scene.place.state, "kept", name)


def manifest(scene: Scene, name: str = "i3d") -> dict[str, Any]:
    listed = json.loads((kept(scene, name) / "manifest.json").read_text())
    assert listed["complete"] is True
    return {entry["path"]: entry for entry in listed["files"]}


def everything(scene: Scene) -> dict[str, object]:
    """All refs, and every file of the worktree but the beat of a living worker."""
    root = scene.worktree("i3d")
    files = {
        str(path.relative_to(root)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in root.rglob("*")
        if (path.is_symlink() or path.is_file()) and path.stem.lower() != "heartbeat"
    }
    return {"refs": refs(scene), **files}


def refs(scene: Scene) -> str:
    lines = scene.repo.git("for-each-ref").splitlines()
    return "\n".join(line for line in lines if "refs/orchestrator/trash" not in line)


def refused(scene: Scene, why: str, **changes: Any) -> Cleaned:
    """The answer, after a look that nothing changed."""
    before = everything(scene)
    answer = clean(request(scene, **changes))
    assert len(answer.reasons) == 1 and why in answer.reasons[0], answer.reasons
    assert everything(scene) == before
    return answer


def test_worktree_session_branch_port_and_gate_checkout_go(scene: Scene) -> None:
    entry = scene.entry(command=f"{COMMIT}; echo w > results/w.pt", launch_ports=1)
    scene.started(entry)
    scene.ended(entry)
    tip = scene.repo.git("rev-parse", "p/i3d")
    run_gates(
        RunGates(place=scene.place, checkout=Checkout(name="i3d", commit=tip), gates=()), lambda item: None
    )
    answer = clean(request(scene, launch=entry.launch.launch))
    assert (answer.reasons, answer.worktree, answer.branch, answer.session) == (
        (),
        str(scene.worktree("i3d")),
        True,
        True,
    )
    assert answer.gate_checkout and not Path(answer.gate_checkout).exists()
    assert not scene.worktree("i3d").exists()
    assert "p/i3d" not in scene.repo.git("branch", "--list")
    assert "i3d" not in scene.repo.git("worktree", "list") and "p_i3d" not in scene.tmux.sessions()
    assert json.loads(Path(scene.place.state, "ports.json").read_text()) == {}
    assert (kept(scene) / "results/w.pt").read_text() == "w\n"
    assert Path(scene.place.state, "logs", "i3d", "worker.log").exists()


def test_a_second_clean_finds_nothing(scene: Scene) -> None:
    worktree(scene)
    clean(request(scene))
    assert clean(request(scene)) == Cleaned()


def test_a_dry_run_says_the_same_and_touches_nothing(scene: Scene) -> None:
    path = worktree(scene)
    (path / "w.pt").write_text("weights")
    (path / "note.txt").write_text("note")
    before = everything(scene)
    said = clean(request(scene, dry_run=True))
    assert everything(scene) == before and not kept(scene).exists()
    assert (said.kept_files, said.kept_bytes, said.untracked) == (1, 7, ("note.txt",))
    assert clean(request(scene)) == said


def test_ignored_files_and_results_are_moved_and_listed(scene: Scene) -> None:
    path = worktree(scene)
    (path / "results").mkdir()
    (path / "results/metrics.json").write_text("{}")
    (path / "cache/deep").mkdir(parents=True)
    (path / "cache/deep/file with space").write_text("x" * 1000)
    inode = (path / "cache/deep/file with space").stat().st_ino
    answer = clean(request(scene))
    assert (answer.kept, answer.kept_files, answer.kept_bytes) == (str(kept(scene)), 2, 1002)
    moved = kept(scene) / "cache/deep/file with space"
    assert moved.stat().st_ino == inode  # moved, not copied
    assert manifest(scene) == {
        "cache/deep/file with space": {
            "path": "cache/deep/file with space",
            "size": 1000,
            "sha256": hashlib.sha256(b"x" * 1000).hexdigest(),
        },
        "results/metrics.json": {
            "path": "results/metrics.json",
            "size": 2,
            "sha256": hashlib.sha256(b"{}").hexdigest(),
        },
    }
    assert answer.trash is None


def test_links_are_kept_as_links(scene: Scene, tmp_path: Path) -> None:
    path = worktree(scene)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "data.pt").write_text("mine")
    (path / "cache").mkdir()
    (path / "cache/folder").symlink_to(mine)
    (path / "cache/gone").symlink_to("nowhere")
    answer = clean(request(scene))
    assert (mine / "data.pt").read_text() == "mine"
    assert (answer.kept_files, answer.kept_bytes) == (2, 0)
    assert (kept(scene) / "cache/folder").readlink() == mine
    assert manifest(scene)["cache/gone"] == {"path": "cache/gone", "link": "nowhere"}


def test_untracked_files_stay_in_a_ref(scene: Scene) -> None:
    path = worktree(scene)
    (path / "lib").mkdir()
    (path / "lib/new.py").write_text("new\n")
    answer = clean(request(scene))
    assert (answer.trash, answer.untracked) == ("refs/orchestrator/trash/i3d", ("lib/new.py",))
    assert scene.repo.git("show", f"{answer.trash}:lib/new.py") == "new"
    assert scene.repo.git("show", f"{answer.trash}:a.new") == "new"
    assert answer.kept is None


def test_files_that_were_carried_in_never_go_into_git(scene: Scene) -> None:
    path = worktree(scene)
    (path / ".env").write_text("SECRET=1\n")
    (path / "data").mkdir()
    (path / "data/raw").write_text("raw")
    answer = clean(request(scene, copied=(".env", "data")))
    assert (answer.trash, answer.kept_files) == (None, 2)
    assert set(manifest(scene)) == {".env", "data/raw"}


def test_what_the_setup_made_is_not_kept_but_what_was_changed_in_it_is(scene: Scene) -> None:
    setup = "mkdir -p .venv/lib && echo lib > .venv/lib/a.py && echo lib > .venv/lib/b.py"
    entry = scene.entry(
        command=f"{COMMIT}; echo mine > .venv/lib/b.py; touch -d 2001-01-01 .venv/lib/c.py", setup=setup
    )
    scene.started(entry)
    scene.ended(entry)
    answer = clean(request(scene))
    assert (answer.reasons, answer.recreated, answer.recreated_bytes) == ((), (".venv/",), 4)
    assert {name for name in manifest(scene) if name.startswith(".venv")} == {
        ".venv/lib/b.py",
        ".venv/lib/c.py",
    }


def test_uncommitted_changes_are_named(scene: Scene) -> None:
    path = worktree(scene)
    (path / "w.pt").write_text("weights")
    (path / "a.txt").write_text("changed")
    refused(scene, f"uncommitted changes in {path}: a.txt")
    scene.repo.git("checkout", "--", "a.txt", cwd=path)
    assert not clean(request(scene)).reasons


def test_an_operation_under_way_is_named(scene: Scene) -> None:
    path = worktree(scene)
    Path(scene.repo.git("rev-parse", "--absolute-git-dir", cwd=path), "MERGE_HEAD").touch()
    refused(scene, "a merge is under way")


@pytest.mark.parametrize("gone", [False, True])
def test_a_locked_worktree_stays_with_its_reason(scene: Scene, gone: bool) -> None:
    path = worktree(scene)
    scene.repo.git("worktree", "lock", "--reason", "on a stick", str(path))
    if gone:
        path.rename(path.with_name("elsewhere"))
    refused(scene, "is locked: on a stick")
    assert "locked on a stick" in scene.repo.git("worktree", "list", "--porcelain")


def test_a_worktree_deleted_by_hand_is_forgotten(scene: Scene) -> None:
    path = worktree(scene)
    shutil.rmtree(path)
    answer = clean(request(scene))
    assert (answer.reasons, answer.worktree, answer.branch) == ((), str(path), True)
    assert str(path) not in scene.repo.git("worktree", "list")


def test_a_stranger_in_its_place_is_left_alone(scene: Scene) -> None:
    path = worktree(scene)
    scene.repo.git("worktree", "remove", str(path))
    path.mkdir()
    (path / "mine").write_text("mine")
    answer = clean(request(scene))
    assert answer.notes == (f"{path} is no worktree of ours: left as it is",)
    assert (path / "mine").read_text() == "mine"


def test_a_branch_that_moved_is_not_deleted(scene: Scene) -> None:
    path = worktree(scene)
    before = scene.repo.git("rev-parse", "HEAD", cwd=path)
    scene.repo.commit_files("more", {"more": "1"}, cwd=path)
    refused(scene, "moved meanwhile", tip=before)


def test_a_worktree_that_holds_another_branch_stays(scene: Scene) -> None:
    path = worktree(scene)
    scene.repo.git("checkout", "--quiet", "-b", "mine", cwd=path)
    refused(scene, "holds mine, not p/i3d")


def test_a_branch_checked_out_elsewhere_stays(scene: Scene, tmp_path: Path) -> None:
    path = worktree(scene)
    scene.repo.git("checkout", "--quiet", "--detach", cwd=path)
    scene.repo.git("worktree", "add", "--quiet", str(tmp_path / "mine"), "p/i3d")
    refused(scene, f"the branch p/i3d is checked out in {tmp_path / 'mine'}")


def test_the_main_worktree_is_never_removed(scene: Scene) -> None:
    answer = clean(
        request(scene, path=str(scene.repo.path), branch="main", tip=scene.repo.git("rev-parse", "main"))
    )
    assert answer.reasons == (f"{scene.repo.path} is the repository's main worktree",)
    assert (scene.repo.path / "a.txt").exists()


def test_a_living_worker_is_left_alone(scene: Scene) -> None:
    entry = scene.entry()
    scene.started(entry)
    scene.running(entry)
    refused(scene, "its worker still runs", launch=entry.launch.launch)
    refused(scene, "its worker still runs in the session p_i3d")
    assert scene.seen(entry).alive


def test_a_persons_pane_in_its_session_is_left_alone(scene: Scene) -> None:
    entry = scene.entry(command=COMMIT)
    scene.started(entry)
    scene.ended(entry)
    scene.tmux.run("split-window", "-t", "=p_i3d:", "sleep 60")
    refused(scene, "somebody works in the session p_i3d")
    assert "p_i3d" in scene.tmux.sessions()


def test_a_foreign_session_of_its_name_is_left_alone(scene: Scene) -> None:
    worktree(scene)
    scene.tmux.run("new-session", "-d", "-s", "p_i3d", "sleep 60")
    assert clean(request(scene)).session is False
    assert "p_i3d" in scene.tmux.sessions()


def test_a_workstream_that_is_being_started_waits(scene: Scene) -> None:
    worktree(scene)
    with locked(workstream_lock(scene.place, "i3d")):
        refused(scene, "it is being started")


def test_a_repository_of_its_own_in_the_worktree_is_named(scene: Scene) -> None:
    path = worktree(scene)
    subprocess.run(["git", "init", "--quiet", str(path / "vendored")], check=True)
    (path / "vendored/file").write_text("1")
    refused(scene, f"repositories of their own in {path}: vendored/")


def test_a_disk_that_is_full_loses_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    path = worktree(scene)
    for name in ("a.pt", "b.pt", "c.pt", "note.txt"):
        (path / name).write_text(name)
    rename, moved = Path.rename, list[str]()

    def full(self: Path, target: Path) -> Path:
        if self.suffix == ".pt" and "kept" in str(target):
            moved.append(self.name)
            if len(moved) == 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", full)
    refused(scene, "No space left on device")
    assert len(moved) == 3 and not kept(scene).exists()
    monkeypatch.undo()
    assert clean(request(scene)).kept_files == 3


def test_what_comes_up_while_cleaning_is_not_removed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A git that adds an ignored file before its last look at the worktree."""
    path = worktree(scene)
    (path / "w.pt").write_text("weights")
    real = shutil.which("git")
    folder = scene.repo.path.parent / "bin"
    folder.mkdir()
    look = "*'ls-files -z --others --ignored'*"
    late = f'case "$*" in {look}) [ -e "{path}/w.pt" ] || echo late > "{path}/late.pt";; esac'
    (folder / "git").write_text(f'#!/bin/sh\n{late}\nexec {real} "$@"\n')
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    answer = clean(request(scene))
    assert "something still writes" in answer.reasons[0]
    assert (path / "w.pt").read_text() == "weights" and (path / "late.pt").read_text() == "late\n"


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder on another file system than the repository's."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        yield Path(name)


def on_another_disk(scene: Scene, elsewhere: Path) -> Path:
    if elsewhere.stat().st_dev == scene.repo.path.stat().st_dev:
        pytest.skip("/dev/shm is not another file system here")
    path = elsewhere / "i3d"
    scene.repo.git("worktree", "add", "--quiet", "-b", "p/i3d", str(path), "main")
    (path / "cache").mkdir()
    (path / "cache/link").symlink_to("w.pt")
    (path / "cache/w.pt").write_text("weights")
    return path


def test_files_of_another_file_system_are_copied_whole(scene: Scene, elsewhere: Path) -> None:
    path = on_another_disk(scene, elsewhere)
    answer = clean(request(scene, path=str(path)))
    assert (answer.reasons, answer.kept_files, answer.kept_bytes) == ((), 2, 7)
    assert (kept(scene) / "cache/link").read_text() == "weights" and not path.exists()


def test_no_room_for_copies_is_said_before_anything_moves(
    scene: Scene, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = on_another_disk(scene, elsewhere)
    usage = shutil.disk_usage(elsewhere)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=6))
    answer = clean(request(scene, path=str(path)))
    assert "has 6 bytes free, and 7 of" in answer.reasons[0]
    assert (path / "cache/w.pt").read_text() == "weights" and not kept(scene).exists()


def test_results_of_a_second_life_do_not_overwrite_the_first(scene: Scene) -> None:
    for text in ("first", "second"):
        path = worktree(scene)
        (path / "w.pt").write_text(text)
        assert not clean(request(scene)).reasons
    assert (kept(scene) / "w.pt").read_text() == "first"
    assert (kept(scene, "i3d.2") / "w.pt").read_text() == "second"


def test_killed_anywhere_it_is_done_again(scene: Scene, tmp_path: Path) -> None:
    number, cut_short = 0, True
    while cut_short:
        number += 1
        path = worktree(scene)
        (path / "w.pt").write_text(str(number))
        (path / "note.txt").write_text(str(number))
        asked = request(scene)
        cut_short = killed(lambda asked=asked: clean(asked), killing_git(tmp_path / f"bin{number}", number))
        again = clean(request(scene))
        assert not again.reasons and not path.exists()
        assert "p/i3d" not in scene.repo.git("branch", "--list")
        name = "i3d" if number == 1 else f"i3d.{number}"
        assert (kept(scene, name) / "w.pt").read_text() == str(number)
        assert list(manifest(scene, name)) == ["w.pt"]
        assert scene.repo.git("show", "refs/orchestrator/trash/i3d:note.txt") == str(number)
        assert not Path(scene.place.state, "cleaning", "i3d").exists()
    assert number > 15


def test_gates_under_way_are_waited_for_by_nobody(scene: Scene) -> None:
    worktree(scene)
    with locked(Path(scene.place.state, "gates", "i3d", "lock")):
        refused(scene, "its gates are running")


def test_a_gate_checkout_that_is_not_ours_stays(scene: Scene) -> None:
    worktree(scene)
    mine = Path(scene.place.worktrees, "_gates", "i3d")
    scene.repo.git("worktree", "add", "--quiet", "--detach", str(mine))
    answer = clean(request(scene))
    assert answer.gate_checkout is None and mine.exists()
