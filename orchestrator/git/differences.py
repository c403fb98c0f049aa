"""What differs between two commits, in lines. No setting of a user's has a say."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from orchestrator.git.command import Git

_PLAIN = ("-r", "--no-renames", "--diff-algorithm=myers", "--no-ext-diff", "--no-textconv", "--no-color")
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True, slots=True)
class LineCount:
    """Lines added and removed; None for a binary file."""

    path: str
    added: int | None
    removed: int | None


@dataclass(frozen=True, slots=True)
class AddedLine:
    path: str
    number: int
    text: str


def line_counts(git: Git, old: str, new: str) -> tuple[LineCount, ...]:
    """Each changed file, by path; a renamed one is removed and added."""
    fields = git.run("diff-tree", *_PLAIN, "-z", "--numstat", old, new).fields()
    rows = (field.split("\t", 2) for field in fields)
    return tuple(LineCount(path, _number(added), _number(removed)) for added, removed, path in rows)


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def added_lines(git: Git, old: str, new: str, pattern: str) -> tuple[AddedLine, ...]:
    """The lines of `new` that match an extended regular expression and that `old` lacks."""
    options = ("-p", "-U0", "--no-indent-heuristic", "--src-prefix=a/", "--dst-prefix=b/", f"-G{pattern}")
    patch = git.run("-c", "core.quotePath=false", "diff-tree", *_PLAIN, *options, old, new).stdout
    sought = re.compile(pattern)
    return tuple(line for line in _additions(patch.split("\n")) if sought.search(line.text))


def staged_paths(git: Git, old: str) -> tuple[str, ...]:
    """What the index has otherwise than `old`, a commit or a tree; a renamed file counts twice."""
    return tuple(git.run("diff-index", "--cached", *_PLAIN, "-z", "--name-only", old, "--").fields())


def staged_lines(git: Git, old: str, paths: Collection[str]) -> tuple[AddedLine, ...]:
    """The lines of these paths that the index has and `old` lacks; a file that only moved has none."""
    if not paths:
        return ()
    patch = git.run(
        "-c", "core.quotePath=false", "diff-index", "--cached", *_PLAIN, "--find-renames", "-p", "-U0",
        "--no-indent-heuristic", "--src-prefix=a/", "--dst-prefix=b/", old, "--",
    ).stdout  # fmt: skip
    return tuple(line for line in _additions(patch.split("\n")) if line.path in paths)


def _additions(lines: list[str]) -> Iterator[AddedLine]:
    """Hunks are counted through: an added line may look like a header."""
    path, position = "", 0
    while position < len(lines):
        line = lines[position]
        position += 1
        hunk = _HUNK.match(line)
        if hunk:
            removed, added = (int(count) if count is not None else 1 for count in hunk.group(1, 3))
            position += removed
            position += lines[position].startswith("\\")  # "\ No newline at end of file"
            body = lines[position : position + added]
            yield from (AddedLine(path, i, text[1:]) for i, text in enumerate(body, int(hunk.group(2))))
            position += added
        elif line.startswith("+++ "):
            path = _path(line[4:])


def _path(name: str) -> str:
    """Without its prefix; git puts one with a tab, a quote or a line end into quotes."""
    quoted = name.startswith('"')
    return name.rstrip("\t").strip('"' if quoted else "").removeprefix("b/")
