"""`silent-revert`: a branch that takes back what others landed, and the honest branches that look like it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.checks.finding import Finding, Subject
from orchestrator.checks.silent_revert import findings, undone_in_merge
from orchestrator.git import Git
from tests.core.plans import workstream
from tests.support.landing import check, landing_scene, merge
from tests.support.landing import workstream as member
from tests.support.repository import Repository, pin, repository_at

LINES = [f"line {number}\n" for number in range(1, 31)]
LATER = "1700009000 +0000"


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """`main` has `f`; the branch `w/a` forked, and then main gained lines 10 and 20, and `g`."""
    pin(monkeypatch, tmp_path)
    with repository_at(tmp_path / "repo") as repository:
        write(repository, "the file", f=LINES)
        repository.git("checkout", "--quiet", "-b", "w/a")
        write(repository, "own work", own=["1\n"])
        repository.git("checkout", "--quiet", "main")
        write(repository, "theirs", f=changed(LINES, {10: "line 10\ngained\n", 20: "twenty\n"}), g=["g\n"])
        repository.git("checkout", "--quiet", "w/a")
        yield repository


def changed(lines: list[str], edits: dict[int, str]) -> list[str]:
    return [edits.get(number, line) for number, line in enumerate(lines, 1)]


def write(repository: Repository, message: str, **files: list[str]) -> str:
    return repository.commit_files(message, {name: "".join(lines) for name, lines in files.items()})


def found(repository: Repository, began: str | None = None) -> list[tuple[str, int | None, int | None]]:
    base, tip = (repository.git("rev-parse", name) for name in ("main", "w/a"))
    undone = undone_in_merge(Git(repository.path), base, tip, began)
    return [(one.path, one.first, one.last) for one in undone]


def merge_main(repository: Repository, *options: str) -> None:
    repository.git("merge", "--quiet", "--no-edit", *options, "main")


# --- found ----------------------------------------------------------------------------------------


def test_a_merge_that_dropped_what_it_merged(repo: Repository) -> None:
    merge_main(repo, "-s", "ours")
    assert found(repo) == [("f", None, None), ("g", None, None)]


def test_single_lines_that_a_bad_resolution_dropped(repo: Repository) -> None:
    merge_main(repo)
    write(repo, "oops", f=changed(LINES, {10: "line 10\ngained\n", 30: "mine\n"}))
    assert found(repo) == [("f", 21, 21)]


def test_a_function_dropped_where_the_branch_put_its_own(repo: Repository) -> None:
    """Both added at the same place; the branch kept its own lines only."""
    merge_main(repo)
    write(repo, "oops", f=changed(LINES, {10: "line 10\nsomething of my own\n", 20: "twenty\n"}))
    assert found(repo) == [("f", 11, 11)]


def test_a_squash_from_a_stale_tree_that_kept_its_date(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.git("checkout", "--quiet", "main")
    monkeypatch.setenv("GIT_COMMITTER_DATE", LATER)
    write(repo, "landed later", h=["h\n"])
    stale = repo.git("commit-tree", "w/a^{tree}", "-p", "main", "-m", "squashed")
    repo.git("update-ref", "refs/heads/w/a", stale)
    assert found(repo) == [("h", None, None)]


def test_a_squash_from_a_stale_tree_where_the_journal_knows_the_start(repo: Repository) -> None:
    """Nothing in the commits tells; that its worktree began before does."""
    began = repo.git("merge-base", "main", "w/a")
    stale = repo.git("commit-tree", "w/a^{tree}", "-p", "main", "-m", "squashed")
    repo.git("update-ref", "refs/heads/w/a", stale)
    assert found(repo) == []
    assert found(repo, began) == [("f", None, None), ("g", None, None)]


def test_a_file_brought_back_that_base_deleted(repo: Repository) -> None:
    repo.git("checkout", "--quiet", "main")
    repo.git("rm", "--quiet", "a.txt")
    repo.commit("gone")
    repo.git("checkout", "--quiet", "w/a")
    merge_main(repo)
    repo.git("checkout", "HEAD^", "--", "a.txt")
    repo.commit("back")
    assert found(repo) == [("a.txt", None, None)]


# --- honest ---------------------------------------------------------------------------------------


def test_a_branch_that_merged_and_kept_everything(repo: Repository) -> None:
    merge_main(repo)
    write(repo, "more", f=changed(LINES, {1: "", 10: "line 10\ngained\n", 20: "twenty\n", 25: "own\n"}))
    assert found(repo) == []


def test_a_branch_that_never_merged_and_deletes_what_it_forked_from(repo: Repository) -> None:
    write(repo, "shorter", f=LINES[5:])
    assert found(repo) == []


def test_an_edit_of_a_line_that_others_landed(repo: Repository) -> None:
    merge_main(repo)
    edits = {10: "line 10\ngained, and improved\n", 20: "twenty!\n"}
    write(repo, "better", f=changed(LINES, edits), g=["gg\n"])
    assert found(repo) == []


def test_a_file_of_others_that_was_moved(repo: Repository) -> None:
    merge_main(repo)
    repo.git("mv", "f", "moved")
    repo.git("mv", "g", "moved too")
    repo.commit("moved")
    assert found(repo) == []


def test_a_rebased_branch(repo: Repository) -> None:
    repo.git("rebase", "--quiet", "main")
    write(repo, "more", f=changed(LINES, {10: "line 10\ngained\n", 20: "twenty\n", 5: "five\n"}))
    assert found(repo, repo.git("rev-parse", "main~1")) == []


def test_lines_that_base_took_back_itself(repo: Repository) -> None:
    repo.git("checkout", "--quiet", "main")
    write(repo, "taken back", f=LINES)
    repo.git("checkout", "--quiet", "w/a")
    merge_main(repo)
    assert found(repo) == []


@pytest.mark.parametrize("trailer", ["Reverts: f", "Reverts: *"])
def test_a_declared_one_is_no_silent_one(repo: Repository, trailer: str) -> None:
    merge_main(repo)
    repo.git("checkout", "HEAD^1", "--", "f")
    repo.commit("I mean it")
    assert found(repo) == [("f", None, None)]
    repo.git("commit", "--quiet", "--amend", "-m", f"I mean it\n\n{trailer}")
    assert found(repo) == []


def test_a_git_revert_declares_itself(repo: Repository) -> None:
    merge_main(repo)
    repo.git("revert", "--no-edit", "main")
    assert found(repo) == []


# --- as a check and before a landing --------------------------------------------------------------


def test_the_check_names_path_and_line(repo: Repository) -> None:
    merge_main(repo)
    write(repo, "oops", f=changed(LINES, {10: "line 10\ngained\n", 30: "mine\n"}))
    subject = Subject(
        git=Git(repo.path),
        gate="silent-revert",
        workstream=workstream("a"),
        base=repo.git("rev-parse", "main"),
        commit=repo.git("rev-parse", "w/a"),
        settings={},
    )
    seen = repo.git("rev-parse", "main")
    assert findings(subject) == (
        Finding(
            gate="silent-revert",
            workstream="a",
            path="f",
            line=21,
            rule="undone",
            message=f"undoes what others landed in f, line 21 (see {seen[:12]}:f)",
        ),
    )


def test_a_landing_refuses_one_without_any_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with landing_scene(tmp_path, monkeypatch) as scene:
        scene.work("a", {"own": "1\n"})
        scene.repo.commit("theirs", gained="what others did\n")
        scene.repo.git("merge", "--quiet", "--no-edit", "-s", "ours", "main", cwd=scene.worktrees / "a")
        desk = scene.desk(member("a"))
        assert [report.ok for report in (check(desk), merge(desk))] == [False, False]
        (reason,) = merge(desk).reasons
        assert reason.startswith("a: undoes what others landed in gained (see ")
        assert reason.endswith("Reverts: gained")
        assert scene.graph() == "theirs\nfirst"


def test_a_sibling_of_the_same_wave_is_protected_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with landing_scene(tmp_path, monkeypatch) as scene:
        scene.work("a", {"of_a": "1\n"})
        scene.work("b", {"of_b": "something else\n"})
        scene.repo.git("merge", "--quiet", "--no-edit", "-s", "ours", "p/a", cwd=scene.worktrees / "b")
        report = merge(scene.desk(member("a"), member("b")))
        (reason,) = report.reasons
        assert reason.startswith("b: undoes what others landed in of_a")
