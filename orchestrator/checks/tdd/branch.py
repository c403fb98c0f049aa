"""What a branch did to code and tests since it forked."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator import git
from orchestrator.checks.finding import Subject
from orchestrator.checks.tdd.written import Test, belongs_to_tests, is_collected, new_or_changed, tests_at
from orchestrator.git import Git
from orchestrator.source.parsing import Fault, parse

_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_NO_NAME = re.compile(r"ImportError: cannot import name '(\w+)' from '([\w.]+)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """`laid` are the test files that RED takes from the tip; `named` the tests that are new or changed.

    `added` are dotted names that cannot be imported without the branch: its modules, and names in them.
    `new_files` are its Python files that were not there before, tests left out.
    """

    fork: str
    tip: str
    laid: tuple[str, ...]
    named: tuple[Test, ...]
    added: frozenset[str]
    patterns: tuple[str, ...] = ()
    new_files: tuple[str, ...] = ()

    @property
    def test_files(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(test.path for test in self.named))

    def lacks(self, text: str) -> str | None:
        """What of the branch an error says cannot be imported; None where it is about something else."""
        for match in _NO_MODULE.finditer(text):
            if match[1] in self.added:
                return match[1]
        for match in _NO_NAME.finditer(text):
            if f"{match[2]}.{match[1]}" in self.added:
                return f"{match[2]}.{match[1]}"
        return None


def read_branch(subject: Subject, patterns: Sequence[str]) -> Branch:
    fork = git.merge_base(subject.git, subject.base, subject.commit) or subject.base
    return branch_between(subject.git, fork, subject.commit, patterns)


def branch_between(repository: Git, fork: str, tip: str, patterns: Sequence[str]) -> Branch:
    changes = git.changed_paths(repository, fork, tip)
    kept = [change.path for change in changes if change.kind != "D"]
    laid = tuple(path for path in kept if belongs_to_tests(path, patterns))
    touched = [change.path for change in changes if is_collected(change.path, patterns)]
    before, after = (tests_at(repository, commit, touched) for commit in (fork, tip))
    own = [path for path in kept if path.endswith(".py") and path not in laid]
    return Branch(
        fork=fork,
        tip=tip,
        laid=laid,
        named=new_or_changed(before, after),
        added=frozenset(_added(repository, fork, tip, own)),
        patterns=tuple(patterns),
        new_files=tuple(change.path for change in changes if change.kind == "A" and change.path in own),
    )


def _added(repository: Git, fork: str, tip: str, own: Sequence[str]) -> Iterator[str]:
    old = {entry.path: entry.id for entry in git.tree_entries(repository, fork, recursive=True)}
    folders = {folder for path in old for folder in _parents(path)}
    new = {entry.path: entry.id for entry in git.tree_entries(repository, tip, *own)} if own else {}
    contents = git.read_blobs(repository, [*new.values(), *(old[path] for path in own if path in old)])
    for path in own:
        for folder in _parents(path):
            if folder not in folders:
                yield from _names(folder)
        had = _bound(contents.get(old.get(path, ""), b""))
        for module in _names(path.removesuffix("/__init__.py").removesuffix(".py")):
            if path not in old:
                yield module
            yield from (f"{module}.{name}" for name in _bound(contents.get(new[path], b"")) - had)
        if path not in old:
            yield from _as_attributes(path)


def _as_attributes(path: str) -> Iterator[str]:
    """`from package import module`, of a package that was there before."""
    yield from _names(path.removesuffix(".py"))


def _parents(path: str) -> Iterator[str]:
    folder = posixpath.dirname(path)
    while folder:
        yield folder
        folder = posixpath.dirname(folder)


def _names(path: str) -> Iterator[str]:
    """Every dotted name a file could be imported by, whatever folder is on the path."""
    parts = path.split("/")
    return (".".join(parts[start:]) for start in range(len(parts)))


def _bound(content: bytes) -> set[str]:
    """Names that a module has at its top."""
    module = parse(content)
    if isinstance(module, Fault):
        return set()
    found: set[str] = set()
    for node in module.tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        else:
            found |= {
                n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
    return found
