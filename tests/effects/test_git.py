"""The git gateway against real repositories."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import git
from orchestrator.errors import CommandFailed
from tests.support.eventually import eventually
from tests.support.repository import Repository, pin, plain_fixture, repo_fixture, repository_at

__all__ = ["plain_fixture", "repo_fixture"]

ADA = git.Identity("Ada", "ada@example.org", 1_700_000_000)


def test_names_become_commits_in_one_call(repo: Repository) -> None:
    tip = repo.branch("side", b__txt="b")
    found = git.find_commits(git.Git(repo.path), ["side", "nowhere", "-x", "main^{tree}", "a b"])
    assert found == {"side": tip, "nowhere": None, "-x": None, "main^{tree}": None, "a b": None}


def test_a_repository_without_a_commit_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(monkeypatch, tmp_path)
    empty = git.init(tmp_path / "empty", "main")
    with pytest.raises(CommandFailed, match="has no commit yet") as raised:
        git.resolve(empty, "main")
    assert raised.value.hint is not None
    assert git.list_worktrees(empty)[0].path == str(tmp_path / "empty")


def test_an_unknown_name_is_named(plain: Repository) -> None:
    with pytest.raises(CommandFailed, match="nowhere is no commit"):
        git.resolve(git.Git(plain.path), "nowhere")


def test_outside_a_repository_git_says_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(monkeypatch, tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(CommandFailed, match="rev-parse failed"):
        git.common_dir(git.Git(tmp_path))


def test_a_missing_folder_is_never_replaced_by_the_current_one(
    plain: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plain.path)
    with pytest.raises(CommandFailed):
        git.common_dir(git.Git(plain.path / "gone"))


def test_variables_a_hook_leaves_behind_are_not_seen(
    plain: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nonexistent/index")
    assert git.status(git.Git(plain.path)) == git.Changed((), ())


def test_git_that_is_not_installed(plain: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(CommandFailed, match="git is not installed"):
        git.refs(git.Git(plain.path))


def test_a_command_that_hangs_is_ended_at_its_deadline(plain: Repository) -> None:
    hanging = git.Git(plain.path, settings=("alias.hang=!sleep 60",))
    with pytest.raises(CommandFailed, match="did not complete"):
        hanging.run("hang", timeout_s=0.3)


def test_hooks_do_not_run(plain: Repository) -> None:
    hook = plain.path / ".git" / "hooks" / "post-checkout"
    hook.write_text("#!/bin/sh\ntouch ran\n")
    hook.chmod(0o755)
    git.add_worktree(git.Git(plain.path), plain.path.parent / "wt", commit="HEAD")
    assert not (plain.path.parent / "wt" / "ran").exists()


def test_many_branches_are_read_at_once(repo: Repository) -> None:
    tip = repo.git("rev-parse", "HEAD")
    repository = git.Git(repo.path)
    names = [f"many/b{number}" for number in range(450)]
    git.update_refs(repository, [git.Create(f"refs/heads/{name}", tip) for name in names], "test")
    assert git.branches(repository, [*names, "absent"]) == dict.fromkeys(names, tip)
    assert git.branches(repository, ["many/b1", "many"]) == {"many/b1": tip}
    assert git.branches(repository, []) == {}
    assert set(git.branches(repository)) == {"main", *names}


def test_ancestry(plain: Repository) -> None:
    repository = git.Git(plain.path)
    first = plain.git("rev-parse", "HEAD")
    side = plain.branch("side", x="1")
    plain.git("checkout", "-q", "--orphan", "alone")
    alone = plain.commit("alone")
    assert git.is_ancestor(repository, first, side)
    assert not git.is_ancestor(repository, side, first)
    assert git.merge_base(repository, first, side) == first
    assert git.merge_base(repository, alone, side) is None
    assert git.commits_ahead(repository, first, side) == 1
    assert git.commits_between(repository, first, side) == (side,)


def test_the_log_as_values(plain: Repository) -> None:
    plain.commit("subject: ünïcode\n\nbody line\n\nsecond paragraph", x="1")
    newest, first = git.log(git.Git(plain.path), "HEAD")
    assert (newest.subject, newest.body) == ("subject: ünïcode", "body line\n\nsecond paragraph")
    assert (newest.parents, first.parents) == ((first.id,), ())
    assert newest.authored_at.timestamp() == 1_700_000_000
    assert len(git.log(git.Git(plain.path), "HEAD", limit=1)) == 1


def test_refs_move_together_or_not_at_all(repo: Repository) -> None:
    repository = git.Git(repo.path)
    first = repo.git("rev-parse", "HEAD")
    second = repo.branch("side", x="1")
    git.create_branch(repository, "new", first)
    with pytest.raises(git.RefsNotMoved):
        git.create_branch(repository, "new", second)
    with pytest.raises(git.RefsNotMoved):
        git.update_refs(
            repository,
            [git.Update("refs/heads/new", second, first), git.Verify("refs/heads/side", first)],
            "wrong",
        )
    assert git.branches(repository, ["new"]) == {"new": first}
    changes: list[git.Create | git.Update | git.Verify | git.Delete] = [
        git.Update("refs/heads/new", second, first),
        git.Verify("refs/heads/absent", None),
        git.Create("refs/orchestrator/x", first),
        git.Delete("refs/heads/side", second),
    ]
    git.update_refs(repository, changes, "right")
    assert git.refs(repository, "refs/heads/new", "refs/orchestrator/", "refs/heads/side") == {
        "refs/heads/new": second,
        "refs/orchestrator/x": first,
    }


def test_a_branch_below_a_branch_is_refused(plain: Repository) -> None:
    repository = git.Git(plain.path)
    with pytest.raises(git.RefsNotMoved, match="main"):
        git.create_branch(repository, "main/below", plain.git("rev-parse", "HEAD"))


def test_a_clean_merge_is_a_tree_and_equal_commits_are_one(repo: Repository) -> None:
    repository = git.Git(repo.path)
    a, b = repo.branch("a", x="1"), repo.branch("b", y="2")
    merged = git.merge_tree(repository, a, b)
    assert isinstance(merged, git.Merged)
    made = [git.commit_tree(repository, merged.tree, [a, b], "merge\n", author=ADA) for _ in range(2)]
    assert made[0] == made[1]
    assert git.tree_of(repository, made[0]) == merged.tree
    assert git.log(repository, made[0], limit=1)[0].parents == (a, b)


def test_a_conflict_names_files_and_kinds(repo: Repository) -> None:
    a = repo.branch("a", a__txt="mine\n", **{"né w": "1"})
    b = repo.branch("b", a__txt="theirs\n", **{"né w": "2"})
    conflict = git.merge_tree(git.Git(repo.path), a, b)
    assert isinstance(conflict, git.Conflict)
    assert conflict.files == (
        git.ConflictFile("a.txt", "content"),
        git.ConflictFile("né w", "add/add"),
    )


def test_modify_against_delete(plain: Repository) -> None:
    a = plain.branch("a", a__txt="changed\n")
    plain.git("checkout", "-q", "-b", "b")
    plain.git("rm", "-q", "a.txt")
    b = plain.commit("delete")
    conflict = git.merge_tree(git.Git(plain.path), a, b)
    assert isinstance(conflict, git.Conflict)
    assert conflict.files == (git.ConflictFile("a.txt", "modify/delete"),)


@pytest.mark.parametrize("other", ["nowhere", "alone"])
def test_what_cannot_be_merged_is_no_conflict(plain: Repository, other: str) -> None:
    plain.git("checkout", "-q", "--orphan", "alone")
    plain.commit("alone")
    with pytest.raises(CommandFailed):
        git.merge_tree(git.Git(plain.path), "main", other)


def test_a_tag_object(repo: Repository) -> None:
    repository = git.Git(repo.path)
    tag = git.make_tag(repository, "wave-1", repo.git("rev-parse", "HEAD"), "first wave", ADA)
    git.update_refs(repository, [git.Create("refs/tags/wave-1", tag)], "tag")
    assert repo.git("cat-file", "-t", "wave-1") == "tag"
    assert git.resolve(repository, "wave-1") == repo.git("rev-parse", "HEAD")


def test_two_trees_carry_a_checkout_and_keep_uncommitted_work(plain: Repository) -> None:
    repository = git.Git(plain.path)
    old, new = plain.git("rev-parse", "HEAD"), plain.branch("side", b__txt="new")
    (plain.path / "a.txt").write_text("uncommitted\n")
    git.read_tree_two_way(repository, old, new, dry_run=True)
    assert not (plain.path / "b.txt").exists()
    git.read_tree_two_way(repository, old, new)
    assert (plain.path / "b.txt").read_text() == "new"
    assert (plain.path / "a.txt").read_text() == "uncommitted\n"


def test_two_trees_refuse_to_overwrite(plain: Repository) -> None:
    old, new = plain.git("rev-parse", "HEAD"), plain.branch("side", a__txt="theirs\n")
    (plain.path / "a.txt").write_text("uncommitted\n")
    with pytest.raises(CommandFailed):
        git.read_tree_two_way(git.Git(plain.path), old, new)
    assert (plain.path / "a.txt").read_text() == "uncommitted\n"


def test_status_tells_tracked_from_untracked(plain: Repository) -> None:
    plain.commit("more", b__txt="a long enough text to be found again\n" * 5, c__txt="c")
    plain.git("mv", "b.txt", "renamed.txt")
    (plain.path / "c.txt").write_text("changed")
    (plain.path / "new ä").write_text("x")
    (plain.path / "folder").mkdir()
    (plain.path / "folder" / "x").write_text("x")
    found = git.status(git.Git(plain.path))
    assert set(found.tracked) == {"renamed.txt", "b.txt", "c.txt"}
    assert set(found.untracked) == {"new ä", "folder/"}
    assert "folder/x" in git.status(git.Git(plain.path), every_untracked=True).untracked


def test_an_operation_under_way_is_seen(plain: Repository) -> None:
    plain.branch("side", a__txt="theirs\n")
    plain.commit("ours", a__txt="ours\n")
    assert git.operation(git.git_dir(plain.path)) is None
    subprocess.run(["git", "merge", "-q", "side"], cwd=plain.path, capture_output=True, check=False)
    assert git.operation(git.git_dir(plain.path)) == "merge"


def test_worktrees_listed_with_their_state(plain: Repository) -> None:
    repository = git.Git(plain.path)
    kept, lost = plain.path.parent / "kept wt", plain.path.parent / "lost"
    plain.git("branch", "b")
    git.add_worktree(repository, kept, branch="b")
    git.check_out(git.Git(kept))
    git.add_worktree(repository, lost, commit="HEAD")
    plain.git("worktree", "lock", "--reason", "on a stick", str(lost))
    (lost / ".git").unlink()
    lost.rmdir()
    main, first, second = git.list_worktrees(git.Git(kept))
    assert (main.path, main.branch) == (str(plain.path), "main")
    assert (first.path, first.branch, first.locked) == (str(kept), "b", None)
    assert (second.branch, second.locked) == (None, "on a stick")
    assert git.common_dir(git.Git(kept)) == str(plain.path / ".git")
    assert git.repository_root(git.Git(kept)) == str(plain.path)
    assert git.status(git.Git(kept)) == git.Changed((), ())


def test_a_submodule_is_left_alone(plain: Repository, tmp_path: Path) -> None:
    with repository_at(tmp_path / "library") as library:
        plain.git("submodule", "add", "-q", str(library.path), "lib")
        plain.commit("with a library")
    git.add_worktree(git.Git(plain.path), tmp_path / "wt", commit="HEAD")
    git.check_out(git.Git(tmp_path / "wt"))
    assert list((tmp_path / "wt" / "lib").iterdir()) == []
    assert git.status(git.Git(tmp_path / "wt")) == git.Changed((), ())


def test_ignored_files(plain: Repository) -> None:
    plain.commit("ignore", __gitignore="*.pt\nout/\n")
    for name in ("a.pt", "out/x", "out/y", "seen"):
        (plain.path / name).parent.mkdir(exist_ok=True)
        (plain.path / name).write_text("x")
    repository = git.Git(plain.path)
    assert set(git.ignored_files(repository)) == {"a.pt", "out/x", "out/y"}
    assert git.ignored_files(repository, ["out"]) == ("out/x", "out/y")
    assert set(git.ignored_files(repository, as_folders=True)) == {"a.pt", "out/"}


def test_push_names_what_was_refused(plain: Repository, tmp_path: Path) -> None:
    remote = Repository(tmp_path / "remote.git", "--bare")
    plain.git("remote", "add", "origin", str(remote.path))
    repository = git.Git(plain.path)
    assert git.push(repository, "origin", ["refs/heads/main:refs/heads/main"]) == {}
    plain.git("commit", "-q", "--amend", "--allow-empty", "-m", "rewritten")
    plain.branch("side", x="1")
    refused = git.push(repository, "origin", ["main:refs/heads/main", "side:refs/heads/side"])
    assert list(refused) == ["refs/heads/main"]
    assert "non-fast-forward" in refused["refs/heads/main"]
    assert "refs/heads/side" in remote.git("for-each-ref", "--format=%(refname)")


def test_a_remote_that_cannot_be_reached_shows_no_password(plain: Repository) -> None:
    plain.git("remote", "add", "origin", "http://ada:secret@127.0.0.1:9/x")
    with pytest.raises(CommandFailed) as raised:
        git.push(git.Git(plain.path), "origin", ["main"])
    assert "secret" not in raised.value.message + str(raised.value.hint)


def test_settings(plain: Repository) -> None:
    repository = git.Git(plain.path)
    assert git.config(repository, "orchestrator.none") is None
    git.set_config(repository, "orchestrator.some", "two\nlines")
    assert git.config(repository, "orchestrator.some") == "two\nlines"


def test_a_lock_passed_to_git_outlives_us(plain: Repository, tmp_path: Path) -> None:
    """What a killed agent leaves behind: git still runs, and still holds the lock."""
    lock, started = tmp_path / "lock", tmp_path / "started"
    alias = f"alias.wait=!touch '{started}'; exec sleep 30"
    program = (
        "import fcntl, os; from orchestrator import git\n"
        f"lock = os.open({str(lock)!r}, os.O_RDWR | os.O_CREAT); fcntl.flock(lock, fcntl.LOCK_EX)\n"
        f"git.Git({str(plain.path)!r}, settings=({alias!r},), pass_fds=(lock,)).run('wait')\n"
    )
    agent = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2])
    try:
        eventually(started.exists)
        agent.kill()
        agent.wait()
        with lock.open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        for pid in _with_open_file(lock) - {os.getpid()}:
            os.kill(pid, signal.SIGKILL)


def _with_open_file(path: Path) -> set[int]:
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.readlink() == path:
                found.add(int(link.parts[2]))
        except OSError:
            continue
    return found


def test_threads_that_run_the_first_commands_do_not_meet(plain: Repository) -> None:
    program = f"""
import sys, threading
sys.setswitchinterval(1e-6)
from orchestrator import git
said = []
ask = lambda: said.append(git.Git({str(plain.path)!r}).text("rev-parse", "--is-bare-repository"))
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
import git
print(said == ["false"] * 8, git.Repo.__name__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "True Repo\n", done.stderr
