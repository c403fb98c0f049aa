"""Work in progress that is committed while a worker runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agent.saving import FILE_LIMIT_BYTES, commit_work
from orchestrator.wire import CommitWork, WorkKept
from tests.support.repository import PINNED, Repository, pin, repository_at


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """A worktree whose last commit is from long ago; what is committed from now on is from now."""
    pin(monkeypatch, tmp_path)
    with repository_at(tmp_path / "repo") as made:
        for name in [name for name in PINNED if name.endswith("_DATE")]:
            monkeypatch.delenv(name)
        yield made


def save(repo: Repository, **changes: Any) -> WorkKept:
    fields: dict[str, Any] = {
        "worktree": str(repo.path),
        "branch": "main",
        "results": "results/a",
        "message": "a: work in progress\n",
        "younger_s": 2700.0,
    }
    return commit_work(CommitWork(**{**fields, **changes}))


def write(repo: Repository, path: str, text: str = "new\n") -> None:
    file = repo.path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_what_is_changed_and_new_results_are_committed(repo: Repository) -> None:
    (repo.path / ".git/info/exclude").write_text("*.pt\n")
    write(repo, "a.txt")
    write(repo, "results/a/metrics [1].json")
    write(repo, "results/a/weights.pt")
    write(repo, "scratch.txt")
    write(repo, "results/a/large", "x" * (FILE_LIMIT_BYTES + 1))
    (repo.path / "README.md").unlink()
    kept = save(repo)
    assert (kept.commit, kept.files) == (repo.git("rev-parse", "HEAD"), 3)
    assert kept.left_out == ("results/a/large",)
    assert repo.git("show", "--format=%s", "--name-status", "HEAD").split("\n") == [
        "a: work in progress", "", "D\tREADME.md", "M\ta.txt", "A\tresults/a/metrics [1].json",
    ]  # fmt: skip
    assert repo.git("status", "--porcelain").split("\n") == ["?? results/a/large", "?? scratch.txt"]


def test_a_young_commit_is_enough_and_so_is_nothing_to_commit(repo: Repository) -> None:
    assert save(repo) == WorkKept()
    repo.commit("by the worker itself", b__txt="b")
    write(repo, "a.txt")
    assert save(repo) == WorkKept()
    assert save(repo, younger_s=0.0).files == 1


def test_nobody_s_merge_rebase_or_lock_is_disturbed(repo: Repository) -> None:
    repo.branch("other", a__txt="theirs\n")
    repo.commit("ours", a__txt="ours\n")
    with pytest.raises(AssertionError, match="git merge"):
        repo.git("merge", "other")
    assert "merge is under way" in str(save(repo, younger_s=0.0).reason)
    repo.git("merge", "--abort")
    write(repo, "a.txt")
    lock = repo.path / ".git/index.lock"
    lock.touch()
    assert "locked" in str(save(repo, younger_s=0.0).reason)
    lock.unlink()
    assert "not checked out" in str(save(repo, branch="other", younger_s=0.0).reason)
    assert repo.git("log", "-1", "--format=%s") == "ours"
    assert save(repo, younger_s=0.0).commit is not None


def test_it_needs_no_identity_and_heeds_no_hook(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in PINNED if name.startswith(("GIT_AUTHOR", "GIT_COMMITTER"))]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    hook = repo.path / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    write(repo, "a.txt")
    assert save(repo).commit is not None
    assert repo.git("log", "-1", "--format=%an <%ae>") == "orchestrator <orchestrator@localhost>"
