"""A landing killed, disturbed, starved and hung: base is the old or the new commit, never half."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.landing_child import Ended, Landings
from tests.support.repository import Repository, pin, repository_at
from tests.support.trap import KILL, Trap

NAMES = ["a", "b"]
LAND = "update-ref -m wave 1: land"
FOLLOW = "read-tree -m -u "
WORK = {"a": {"a.new": "new\n" * 40, "a.txt": "ONE\ntwo\nthree\n"}, "b": {"d/b": "b\n"}}


@dataclass(frozen=True)
class Disk:
    """What a killed landing left, and the next one starts from; without objects that nothing names."""

    refs: str
    index: str
    files: tuple[tuple[str, str], ...]
    locks: tuple[str, ...]
    facts: tuple[str, ...]

    def without_facts(self) -> Disk:
        return replace(self, facts=())


def disk(root: Path) -> Disk:
    repository = Repository.__new__(Repository)
    repository.path = root
    files = (file for file in sorted(root.rglob("*")) if file.is_file() and ".git" not in file.parts)
    return Disk(
        refs=repository.git("for-each-ref", "--format=%(refname) %(objectname)"),
        index=repository.git("ls-files", "--stage"),
        files=tuple((str(file.relative_to(root)), file.read_text()) for file in files),
        locks=tuple(sorted(str(lock.relative_to(root)) for lock in stale_locks(root))),
        facts=tuple(f"{kind} {body}" for kind, body in facts(root)),
    )


def stale_locks(root: Path) -> list[Path]:
    ours = root / ".git" / "orchestrator"
    return [lock for lock in (root / ".git").rglob("*.lock") if ours not in lock.parents]


def facts(root: Path) -> list[tuple[str, str]]:
    journal = root / ".git" / "orchestrator" / "state.db"
    if not journal.exists():
        return []
    connection = sqlite3.connect(journal)
    try:
        return connection.execute("SELECT kind, body FROM facts ORDER BY id").fetchall()
    finally:
        connection.close()


class Stage:
    """The same repository again and again: two finished branches, and a user's own change in base."""

    def __init__(self, folder: Path, repository: Repository, landings: Landings) -> None:
        self.root = repository.path
        self.repository = repository
        self.landings = landings
        self.trap = Trap(folder / "trap")
        self._kept = folder / "kept"
        self.worktrees = self.root.with_name(f"{self.root.name}.worktrees")
        for name, files in WORK.items():
            path = self.worktrees / name
            repository.git("worktree", "add", "--quiet", "-b", f"p/{name}", str(path), "main")
            repository.commit_files(f"work of {name}", files, cwd=path)
        (self.root / "README.md").write_text("mine, not committed\n")
        shutil.copytree(self.root, self._kept / "root", symlinks=True)
        shutil.copytree(self.worktrees, self._kept / "worktrees", symlinks=True)
        self.before = repository.git("rev-parse", "main")

    def again(self) -> None:
        """As it was at first; nothing is set in the trap."""
        for place, name in ((self.root, "root"), (self.worktrees, "worktrees")):
            shutil.rmtree(place)
            shutil.copytree(self._kept / name, place, symlinks=True)
        self.trap.clear()

    def land(self, **options: Any) -> Ended:
        return self.landings.run(self.root, NAMES, PATH=self.trap.path, **options)

    def uninterrupted(self) -> Disk:
        self.again()
        assert self.land().ok
        return disk(self.root)

    def call(self, beginning: str) -> int:
        """The number of the first call that begins so, in the landing just run."""
        return next(n for n, call in enumerate(self.trap.calls(), 1) if call.startswith(beginning))

    def begun(self) -> dict[str, Any]:
        bodies = (body for kind, body in facts(self.root) if kind == "LandingBegun")
        found: dict[str, Any] = json.loads(next(bodies))
        return found

    def killed_at(self, beginning: str) -> None:
        """A landing that was killed just before that call, for the first time since `uninterrupted`."""
        number = self.call(beginning)
        self.again()
        self.trap.at(number, KILL)
        assert self.land().status == -9
        self.trap.clear()


