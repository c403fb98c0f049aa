#!/usr/bin/env python3
"""Compares what branches committed, without daemon or plan. Exit status 0: all are measured; 1: not."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from orchestrator import git
from orchestrator.errors import OrchestratorError
from orchestrator.git import Git, TreeEntry
from workers.comparison.evidence import MAX_FILE_BYTES, READ, Branch, read_branch
from workers.comparison.page import comparison_page
from workers.comparison.verdict import decide


def main() -> int:
    arguments = _arguments()
    try:
        names = _names(arguments.branches)
        branches = _read(Git(Path.cwd()), names)
    except OrchestratorError as error:
        print(f"{error.message} {error.hint or ''}".rstrip(), file=sys.stderr)
        return int(error.exit_status)
    except OSError as error:
        print(f"{error.filename} cannot be read: {error.strerror}", file=sys.stderr)
        return 2
    verdict = decide(branches)
    arguments.output.write_text(comparison_page("Comparison of all branches", branches, verdict))
    print(f"winner: {verdict.winner or 'none'} ({verdict.reason}); see {arguments.output}")
    for branch in branches:
        if branch.problem:
            print(f"{branch.name}: {branch.problem}", file=sys.stderr)
    return any(branch.problem for branch in branches)


def _names(path: Path) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return list(dict.fromkeys(line for line in lines if line))


def _read(repository: Git, names: list[str]) -> list[Branch]:
    tips = {name: _tip(repository, name) for name in names}
    trees = {
        name: {entry.path: entry for entry in git.tree_entries(repository, tip, recursive=True, sizes=True)}
        for name, tip in tips.items()
        if tip
    }
    shared = _shared(repository, {tip for tip in tips.values() if tip})
    return [
        _branch(repository, name, _own(trees[name], shared))
        if name in trees
        else Branch(name=name, runs=(), problem="no such branch")
        for name in names
    ]


def _tip(repository: Git, name: str) -> str | None:
    candidates = [f"refs/heads/{name}", f"refs/remotes/origin/{name}"]
    found = git.find_commits(repository, candidates)
    return found[candidates[0]] or found[candidates[1]]


def _shared(repository: Git, tips: Collection[str]) -> set[tuple[str, str]]:
    """What lies in the commit that all branches come from is nobody's result."""
    fork = git.common_ancestor(repository, sorted(tips)) if len(tips) > 1 else None
    if fork is None:
        return set()
    return {(entry.path, entry.id) for entry in git.tree_entries(repository, fork, recursive=True)}


def _own(entries: Mapping[str, TreeEntry], shared: set[tuple[str, str]]) -> list[TreeEntry]:
    return [
        entry for entry in entries.values() if entry.is_plain_file and (entry.path, entry.id) not in shared
    ]


def _branch(repository: Git, name: str, entries: list[TreeEntry]) -> Branch:
    wanted = [e for e in entries if PurePosixPath(e.path).name in READ and (e.size or 0) <= MAX_FILE_BYTES]
    contents = git.read_blobs(repository, [entry.id for entry in wanted])
    files = {entry.path: contents[entry.id] for entry in wanted if entry.id in contents}
    return read_branch(name, files, [entry.path for entry in entries if entry.path.endswith(".png")])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--branches",
        type=Path,
        metavar="F",
        default=Path(".required_branches"),
        help="a name per line; default: .required_branches",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="F",
        default=Path("CROSS_BRANCH_COMPARISON.md"),
        help="default: CROSS_BRANCH_COMPARISON.md",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
