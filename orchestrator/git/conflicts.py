"""Merging in memory, and what keeps two commits from merging. Every kind of conflict is named here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import CommandFailed
from orchestrator.git.command import Git
from orchestrator.git.refs import find_commits, merge_base

CASE_FOLD = "case-fold"
"""Two paths that are one where upper and lower case are the same. Git itself never says so."""

_RENAMED_FOLDER = "directory rename"
_KINDS: Mapping[str, str] = {
    "contents": "content",
    "file location": _RENAMED_FOLDER,
    "implicit dir rename": _RENAMED_FOLDER,
    "directory rename split": _RENAMED_FOLDER,
    "directory rename suggested": _RENAMED_FOLDER,
    "file in way of directory rename": _RENAMED_FOLDER,
    "rename involved in collision": "rename/add",
}


@dataclass(frozen=True, slots=True)
class Merged:
    tree: str


@dataclass(frozen=True, slots=True)
class ConflictFile:
    """`kind` is one of `content`, `add/add`, `modify/delete`, `rename/delete`, `rename/rename`,
    `rename/add`, `directory rename`, `file/directory`, `distinct types`, `distinct modes`, `binary`,
    `submodule`, `case-fold`.
    """

    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One of the versions that meet in a conflict: 1 is the merge base's, 2 ours, 3 theirs."""

    path: str
    number: int
    mode: str
    blob: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """`tree` is the merge with conflict markers."""

    tree: str
    files: tuple[ConflictFile, ...]
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True, slots=True)
class NotMergeable:
    """Nothing was merged: a commit is missing, or the histories are unrelated."""

    reason: str


def merge_tree(git: Git, ours: str, theirs: str) -> Merged | Conflict:
    """Merge two commits in memory; no worktree, index or ref is touched.

    Raises:
        CommandFailed: a commit is missing, or the histories are unrelated.
    """
    arguments = ("merge-tree", "--write-tree", "--messages", "-z", ours, theirs)
    output = git.run(*arguments, ok=(0, 1))
    # Exit 1 also means a bad ref (measured, git 2.39): only a printed tree makes it a conflict.
    fields = output.stdout.split("\0")
    tree = fields[0]
    if len(tree) not in (40, 64):
        raise CommandFailed(f"git merge-tree could not merge {ours} and {theirs}", output.stderr or None)
    if output.code == 0:
        return Merged(tree)
    entries_end = _index_of_nothing(fields, 1)
    return _conflict(tree, fields[1:entries_end], fields[entries_end + 1 :], (ours, theirs))


def merge_pairs(git: Git, pairs: Sequence[tuple[str, str]]) -> list[Merged | Conflict | NotMergeable]:
    """Merge each pair of commits in memory, all in one process; an answer for each, in their order.

    Raises:
        CommandFailed: git could not do its work; that is no verdict about any pair.
    """
    found: list[Merged | Conflict | NotMergeable] = []
    while len(found) < len(pairs):
        rest = pairs[len(found) :]
        lines = "".join(f"{ours} {theirs}\n" for ours, theirs in rest)
        output = git.run("merge-tree", "--write-tree", "--stdin", stdin=lines, ok=tuple(range(-64, 256)))
        found += _records(output.stdout.split("\0"), rest)
        if len(found) < len(pairs):
            # The first line it cannot merge ends it, with those behind unread (measured, git 2.39).
            found.append(_not_mergeable(git, pairs[len(found)], output.stderr))
    return found


def _not_mergeable(git: Git, pair: tuple[str, str], stderr: str) -> NotMergeable:
    missing = [name for name, commit in find_commits(git, pair).items() if commit is None]
    if missing:
        return NotMergeable(f"{missing[0]} is no commit")
    if merge_base(git, *pair) is None:
        return NotMergeable("unrelated histories")
    lines = stderr.strip().splitlines() or ["it said nothing"]
    ours, theirs = pair
    raise CommandFailed(f"git merge-tree could not merge {ours} and {theirs}: {lines[-1]}", stderr or None)


def _records(fields: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[Merged | Conflict]:
    """`<clean> <tree>`, for a conflict then `<stage>*`, nothing, `<message>*`; each ends with nothing.

    `<clean>` is 1 or 0, the inverse of an exit code. A record that was cut short is no answer.
    """
    records: list[Merged | Conflict] = []
    position = 0
    for pair in pairs:
        clean, tree = fields[position : position + 2] if position + 2 < len(fields) else ("", "")
        if len(tree) not in (40, 64):
            break
        entries_end = _index_of_nothing(fields, position + 2)
        if clean == "1":
            records.append(Merged(tree))
            position = entries_end + 1
            continue
        messages_end = _after_messages(fields, entries_end + 1)
        if messages_end >= len(fields):
            break
        entries, messages = fields[position + 2 : entries_end], fields[entries_end + 1 : messages_end]
        records.append(_conflict(tree, entries, messages, pair))
        position = messages_end + 1
    return records


def _index_of_nothing(fields: Sequence[str], start: int) -> int:
    return next((index for index in range(start, len(fields)) if not fields[index]), len(fields))


def _after_messages(fields: Sequence[str], position: int) -> int:
    while position < len(fields) and fields[position].isdigit():
        position += int(fields[position]) + 3
    return position


def _conflict(
    tree: str, entries: Sequence[str], messages: Sequence[str], commits: tuple[str, str]
) -> Conflict:
    stages = tuple(_stage(entry, commits) for entry in entries if entry)
    kinds = _conflict_kinds(messages, commits)
    paths = dict.fromkeys(stage.path for stage in stages)
    files = tuple(ConflictFile(path, kinds.get(path, "content")) for path in paths if path)
    return Conflict(tree, files, stages)


def _stage(entry: str, commits: tuple[str, str]) -> Stage:
    meta, _, path = entry.partition("\t")
    mode, blob, number = meta.split(" ")
    return Stage(_own_path(path, commits), int(number), mode, blob)


def _own_path(path: str, commits: tuple[str, str]) -> str:
    """The path the user knows: git moves a file out of a folder's way to `<path>~<commit>`."""
    return re.sub(rf"~({'|'.join(map(re.escape, commits))})(_\d+)?(?=/|$)", "", path)


def _conflict_kinds(fields: Sequence[str], commits: tuple[str, str]) -> dict[str, str]:
    """Of messages `<n> <path>*n <type> <text>`, each conflicting path's first conflict type."""
    kinds: dict[str, str] = {}
    position = 0
    while position < len(fields) and fields[position].isdigit():
        count = int(fields[position])
        paths = fields[position + 1 : position + 1 + count]
        kind, text = fields[position + 1 + count : position + 3 + count]
        if kind.startswith("CONFLICT"):
            for path in paths:
                kinds.setdefault(_own_path(path, commits), _kind(kind, text))
        position += count + 3
    return kinds


def _kind(kind: str, text: str) -> str:
    # The type is stable but calls add/add `contents`; the text begins with the same form, more exact.
    exact = text if text.startswith("CONFLICT (") else kind
    word = exact.partition("(")[2].partition(")")[0]
    return "submodule" if word.startswith("submodule") else _KINDS.get(word, word)