@pytest.fixture(scope="module")
def landings() -> Iterator[Landings]:
    started = Landings()
    yield started
    started.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where that is possible: every landing waits for the disk a dozen times."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="landing-") as name:
        yield Path(name)


@pytest.fixture
def stage(folder: Path, monkeypatch: pytest.MonkeyPatch, landings: Landings) -> Iterator[Stage]:
    pin(monkeypatch, folder)
    with repository_at(folder / "repo", "-b", "main") as repository:
        yield Stage(folder, repository, landings)


def assert_landed_as(stage: Stage, whole: Disk) -> None:
    ended = stage.land()
    assert ended.ok, ended
    assert disk(stage.root).without_facts() == whole.without_facts()
    assert [kind for kind, _ in facts(stage.root)].count("WaveLanded") == 1


# --- killed ---------------------------------------------------------------------------------------


def test_killed_at_any_point_it_lands_as_if_nothing_had_happened(stage: Stage, folder: Path) -> None:
    """Every point before and after every git command; those that leave the same on the disk are one."""
    snapshots = folder / "snapshots"
    snapshots.mkdir()
    stage.trap.always(f"cp -a '{stage.root}' '{snapshots}'/$(printf %03d $n).$when")
    assert stage.land().ok
    whole, calls = disk(stage.root), len(stage.trap.calls())
    points: dict[Disk, Path] = {}
    for snapshot in sorted(snapshots.iterdir(), key=lambda s: s.name.replace("before", "0")):
        points.setdefault(disk(snapshot), snapshot)
    assert len(list(snapshots.iterdir())) == 2 * calls and len(points) >= 7
    for left, snapshot in points.items():
        number, when = snapshot.name.split(".")
        stage.again()
        stage.trap.at(int(number), KILL, after=when == "after")
        assert stage.land().status == -9
        assert disk(stage.root) == left
        stage.trap.clear()
        assert stage.repository.git("rev-parse", "main") in (stage.before, base_of(whole))
        assert_landed_as(stage, whole)


def base_of(disk: Disk) -> str:
    return dict(line.split(" ") for line in disk.refs.splitlines())["refs/heads/main"]


@pytest.mark.parametrize("renamed", range(6))
def test_git_killed_inside_its_own_commit_of_refs(stage: Stage, renamed: int) -> None:
    """As measured: it takes all locks, those of verified refs and HEAD empty, then renames one by one."""
    whole = stage.uninterrupted()
    stage.killed_at(LAND)
    begun = stage.begun()
    steps = [*begun["refs"], {"ref": "refs/heads/main", "new": begun["candidate"]}]
    assert len(steps) == 5
    git_dir = stage.root / ".git"
    for step in steps[:renamed]:
        stage.repository.git("update-ref", step["ref"], step["new"])
    for step in steps[renamed:]:
        write_lock(git_dir / step["ref"], f"{step['new']}\n")
    for ref in (*begun["verified"], "HEAD"):
        write_lock(git_dir / ref, "")
    assert stage.repository.git("rev-parse", "main") in (stage.before, begun["candidate"])
    assert_landed_as(stage, whole)


def test_git_killed_while_it_takes_its_locks(stage: Stage) -> None:
    whole = stage.uninterrupted()
    stage.killed_at(LAND)
    begun = stage.begun()
    for ref in begun["verified"]:
        write_lock(stage.root / ".git" / ref, "")
    write_lock(stage.root / ".git" / begun["refs"][0]["ref"], begun["tag_object"])
    write_lock(stage.root / ".git" / begun["refs"][1]["ref"], "")
    assert_landed_as(stage, whole)


