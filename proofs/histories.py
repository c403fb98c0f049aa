"""Histories that somebody could have made: a base that goes on, and branches that fork, fork and cross."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from proofs.trees import SUBMODULE, Entry, Tree, edited, first_tree, overlaid

START = 1_700_000_000
UNRELATED = 0.01
"""How many of the branches share nothing with base."""


@dataclass(slots=True)
class Commit:
    """`mark` is its number in a stream; `seconds` may lie before those of its parents."""

    mark: int
    tree: Tree
    parents: tuple[Commit, ...]
    seconds: int


@dataclass(slots=True)
class History:
    """`branches` are to be folded onto `base` in this order."""

    base: Commit
    branches: list[Commit]
    commits: list[Commit]


@dataclass(slots=True)
class _Growing:
    random: Random
    mark: int
    commits: list[Commit] = field(default_factory=list)

    def commit(self, tree: Tree, *parents: Commit) -> Commit:
        seconds = START + self.random.randint(-(10**6), 10**6)
        self.commits.append(Commit(self.mark + len(self.commits), tree, parents, seconds))
        return self.commits[-1]

    def on(self, parent: Commit) -> Commit:
        return self.commit(edited(self.random, parent.tree), parent)

    def merge(self, ours: Commit, theirs: Commit, ancestor: Commit) -> Commit:
        return self.commit(overlaid(ancestor.tree, ours.tree, theirs.tree), ours, theirs)


def history(random: Random, mark: int = 1) -> History:
    """Two to eight branches; commits are numbered from `mark`. Equal randomness gives an equal history."""
    growing = _Growing(random, mark)
    line = [growing.commit(first_tree(random))]
    for _ in range(random.randint(0, 3)):
        line.append(growing.on(line[-1]))
    tips: list[Commit] = []
    for _ in range(random.randint(2, 8)):
        tips.append(_branch(growing, line, tips))
    return History(line[-1], tips, growing.commits)


def _branch(growing: _Growing, line: list[Commit], tips: list[Commit]) -> Commit:
    """From somewhere on base, mostly; `line` grows where the two cross."""
    random = growing.random
    if random.random() < UNRELATED:
        return growing.commit(first_tree(random))
    start = random.choice(tips) if tips and random.random() < 0.15 else random.choice(line)
    tip = start
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        tip = growing.on(tip)
    if start in line and tip is not start and random.random() < 0.2:
        tip = _crossed(growing, line, start, tip)
    return tip


def _crossed(growing: _Growing, line: list[Commit], start: Commit, tip: Commit) -> Commit:
    """Base merges the branch, the branch merges what base was: two best common ancestors."""
    before = line[-1]
    line.append(growing.merge(before, tip, start))
    after = growing.merge(tip, before, start)
    if growing.random.random() < 0.5:
        line.append(growing.on(line[-1]))
    return growing.on(after)


def stream(commits: list[Commit], refs: dict[str, Commit]) -> bytes:
    """The commits for `git fast-import`; each of `refs` is set in the end."""
    parts = [part for commit in commits for part in _commit_lines(commit)]
    parts += [b"reset %s\nfrom :%d\n\n" % (ref.encode(), commit.mark) for ref, commit in refs.items()]
    return b"".join([*parts, b"done\n"])


def _commit_lines(commit: Commit) -> Iterator[bytes]:
    # A branch of its own for each: fast-import would take the last commit of a branch for a parent.
    yield b"commit refs/made/%d\nmark :%d\n" % (commit.mark, commit.mark)
    yield b"committer Ada <ada@example.org> %d +0000\ndata 0\n" % commit.seconds
    for number, parent in enumerate(commit.parents):
        yield b"%s :%d\n" % (b"merge" if number else b"from", parent.mark)
    yield b"deleteall\n"
    for path, entry in commit.tree.items():
        yield from _entry_lines(path, entry)
    yield b"\n"


def _entry_lines(path: bytes, entry: Entry) -> Iterator[bytes]:
    quoted = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    if entry.mode == SUBMODULE:
        yield b'M %s %s "%s"\n' % (entry.mode.encode(), entry.content, quoted)
        return
    yield b'M %s inline "%s"\n' % (entry.mode.encode(), quoted)
    yield b"data %d\n%s\n" % (len(entry.content), entry.content)
