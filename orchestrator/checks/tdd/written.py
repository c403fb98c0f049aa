"""The tests that a commit's files hold, and which of them a branch wrote."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from orchestrator import git
from orchestrator.git import Git
from orchestrator.source.listing import is_test
from orchestrator.source.liveness import FUNCTIONS, FunctionNode
from orchestrator.source.naming import tail
from orchestrator.source.parsing import Fault, parse

_COLLECTED = re.compile(r"(test_.*|.*_test)\.py$")
_CONFIGURES = ("conftest.py", "pytest.ini")
_ASSERTS = re.compile(r"assert|raises|warns|fail")
_EXCUSED = re.compile(r"skip|xfail|expectedFailure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """`name` is class and function; `body` stays the same when only layout and comments change.

    `asserts` counts what can make it fail, `excuses` marks that keep it from being run or counted.
    """

    __test__ = False  # of the orchestrator's own tests, pytest would take this class for one

    path: str
    name: str
    line: int
    body: str
    asserts: int
    excuses: int


def belongs_to_tests(path: str, patterns: Sequence[str]) -> bool:
    """Whether a file is laid over base for RED."""
    if any(fnmatchcase(path, pattern) for pattern in patterns):
        return True
    return is_test(path) or posixpath.basename(path) in _CONFIGURES


def is_collected(path: str, patterns: Sequence[str]) -> bool:
    """Whether pytest looks for tests in a file of this name."""
    if not path.endswith(".py"):
        return False
    if _COLLECTED.match(posixpath.basename(path)):
        return True
    return any(fnmatchcase(path, pattern) for pattern in patterns) and not path.endswith("conftest.py")


def tests_at(repository: Git, commit: str, paths: Iterable[str]) -> dict[str, tuple[Test, ...]]:
    """The tests of each of these files that the commit has and that can be read."""
    wanted = sorted(set(paths))
    entries = git.tree_entries(repository, commit, *wanted) if wanted else ()
    files = {entry.path: entry.id for entry in entries if entry.is_plain_file}
    contents = git.read_blobs(repository, sorted(set(files.values())))
    return {path: tests_in(path, contents[blob]) for path, blob in files.items() if blob in contents}


def tests_in(path: str, content: bytes) -> tuple[Test, ...]:
    module = parse(content)
    return () if isinstance(module, Fault) else tuple(_tests(path, module.tree.body, ""))


def frames_at(repository: Git, commit: str, *paths: str) -> dict[str, frozenset[str]]:
    """What these files hold at their top beside tests and imports: constants, helpers, cases."""
    entries = git.tree_entries(repository, commit, *paths)
    contents = git.read_blobs(repository, [entry.id for entry in entries if entry.is_plain_file])
    return {entry.path: _frame(contents[entry.id]) for entry in entries if entry.id in contents}


def _frame(content: bytes) -> frozenset[str]:
    module = parse(content)
    if isinstance(module, Fault):
        return frozenset()
    return frozenset(_dumped(node) for node in module.tree.body if not _is_test_or_import(node))


def _is_test_or_import(node: ast.stmt) -> bool:
    if isinstance(node, ast.ClassDef):
        return node.name.startswith("Test")
    named = isinstance(node, FUNCTIONS) and node.name.startswith("test")
    return named or isinstance(node, (ast.Import, ast.ImportFrom))


def _tests(path: str, body: Iterable[ast.stmt], owner: str) -> Iterator[Test]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _tests(path, node.body, f"{owner}{node.name}.")
        elif isinstance(node, FUNCTIONS) and node.name.startswith("test"):
            yield _test(path, node, owner)


def _test(path: str, node: FunctionNode, owner: str) -> Test:
    names = [name for n in ast.walk(node) if isinstance(n, ast.expr) and (name := tail(n))]
    return Test(
        path=path,
        name=f"{owner}{node.name}",
        line=node.lineno,
        body=_dumped(node),
        asserts=sum(isinstance(n, ast.Assert) for n in ast.walk(node))
        + sum(bool(_ASSERTS.match(name)) for name in names),
        excuses=sum(bool(_EXCUSED.match(name)) for name in names),
    )


def _dumped(node: ast.AST) -> str:
    try:
        return ast.dump(node)
    except RecursionError:  # its nodes in a row tell two versions apart as well
        return "".join(f"{type(one).__name__}{[*map(_leaf, ast.iter_fields(one))]}" for one in ast.walk(node))


def _leaf(field: tuple[str, object]) -> str:
    return "" if isinstance(field[1], (ast.AST, list)) else repr(field[1])


def new_or_changed(
    before: Mapping[str, Sequence[Test]], after: Mapping[str, Sequence[Test]]
) -> tuple[Test, ...]:
    """Those of `after` that no file of `before` has; a test that only moved is not new."""
    known = {(test.name, test.body) for tests in before.values() for test in tests}
    return tuple(test for tests in after.values() for test in tests if (test.name, test.body) not in known)
