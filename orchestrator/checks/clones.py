"""`clones`: the same code in two branches, though base has it not. Names, order and layout do not count."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from orchestrator import git
from orchestrator.checks.asked import Settings
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.similar import Lookup, best_share, shared_weight
from orchestrator.checks.trees import read_ahead
from orchestrator.git import Git
from orchestrator.settings import StatePaths
from orchestrator.source.cache import FragmentsCache
from orchestrator.source.fragments import Fragment, Fragments, fragments_of
from orchestrator.source.listing import SourceFile, committed
from orchestrator.source.reading import spread, uncollected

LEAST_NODES = 40
"""Shorter functions are alike by nature: a constructor that keeps what it is given, a loop over a list."""

NODES_WITHIN = 150
"""So much of one function within a longer one is a copy, whatever else the longer one does."""

NODES_AT_ALL = 12
"""Of such functions together; what is shorter still only hands on."""

LEAST_SHARE = 0.8
_MOST_NAMED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A fragment that a branch brought."""

    owner: str
    branch: str
    path: str
    fragment: Fragment

    @property
    def file(self) -> tuple[str, str]:
        return (self.owner, self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    a: Piece
    b: Piece
    shared: int


def findings(subject: Subject) -> tuple[Finding, ...]:
    asked = Settings(subject, known=("similarity", "nodes", "tests"))
    least, nodes = asked.number("similarity", LEAST_SHARE), asked.number("nodes", LEAST_NODES)
    if asked.faults:
        return tuple(asked.faults)
    tips = {one.name: (one.workstream.branch, one.commit) for one in subject.siblings}
    if subject.workstream is not None:
        tips[subject.workstream.name] = (subject.workstream.branch, subject.commit)
    looked_at = _Scope(
        directory=str(subject.git.directory),
        base=subject.base,
        tips=tuple(sorted((name, branch, tip) for name, (branch, tip) in tips.items())),
        with_tests=asked.flag("tests"),
        nodes=int(nodes),
        least=least,
    )
    read_ahead(subject, [subject.base, *(tip for _, _, tip in looked_at.tips)])
    with _reading, uncollected():
        pairs = _every_pair(looked_at)
    about = [pair for pair in map(partial(_seen_from, subject.name), pairs) if pair]
    return tuple(_reported(subject, group) for group in _groups(about))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """All that the pairs of some branches depend on; `tips` are name, branch and commit."""

    directory: str
    base: str
    tips: tuple[tuple[str, str, str], ...]
    with_tests: bool
    nodes: int
    least: float


_reading = threading.Lock()
"""Gates of several branches run in threads: the first one reads for all."""


@lru_cache(maxsize=1)
def _every_pair(scope: _Scope) -> tuple[Pair, ...]:
    """The copies among all the branches: each of them asks for the same ones, one after another."""
    reader = _Reader(scope)
    pieces = [piece for name, branch, tip in scope.tips for piece in reader.brought(name, branch, tip)]
    return tuple(
        pair
        for pair in _pairs(pieces, scope.least)
        if max(reader.share_of_base(pair.a), reader.share_of_base(pair.b)) < scope.least
    )


def _seen_from(name: str | None, pair: Pair) -> Pair | None:
    """The pair with the branch's own piece first; None where it is about others. A wave's has no side."""
    if name is None or pair.a.owner == name:
        return pair
    return Pair(a=pair.b, b=pair.a, shared=pair.shared) if pair.b.owner == name else None


class _Reader:
    """Reads files of commits, each content once for as long as the state directory lasts."""

    def __init__(self, scope: _Scope) -> None:
        self._git = Git(scope.directory)
        self._base = scope.base
        self._with_tests = scope.with_tests
        self._least = scope.nodes
        state = StatePaths(root=Path(git.common_dir(self._git)) / "orchestrator")
        self._cache = FragmentsCache(state.checks / "fragments.db")
        self._of_base: tuple[Lookup, Mapping[int, Fragment]] | None = None

    def brought(self, owner: str, branch: str, tip: str) -> Iterator[Piece]:
        """What the branch has in files that it changed."""
        fork = git.merge_base(self._git, self._base, tip) or self._base
        changed = {c.path for c in git.changed_paths(self._git, fork, tip) if c.kind != "D"}
        listing = committed(self._git, tip)
        files = [file for file in listing.files if file.path in changed]
        for file, fragment in self._fragments(files):
            yield Piece(owner=owner, branch=branch, path=file.path, fragment=fragment)

    def share_of_base(self, piece: Piece) -> float:
        """How much of it stands in base already, wherever that is."""
        if self._of_base is None:
            listing = committed(self._git, self._base)
            there = dict(enumerate(fragment for _, fragment in self._fragments(listing.files)))
            self._of_base = (Lookup(there), there)
        lookup, known = self._of_base
        return best_share(piece.fragment, [known[key] for key in lookup.like(piece.fragment)])

    def _fragments(self, files: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, Fragment]]:
        wanted = [file for file in files if self._with_tests or not file.is_test]
        read = self._cache.load(file.id for file in wanted)
        new = [file.id for file in wanted if file.id not in read]
        fresh = spread(fragments_of, git.read_blobs(self._git, new))
        self._cache.keep(fresh)
        for file in wanted:
            found = (read | fresh).get(file.id, Fragments()).fragments
            for fragment in (*found, _small_ones(found, self._least)):
                if fragment.weight >= self._least:
                    yield file, fragment