def write_lock(ref: Path, content: str) -> Path:
    lock = ref.with_name(f"{ref.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(content)
    return lock


def test_a_lock_of_somebody_else_is_left_alone(stage: Stage) -> None:
    whole = stage.uninterrupted()
    stage.killed_at(LAND)
    lock = write_lock(stage.root / ".git" / "refs" / "heads" / "main", f"{stage.before[::-1]}\n")
    before = disk(stage.root)
    ended = stage.land()
    assert not ended.ok and ended.report is not None
    assert f"the lock {lock} is in the way" in ended.report["reasons"][0]
    assert disk(stage.root).without_facts() == before.without_facts()
    lock.unlink()
    assert_landed_as(stage, whole)


def test_a_lock_is_left_alone_while_another_git_is_at_work(stage: Stage) -> None:
    whole = stage.uninterrupted()
    stage.killed_at(LAND)
    lock = write_lock(stage.root / ".git" / "HEAD", "")
    other = subprocess.Popen(["git", "hash-object", "--stdin"], cwd=stage.root, stdin=subprocess.PIPE)
    try:
        ended = stage.land()
        assert ended.report is not None and f"git with pid {other.pid}" in ended.report["reasons"][0]
        assert lock.exists()
    finally:
        other.communicate()
    assert_landed_as(stage, whole)


# --- a checkout of base, half written -------------------------------------------------------------


@pytest.mark.parametrize("written", ["nothing", "begun", "torn", "done"])
def test_a_half_written_checkout_is_completed(stage: Stage, written: str) -> None:
    whole = stage.uninterrupted()
    stage.killed_at(FOLLOW + stage.before)
    write_lock(
        stage.root / ".git" / "index",
        "" if written != "done" else f"orchestrator {stage.begun()['candidate']}\n",
    )
    if written != "nothing":
        (stage.root / "a.txt").unlink()
        (stage.root / "a.new").write_text("new\nne" if written == "torn" else "")
    if written == "torn":
        (stage.root / "a.txt").write_text("ON")
    if written == "done":
        (stage.root / "a.new").write_text("new\n" * 40)
        (stage.root / "a.txt").write_text("ONE\ntwo\nthree\n")
        (stage.root / "d").mkdir()
        (stage.root / "d" / "b").write_text("b\n")
    assert_landed_as(stage, whole)
    assert (stage.root / "README.md").read_text() == "mine, not committed\n"


@pytest.mark.parametrize("name", ["a.txt", "a.new"])
def test_the_users_own_edit_of_a_half_written_checkout_is_never_lost(stage: Stage, name: str) -> None:
    whole = stage.uninterrupted()
    stage.killed_at(FOLLOW + stage.before)
    old = (stage.root / name).read_text() if (stage.root / name).exists() else None
    (stage.root / name).write_text("written by hand after the crash\n")
    ended = stage.land()
    assert ended.report is not None and not ended.ok
    assert f"neither what was there nor what was to come: {name}" in ended.report["reasons"][0]
    assert (stage.root / name).read_text() == "written by hand after the crash\n"
    (stage.root / name).unlink() if old is None else (stage.root / name).write_text(old)
    assert_landed_as(stage, whole)


def test_an_index_lock_with_a_whole_index_of_the_user_is_left_alone(stage: Stage) -> None:
    """`git commit -a` holds one for as long as its editor is open."""
    whole = stage.uninterrupted()
    stage.killed_at(FOLLOW + stage.before)
    index = stage.root / ".git" / "index"
    lock = index.with_name("index.lock")
    shutil.copy(index, lock)
    ended = stage.land()
    assert ended.report is not None and f"the lock {lock}" in ended.report["reasons"][0]
    assert lock.exists()
    lock.unlink()
    assert_landed_as(stage, whole)


def test_a_checkout_that_cannot_be_written_takes_everything_back(stage: Stage) -> None:
    """No file may grow past a limit: git is ended by a signal while it writes one, as on a full disk."""
    big = "0123456789abcdef\n" * 60_000
    stage.repository.commit_files("big", {"z/big": big}, cwd=stage.worktrees / "b")
    before = disk(stage.root)
    ended = stage.land(largest_file=600_000)
    assert ended.report is not None and not ended.ok, ended
    assert "could not follow" in ended.report["reasons"][0]
    assert disk(stage.root).without_facts() == before.without_facts()
    assert stage.land().ok and (stage.root / "z" / "big").read_text() == big


# --- disturbed ------------------------------------------------------------------------------------

DISTURBANCES = {
    "base": "git -C {root} commit --quiet --allow-empty -m theirs",
    "tip": "git -C {root}.worktrees/a commit --quiet --allow-empty -m more",
    "checkout": "echo mine > {root}/a.txt",
    "switch": "git -C {root} checkout --quiet -b elsewhere",
}


@pytest.mark.parametrize("kind", DISTURBANCES)
def test_disturbed_at_any_step_it_lands_cleanly_or_changes_nothing(stage: Stage, kind: str) -> None:
    """From the last look to the end of the landing at every call; before that, while gates would run."""
    whole = stage.uninterrupted()
    window = range(stage.call("mktag"), stage.call(FOLLOW + stage.before) + 3)
    outcomes = set()
    for number in (20, 30, *window):
        stage.again()
        fresh = disk(stage.root)
        action = DISTURBANCES[kind].format(root=stage.root)
        stage.trap.at(number, f"(unset GIT_INDEX_FILE; {action}) </dev/null >/dev/null 2>&1")
        ended = stage.land()
        assert ended.report is not None, ended
        outcomes.add(ended.ok)
        assert stale_locks(stage.root) == []
        if kind == "checkout":
            assert (stage.root / "a.txt").read_text() == "mine\n"
        (assert_landed_cleanly if ended.ok else assert_nothing_changed)(stage, kind, whole, fresh)
    assert outcomes == ({True} if kind == "switch" else {True, False})


def assert_landed_cleanly(stage: Stage, kind: str, whole: Disk, _: Disk) -> None:
    refs = dict(line.split(" ") for line in disk(stage.root).refs.splitlines())
    wanted = dict(line.split(" ") for line in whole.refs.splitlines())
    moved = {"base": ["refs/heads/main"], "tip": ["refs/heads/p/a"]}.get(kind, [])
    assert {r: o for r, o in wanted.items() if r not in moved}.items() <= refs.items()
    stage.repository.git("merge-base", "--is-ancestor", base_of(whole), "main")
    dirty = stage.repository.git("status", "--porcelain").splitlines()
    assert dirty == ["M README.md", *([" M a.txt"] if kind == "checkout" else [])]


def assert_nothing_changed(stage: Stage, kind: str, _: Disk, fresh: Disk) -> None:
    now = disk(stage.root)
    moved = {"base": "main", "tip": "p/a"}.get(kind)
    changed = set(now.refs.splitlines()) ^ set(fresh.refs.splitlines())
    assert {line.split(" ")[0] for line in changed} == ({f"refs/heads/{moved}"} if moved else set())
    assert now.index == fresh.index
    mine = {"a.txt"} if kind == "checkout" else set()
    assert {name for name, _ in set(now.files) ^ set(fresh.files)} == mine


def test_two_landings_at_once_land_once(stage: Stage) -> None:
    whole = stage.uninterrupted()
    stage.again()
    other = Landings()
    try:
        other.begin(stage.root, NAMES, PATH=stage.trap.path)
        first = stage.land()
        second = other.end()
    finally:
        other.close()
    reports = [ended.report for ended in (first, second)]
    assert any(ended.ok for ended in (first, second))
    for report in reports:
        assert report is not None
        assert report["ok"] or "another landing is under way" in report["reasons"][0]
    assert disk(stage.root).without_facts() == whole.without_facts()


@pytest.mark.parametrize("after", [False, True])
def test_a_git_that_hangs_is_ended(stage: Stage, after: bool) -> None:
    """Before it moved the refs nothing has changed; once it moved them, the landing is finished."""
    whole = stage.uninterrupted()
    number = stage.call(LAND)
    stage.again()
    fresh = disk(stage.root)
    stage.trap.at(number, "sleep 600", after=after)
    ended = stage.land(refs_deadline_s=0.5)
    assert ended.report is not None and ended.ok is after
    assert disk(stage.root).without_facts() == (whole if after else fresh).without_facts()


def test_no_hook_of_the_repository_is_run(stage: Stage) -> None:
    hooks = stage.root / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("reference-transaction", "post-checkout", "post-index-change", "pre-push", "post-merge"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch '{stage.root.parent}/ran'\nexit 1\n")
        (hooks / name).chmod(0o755)
    assert stage.land().ok
    assert not (stage.root.parent / "ran").exists()
