"""The project's place on a host, branches and uncommitted work there."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from orchestrator.agent import host
from orchestrator.agent.repository import open_repository, push_branches, read_changes, read_tips
from orchestrator.errors import CommandFailed, Refused
from orchestrator.wire import (
    Changes,
    Hello,
    Inspect,
    OpenRepository,
    Place,
    PushBranch,
    ReadChanges,
    ReadTips,
)
from tests.support.repository import Repository, pin, repository_at


@pytest.fixture(autouse=True)
def _pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(monkeypatch, tmp_path)


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    with repository_at(tmp_path / "repo") as made:
        return made


def opened(repository: Path) -> Place:
    return open_repository(OpenRepository(project="p", owner="me", repository=str(repository)))


def made(root: str | Path, owner: str = "me", project: str = "p") -> Place:
    return open_repository(OpenRepository(project=project, owner=owner, root=str(root)))


def test_an_existing_repository_from_anywhere_in_it(repo: Repository, tmp_path: Path) -> None:
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"))
    (repo.path / "below").mkdir()
    place = opened(repo.path)
    assert place == Place(
        repository=str(repo.path),
        common_dir=str(repo.path / ".git"),
        state=str(repo.path / ".git" / "orchestrator"),
        worktrees=str(tmp_path / "repo.worktrees"),
    )
    assert opened(tmp_path / "linked") == opened(repo.path / "below") == place
    assert stat.S_IMODE(Path(place.state).stat().st_mode) == 0o700


def test_a_bare_repository(tmp_path: Path) -> None:
    bare = Repository(tmp_path / "bare.git", "--bare")
    place = opened(bare.path)
    assert (place.repository, place.worktrees) == (str(bare.path), str(tmp_path / "bare.git.worktrees"))


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandFailed, match="no directory"):
        opened(tmp_path / "absent")
    (tmp_path / "plain").mkdir()
    with pytest.raises(CommandFailed, match="git rev-parse failed"):
        opened(tmp_path / "plain")


def test_a_clone_is_made_once_and_takes_every_push(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    place = made("~/parallel")
    assert place.repository == str(tmp_path / "home" / "parallel" / "p")
    assert made("~/parallel") == place
    repo.git("push", "-q", place.repository, "main:refs/heads/main", "main:refs/orchestrator/start")
    assert read_tips(ReadTips(place=place, branches=("main", "absent"))).commits == {
        "main": repo.git("rev-parse", "main")
    }


def test_another_owner_s_clone_may_be_read_and_other_folders_are_refused(tmp_path: Path) -> None:
    assert made(tmp_path / "root", owner="you") == made(tmp_path / "root")
    (tmp_path / "root" / "full").mkdir()
    (tmp_path / "root" / "full" / "x").touch()
    with pytest.raises(Refused, match="not empty"):
        made(tmp_path / "root", project="full")
    Repository(tmp_path / "root" / "theirs")
    with pytest.raises(Refused, match="not ours"):
        made(tmp_path / "root", project="theirs")
    with pytest.raises(Refused):
        made(tmp_path / "root", project="../up")
    with pytest.raises(CommandFailed):
        made("/sys/kernel/root")


def test_a_clone_cut_short_is_finished(tmp_path: Path) -> None:
    (tmp_path / "root" / "p").mkdir(parents=True)
    place = made(tmp_path / "root")
    (Path(place.state) / "owner").unlink()
    assert made(tmp_path / "root") == place


def test_uncommitted_work(repo: Repository, tmp_path: Path) -> None:
    repo.branch("side", a__txt="theirs\n")
    repo.commit("ours", a__txt="ours\n")
    subprocess.run(["git", "merge", "-q", "side"], cwd=repo.path, capture_output=True, check=False)
    (repo.path / "né w").write_text("x")
    found = read_changes(ReadChanges(paths=(str(repo.path), str(tmp_path / "gone"))))
    assert found.worktrees == (
        Changes(path=str(repo.path), tracked=("a.txt",), untracked=("né w",), operation="merge"),
    )


def test_each_branch_is_pushed_or_named(repo: Repository, tmp_path: Path) -> None:
    remote = Repository(tmp_path / "remote.git", "--bare")
    repo.git("remote", "add", "origin", str(remote.path))
    repo.branch("side", x="1")
    place = opened(repo.path)
    assert push_branches(PushBranch(place=place, remote="origin", branches=("main", "side"))).refused == {}
    repo.git("commit", "-q", "--amend", "-m", "rewritten")
    pushed = push_branches(PushBranch(place=place, remote="origin", branches=("main", "side", "absent")))
    assert set(pushed.refused) == {"main", "absent"}
    assert push_branches(PushBranch(place=place, remote="origin", branches=())).refused == {}


def test_facts_of_this_host(tmp_path: Path) -> None:
    facts = host.hello(Hello())
    assert facts.git is not None and facts.git.startswith("git version")
    assert facts.tmux is not None and facts.boot_id
    found = host.inspect(Inspect(folder=str(tmp_path / "not" / "yet")))
    assert found.folder_writable and 0 < found.disk_free_bytes <= found.disk_total_bytes


def test_a_program_that_is_missing_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.hello(Hello()).git is None