def _small_ones(fragments: Sequence[Fragment], least: int) -> Fragment:
    """A file's functions that are too short to be judged alone, as one, whatever their order."""
    small = [one for one in fragments if one.name and NODES_AT_ALL <= one.weight < least]
    small.sort(key=lambda one: [statement.digest for statement in one.statements])
    return Fragment(
        ", ".join(one.name for one in small),
        min((one.line for one in small), default=0),
        tuple(statement for one in small for statement in one.statements),
    )


def _pairs(pieces: Sequence[Piece], least: float) -> Iterator[Pair]:
    """Those of two branches that are alike."""
    lookup = Lookup({number: piece.fragment for number, piece in enumerate(pieces)})
    for number, piece in enumerate(pieces):
        for theirs in map(pieces.__getitem__, lookup.near(number)):
            if theirs.owner == piece.owner:
                continue
            shared = shared_weight(piece.fragment, theirs.fragment)
            if _is_copy(piece.fragment, theirs.fragment, shared, least):
                yield Pair(a=piece, b=theirs, shared=shared)


def _is_copy(a: Fragment, b: Fragment, shared: int, least: float) -> bool:
    """Also a fragment that was taken into a longer one, when it is no mere idiom."""
    small, large = sorted((a.weight, b.weight))
    return shared >= least * large or (shared >= least * small and shared >= NODES_WITHIN)


def _groups(pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    """Pairs whose files hang together: a third copy belongs to the two others."""
    group: dict[tuple[str, str], int] = {}
    for pair in pairs:
        numbers = sorted({group.setdefault(file, len(group)) for file in (pair.a.file, pair.b.file)})
        for file, number in group.items():
            if number in numbers:
                group[file] = numbers[0]
    for number in sorted(set(group.values())):
        yield [pair for pair in pairs if group[pair.a.file] == number]


def _reported(subject: Subject, pairs: Sequence[Pair]) -> Finding:
    first = min(pairs, key=lambda pair: (pair.a.path, pair.a.fragment.line))
    ours, theirs = ({id(p): p for p in ps}.values() for ps in ([p.a for p in pairs], [p.b for p in pairs]))
    whole = sum(pair.a.fragment.weight for pair in pairs)
    share = 100.0 * sum(pair.shared for pair in pairs) / whole
    places = ", ".join(_places(theirs, besides=first.a))
    message = f"is {share:.0f} % the same code as {places}, and base has it not: {_named(ours)}"
    return finding(
        subject,
        "clones/copied",
        message,
        first.a.path,
        first.a.fragment.line,
        workstream=subject.name or first.a.owner,
    )


def _places(pieces: Iterable[Piece], besides: Piece) -> list[str]:
    first: dict[tuple[str, str], Piece] = {}
    for piece in sorted(pieces, key=lambda piece: piece.fragment.line):
        if piece.file != besides.file:
            first.setdefault(piece.file, piece)
    return [f"{piece.path}:{piece.fragment.line} of {piece.branch}" for piece in first.values()]


def _named(pieces: Iterable[Piece]) -> str:
    names = list(dict.fromkeys(piece.fragment.name or "the module's own statements" for piece in pieces))
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
