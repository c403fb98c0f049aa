"""Many merges at once, objects that are thrown away, snapshots, and lines of blobs: on real repositories."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator import git
from orchestrator.git import BlobChange, Conflict, Hunk, Merged, NotMergeable
from tests.support.repository import Repository, plain_fixture, repo_fixture

__all__ = ["plain_fixture", "repo_fixture"]

MISSING = "0123456789" * 4


def objects(repo: Repository) -> list[str]:
    return sorted(str(path) for path in (repo.path / ".git" / "objects").rglob("*"))


def kinds(result: Merged | Conflict | NotMergeable) -> dict[str, str]:
    assert isinstance(result, Conflict), result
    return {file.path: file.kind for file in result.files}


def test_pairs_are_answered_in_their_order_as_one_by_one(repo: Repository) -> None:
    a = repo.branch("a", a__txt="A\n", né="1")
    b = repo.branch("b", a__txt="B\n")
    c = repo.branch("c", c="3")
    pairs = [(a, b), (a, c), (b, a), (c, b)]
    together = git.merge_pairs(git.Git(repo.path), pairs)
    assert together == [git.merge_tree(git.Git(repo.path), *pair) for pair in pairs]
    assert [type(result) for result in together] == [Conflict, Merged, Conflict, Merged]


def test_what_cannot_be_merged_costs_the_other_pairs_nothing(plain: Repository) -> None:
    a, b = plain.branch("a", a__txt="A\n"), plain.branch("b", a__txt="B\n")
    plain.git("checkout", "--quiet", "--orphan", "alone")
    alone = plain.commit("alone")
    bad, apart = (a, MISSING), (alone, b)
    results = git.merge_pairs(git.Git(plain.path), [bad, (a, b), apart, (a, a), bad, (b, a)])
    assert [type(result) for result in results] == [
        *(NotMergeable, Conflict, NotMergeable),
        *(Merged, NotMergeable, Conflict),
    ]
    assert results[0] == NotMergeable(f"{MISSING} is no commit")
    assert results[2] == NotMergeable("unrelated histories")


def submodule(repo: Repository, branch: str, commit: str) -> str:
    repo.git("checkout", "--quiet", "-b", branch, "main")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{commit},lib")
    repo.git("commit", "--quiet", "-m", "lib")
    tip = repo.git("rev-parse", "HEAD")
    repo.git("checkout", "--quiet", "main")
    return tip


def test_every_kind_is_named_in_one_place(plain: Repository) -> None:
    plain.commit("more", d_s_1="1\n", d_s_2="2\n", kept="".join(f"{n}\n" for n in range(20)))
    plain.git("update-index", "--add", "--cacheinfo", f"160000,{MISSING},lib")
    plain.git("commit", "--quiet", "-m", "lib")

    def side(name: str, commands: str, **files: str) -> str:
        plain.git("checkout", "--quiet", "-b", name, "main")
        for command in filter(None, commands.split(";")):
            plain.git(*command.split())
        tip = plain.commit(name, **files)
        plain.git("checkout", "--quiet", "--force", "main")
        return tip

    a = side("a", "mv d/1 e1;rm --quiet kept", a__txt="A\n", new="a\n", x_s_y="1\n", bin="\0a")
    b = side("b", "mv d/1 f1", a__txt="B\n", new="b\n", x="file\n", bin="\0b", kept="other\n")
    moved, added = side("moved", "mv d elsewhere"), side("added", "", d_s_9="9\n")
    one, two = submodule(plain, "one", "1" * 40), submodule(plain, "two", "2" * 40)
    results = git.merge_pairs(git.Git(plain.path), [(a, b), (moved, added), (one, two)])
    assert kinds(results[0]) == {
        "a.txt": "content",
        "new": "add/add",
        "bin": "binary",
        "kept": "modify/delete",
        "x": "file/directory",
        **dict.fromkeys(("d/1", "e1", "f1"), "rename/rename"),
    }
    assert kinds(results[1]) == {"elsewhere/9": "directory rename"}
    assert kinds(results[2]) == {"lib": "submodule"}
    assert results == [git.merge_tree(git.Git(plain.path), *p) for p in [(a, b), (moved, added), (one, two)]]


def test_what_is_written_in_quarantine_is_gone_afterwards(repo: Repository) -> None:
    a, b = repo.branch("a", a__txt="A\n"), repo.branch("b", a__txt="B\n", b="b")
    before = objects(repo)
    with git.quarantine(git.common_dir(git.Git(repo.path))) as quarantine:
        (merged,) = git.merge_pairs(quarantine, [(a, b)])
        assert isinstance(merged, Conflict)
        assert "<<<<<<<" in quarantine.text("cat-file", "blob", f"{merged.tree}:a.txt")
        folder = Path(quarantine.environment["GIT_OBJECT_DIRECTORY"])
    assert not folder.exists()
    assert objects(repo) == before


def test_a_snapshot_holds_all_that_is_not_committed_and_touches_nothing(repo: Repository) -> None:
    repo.commit("more", gone="1", mode="#!/bin/sh\n", ignored__txt="kept")
    (repo.path / ".git" / "info" / "exclude").write_text("*.log\n")
    (repo.path / "a.txt").write_text("staged\n")
    repo.git("add", "a.txt")
    (repo.path / "a.txt").write_text("in the worktree\n")
    (repo.path / "gone").unlink()
    (repo.path / "mode").chmod(0o755)
    (repo.path / "ü new").mkdir()
    (repo.path / "ü new" / "file").write_text("untracked")
    (repo.path / "x.log").write_text("ignored")
    index, before, status = (
        (repo.path / ".git" / "index").read_bytes(),
        objects(repo),
        repo.git("status", "-s"),
    )
    with git.quarantine(git.common_dir(git.Git(repo.path))) as quarantine:
        snapshot = git.take_snapshot(repo.path, quarantine)
        assert snapshot is not None
        assert (snapshot.head, snapshot.branch) == (repo.git("rev-parse", "HEAD"), "main")
        changes = {c.path: c.kind for c in git.changed_paths(quarantine, snapshot.head, snapshot.commit)}
        assert changes == {"a.txt": "M", "gone": "D", "mode": "M", "ü new/file": "A"}
        assert quarantine.text("cat-file", "blob", f"{snapshot.commit}:a.txt") == "in the worktree"
        assert git.take_snapshot(repo.path, quarantine) == snapshot
    assert (repo.path / ".git" / "index").read_bytes() == index
    assert objects(repo) == before
    assert repo.git("status", "-s") == status


def test_a_snapshot_from_within_a_hook_leaves_the_hooks_index_alone(
    plain: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook's environment names the user's index and objects; ours must win over both."""
    (plain.path / "a.txt").write_text("changed\n")
    index, before = (plain.path / ".git" / "index").read_bytes(), objects(plain)
    monkeypatch.setenv("GIT_INDEX_FILE", str(plain.path / ".git" / "index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(plain.path / ".git" / "objects"))
    with git.quarantine(plain.path / ".git") as quarantine:
        assert git.take_snapshot(plain.path, quarantine) is not None
    assert (plain.path / ".git" / "index").read_bytes() == index
    assert objects(plain) == before


def test_an_edit_right_after_the_index_was_written_is_seen(plain: Repository) -> None:
    """Same size, same times: only the index's own time tells git to look into the file."""
    file, index = plain.path / "a.txt", plain.path / ".git" / "index"
    plain.git("config", "core.trustctime", "false")
    then = (1_600_000_000, 1_600_000_000)
    os.utime(file, then)
    plain.git("update-index", "--refresh")
    file.write_text("ONE\ntwo\nthree\n")
    for path in (file, index):
        os.utime(path, then)
    with git.quarantine(plain.path / ".git") as quarantine:
        snapshot = git.take_snapshot(plain.path, quarantine)
        assert snapshot is not None
        assert quarantine.text("cat-file", "blob", f"{snapshot.commit}:a.txt").startswith("ONE")


def test_a_large_untracked_file_is_left_out_and_named(plain: Repository) -> None:
    with (plain.path / "data.bin").open("wb") as file:
        file.truncate(9 * 1024 * 1024)
    (plain.path / "small").write_text("1")
    with git.quarantine(plain.path / ".git") as quarantine:
        snapshot = git.take_snapshot(plain.path, quarantine)
        assert snapshot is not None
        assert snapshot.left_out == ("data.bin",)
        assert [c.path for c in git.changed_paths(quarantine, snapshot.head, snapshot.commit)] == ["small"]


def test_nothing_uncommitted_is_no_snapshot(plain: Repository) -> None:
    with git.quarantine(plain.path / ".git") as quarantine:
        assert git.take_snapshot(plain.path, quarantine) is None


def test_a_snapshot_travels_as_a_pack_of_what_is_new(repo: Repository) -> None:
    (repo.path / "a.txt").write_text("one\ntwo\nthree\nfour \xff\n", encoding="latin-1")
    common_dir = git.common_dir(git.Git(repo.path))
    with git.quarantine(common_dir) as there:
        snapshot = git.take_snapshot(repo.path, there)
        assert snapshot is not None
        pack = git.pack_of(there, snapshot.commit, snapshot.head)
    with git.quarantine(common_dir) as here:
        assert git.find_commits(here, [snapshot.commit]) == {snapshot.commit: None}
        git.unpack(here, pack)
        assert here.run("cat-file", "blob", f"{snapshot.commit}:a.txt").stdout.endswith("four \udcff\n")


def test_changes_of_many_spans_in_one_process(repo: Repository) -> None:
    main = repo.git("rev-parse", "main")
    a, b = repo.branch("a", a__txt="A\n", né="1"), repo.branch("b")
    found = git.blob_changes(git.Git(repo.path), [(main, a), (main, b), (a, main)])
    old, new = (repo.git("rev-parse", f"{commit}:a.txt") for commit in (main, a))
    added = repo.git("rev-parse", "a:né")
    assert found[main, a] == (BlobChange("a.txt", old, new), BlobChange("né", None, added))
    assert found[main, b] == ()
    assert found[a, main] == (BlobChange("a.txt", new, old), BlobChange("né", added, None))


def test_lines_of_many_blobs_at_once(repo: Repository) -> None:
    def blob(text: str) -> str:
        return git.Git(repo.path).text("hash-object", "-w", "--stdin", stdin=text)

    (repo.path / ".git" / "info" / "attributes").write_text("* diff=words\n")
    repo.git("config", "diff.words.command", "false")
    old = blob("1\n2\n3\n4\n")
    wanted = [(old, blob("1\n2\n3\nvier\n5\n")), (old, blob("0\n1\n2\n3\n4\n")), (old, blob("a\0b"))]
    with git.quarantine(git.common_dir(git.Git(repo.path))) as quarantine:
        found = git.hunks(quarantine, wanted)
    assert [found[pair] for pair in wanted] == [(Hunk(4, 1, 4, 2),), (Hunk(0, 0, 1, 1),), ()]


def test_only_what_base_lacks_is_not_contained(plain: Repository) -> None:
    first = plain.git("rev-parse", "main")
    base = plain.commit("second")
    ahead = plain.branch("a", a="1")
    assert git.not_contained(git.Git(plain.path), [first, base, ahead], base) == {ahead}


def test_the_rules_of_a_merge_follow_committed_attributes_and_nobodys_settings(plain: Repository) -> None:
    def rules() -> str:
        return git.merge_rules(plain.path / ".git", plain.git("rev-parse", "main"))

    before = rules()
    plain.commit("code")
    assert rules() == before
    plain.commit("attributes", __gitattributes="*.txt merge=union\n")
    after = rules()
    assert after != before
    plain.git("config", "merge.renormalize", "true")
    (plain.path / ".git" / "info" / "attributes").write_text("*.bin binary\n")
    assert rules() == after
