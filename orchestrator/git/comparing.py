"""What branches changed: blobs by path, lines by blob. Few processes, however many branches."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.git.command import Git

_FILE = "100644"
_BIG_FILE = "core.bigFileThreshold=2m"  # lines of larger files are not compared
HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True, slots=True)
class BlobChange:
    """`old` or `new` is None where the path was added or deleted. A gitlink's blob is a commit."""

    path: str
    old: str | None
    new: str | None
    is_gitlink: bool = False


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines are counted from 1. An empty side lies behind the line it is said to start at."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int


def not_contained(git: Git, commits: Iterable[str], base: str) -> frozenset[str]:
    """Those of `commits` that `base` does not have among its ancestors, nor is."""
    lines = "".join(f"{commit}\n" for commit in [*commits, f"^{base}"])
    ahead = frozenset(git.text("rev-list", "--stdin", stdin=lines).split())
    return frozenset(commit for commit in commits if commit in ahead)


def tracked_paths(git: Git, commit: str) -> tuple[str, ...]:
    return tuple(git.run("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit).fields())


def blob_changes(git: Git, spans: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[BlobChange, ...]]:
    """For each (old, new) pair of commits what differs between them; renames are not looked for."""
    if not spans:
        return {}
    trees = _trees(git, dict.fromkeys(commit for span in spans for commit in span))
    wanted = {(trees[old], trees[new]): (old, new) for old, new in spans}
    lines = "".join(f"{old} {new}\n" for old, new in wanted)
    answer = git.run("diff-tree", "--stdin", "-r", "-z", "--raw", "--no-renames", stdin=lines).stdout
    found: dict[tuple[str, str], list[BlobChange]] = {pair: [] for pair in wanted}
    current: list[BlobChange] = []
    fields = iter(answer.split("\0"))
    for field in fields:
        # Two trees are announced by a line of their own, which `-z` does not end; equal ones too.
        head, _, rest = field.rpartition("\n")
        if head:
            old, new = head.rpartition("\n")[2].split(" ")
            current = found[old, new]
        if rest.startswith(":"):
            current.append(_blob_change(rest, next(fields)))
    return {span: tuple(found[trees[span[0]], trees[span[1]]]) for span in spans}


def _trees(git: Git, commits: Iterable[str]) -> dict[str, str]:
    wanted = list(commits)
    lines = "".join(f"{commit}^{{tree}}\n" for commit in wanted)
    answer = git.text("cat-file", "--batch-check=%(objectname)", stdin=lines)
    return dict(zip(wanted, answer.split("\n"), strict=True))


def _blob_change(meta: str, path: str) -> BlobChange:
    old_mode, new_mode, old, new, _ = meta[1:].split(" ")
    return BlobChange(
        path=path,
        old=old if old.strip("0") else None,
        new=new if new.strip("0") else None,
        is_gitlink="160000" in (old_mode, new_mode),
    )


def hunks(git: Git, blobs: Collection[tuple[str, str]]) -> dict[tuple[str, str], tuple[Hunk, ...]]:
    """Where each (old, new) pair of blobs differs, in three processes; none for binary or large files.

    Writes two trees: give it a quarantine.
    """
    wanted = sorted(set(blobs))
    if not wanted:
        return {}
    # Git compares trees, not lists of blobs: each pair is the same name in one tree and the other.
    sides = [_tree_of_blobs(git, [pair[side] for pair in wanted]) for side in (0, 1)]
    options = ("-r", "-p", "-U0", "--no-renames", "--no-color")
    plain = Git(git.directory, (*git.settings, _BIG_FILE), environment=git.environment)
    by_number = _numbered_hunks(plain.run("diff-tree", *options, *sides).stdout.split("\n"))
    return {pair: tuple(by_number.get(number, ())) for number, pair in enumerate(wanted)}


def _tree_of_blobs(git: Git, blobs: Sequence[str]) -> str:
    entries = "".join(f"{_FILE} blob {blob}\t{number:08}\n" for number, blob in enumerate(blobs))
    return git.text("mktree", "--missing", stdin=entries)


def _numbered_hunks(lines: Iterable[str]) -> Mapping[int, list[Hunk]]:
    found: dict[int, list[Hunk]] = {}
    current: list[Hunk] = []
    for line in lines:
        if line.startswith("diff --git "):
            current = found.setdefault(int(line.rpartition("/")[2]), [])
        elif match := HUNK.match(line):
            old, old_count, new, new_count = (int(part) if part else 1 for part in match.groups())
            current.append(Hunk(old, old_count, new, new_count))
    return found
