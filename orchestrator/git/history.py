"""What lies between commits: merges, forks, renames, and changed lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.git.command import Git
from orchestrator.git.comparing import HUNK


@dataclass(frozen=True, slots=True)
class LineChange:
    """`old_count` lines from `old_start` became `added`, from `new_start`; lines count from 1.

    Of nothing, the start is the line before, as in `diff -U0`.
    """

    old_start: int
    old_count: int
    new_start: int
    removed: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OwnCommit:
    id: str
    parents: tuple[str, ...]
    authored_s: int
    message: str


def merge_bases(git: Git, a: str, b: str) -> tuple[str, ...]:
    """All best common ancestors; more than one where the two were merged crosswise."""
    return tuple(git.text("merge-base", "--all", a, b, ok=(0, 1)).split())


def common_ancestor(git: Git, commits: Sequence[str]) -> str | None:
    """The newest commit that all of these have in their history."""
    return git.text("merge-base", "--octopus", *commits, ok=(0, 1)) or None


def first_parents(git: Git, base: str, commit: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The first-parent line from `commit` down to `base`, each commit with its parents; oldest first."""
    lines = git.text("rev-list", "--first-parent", "--reverse", "--parents", f"{base}..{commit}").split("\n")
    return tuple((words[0], tuple(words[1:])) for line in lines if (words := line.split()))


def own_commits(git: Git, base: str, tip: str) -> tuple[OwnCommit, ...]:
    """The commits of `tip` that `base` lacks, newest first."""
    form = "%H%x1f%P%x1f%at%x1f%B"
    records = git.run("log", "-z", f"--format=tformat:{form}", f"{base}..{tip}", "--").fields()
    parts = (record.split("\x1f", 3) for record in records)
    return tuple(OwnCommit(c, tuple(parents.split()), int(at), text) for c, parents, at, text in parts)


def newest_until(git: Git, commit: str, seconds: int) -> str | None:
    """The newest commit on the first-parent line that was committed by then; None where none was."""
    return git.text("rev-list", "-1", "--first-parent", f"--before={seconds}", commit) or None


def renamed_paths(git: Git, old: str, new: str) -> dict[str, str]:
    """Files that were moved between two commits, the old path to the new."""
    fields = git.run("diff-tree", "-r", "-z", "-M", "--diff-filter=R", "--name-status", old, new).fields()
    return dict(zip(fields[1::3], fields[2::3], strict=True))


def line_changes(git: Git, old: str, new: str) -> tuple[LineChange, ...]:
    """How the text of one blob became that of another; none where one is binary."""
    output = git.run("diff", "--no-ext-diff", "--no-textconv", "--no-color", "-U0", old, new).stdout
    return tuple(_line_changes(output.split("\n")))


def _line_changes(lines: Sequence[str]) -> Iterator[LineChange]:
    heads = [number for number, line in enumerate(lines) if HUNK.match(line)]
    for number, end in zip(heads, [*heads[1:], len(lines)], strict=False):
        head = HUNK.match(lines[number])
        assert head is not None
        body = lines[number + 1 : end]
        yield LineChange(
            old_start=int(head[1]),
            old_count=int(head[2] or 1),
            new_start=int(head[3]),
            removed=tuple(line[1:] for line in body if line.startswith("-")),
            added=tuple(line[1:] for line in body if line.startswith("+")),
        )


def paths_of(git: Git, commits: Collection[str]) -> set[str]:
    """Every path that these commits changed against their first parent."""
    if not commits:
        return set()
    options = ("--no-walk", "-m", "--first-parent", "-z", "--name-only", "--format=")
    return set(git.run("log", *options, *commits, "--").fields())
