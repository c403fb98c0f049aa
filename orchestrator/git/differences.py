"""What differs between two commits, in lines. No setting of a user's has a say."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.git.command import Git

_PLAIN = ("-r", "--no-renames", "--diff-algorithm=myers", "--no-ext-diff", "--no-textconv", "--no-color")
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_ESCAPED = re.compile(r"\\([0-7]{3}|.)")
_ESCAPES = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}


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
    lines = _staged_patch(git, old)
    if any(line.startswith("Binary files ") for line in lines):
        lines += _staged_patch(git, old, "--text", within=_kept_back(git, old, paths))
    return tuple(line for line in _additions(lines) if line.path in paths)


def _staged_patch(git: Git, old: str, *options: str, within: Sequence[str] = ("",)) -> list[str]:
    if not within:
        return []
    return git.literal.run(
        "-c", "core.quotePath=false", "diff-index", "--cached", *_PLAIN, "--find-renames", "-p", "-U0",
        "--no-indent-heuristic", "--src-prefix=a/", "--dst-prefix=b/", *options, old, "--",
        *filter(None, within),
    ).stdout.split("\n")  # fmt: skip


def _kept_back(git: Git, old: str, paths: Collection[str]) -> list[str]:
    """Python files that show no lines: `.gitattributes` calls them binary, or a byte in them looks so."""
    fields = git.run("diff-index", "--cached", *_PLAIN, "-z", "--numstat", old, "--").fields()
    rows = (field.split("\t", 2) for field in fields)
    return [path for added, _, path in rows if added == "-" and path in paths and path.endswith(".py")]


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
    """Without its prefix; git puts one with a quote, a backslash or a control character into quotes."""
    if name.startswith('"'):
        return _ESCAPED.sub(_unescaped, name[1:-1]).removeprefix("b/")
    return name.rstrip("\t").removeprefix("b/")


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1]) or (chr(int(match[1], 8)) if match[1].isdigit() else match[1])
