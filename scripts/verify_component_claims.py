#!/usr/bin/env python3
"""Checks that the components a branch claims are really in its code. Exit status 0: yes; 1: no."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE_ROOT = Path(__file__).resolve().parents[1]
TRIED = "ORCHESTRATOR_PYTHONS_TRIED"


def other_pythons() -> Iterator[str]:
    """That of the package beside this script, and the one the installed program runs on."""
    yield str(SOURCE_ROOT / ".venv" / "bin" / "python")
    program = shutil.which("orchestrator")
    if program is not None:
        first = Path(program).read_bytes().partition(b"\n")[0]
        yield os.fsdecode(first.removeprefix(b"#!").strip())


def run_on_another_python(missing: ImportError) -> None:
    tried = int(os.environ.get(TRIED, "0"))
    for number, python in list(enumerate(other_pythons(), 1))[tried:]:
        if os.access(python, os.X_OK):
            os.environ[TRIED] = str(number)
            os.execv(python, [python, *sys.argv])
    print(
        f"orchestrator cannot be used: {missing}; make venv in {SOURCE_ROOT}, or pip install it",
        file=sys.stderr,
    )
    sys.exit(1)


sys.path.insert(0, str(SOURCE_ROOT))

try:
    import git  # noqa: F401 - it is loaded late, and a Python without it is not the one we want

    from orchestrator.checks.finding import shown
    from orchestrator.checks.verification import Asked, missing_branches, verify
    from orchestrator.errors import OrchestratorError
except ImportError as error:
    run_on_another_python(error)
    raise


def main() -> int:
    arguments = _arguments()
    asked = Asked(
        folder=Path.cwd(),
        spec=arguments.spec,
        branches=arguments.branch_spec,
        branch=arguments.branch,
        search=tuple(arguments.search_path),
    )
    try:
        found = verify(asked)
    except OrchestratorError as error:
        print(f"{error.message} {error.hint or ''}".rstrip(), file=sys.stderr)
        return int(error.exit_status)
    for name in () if found else missing_branches(asked):
        print(f"there is no branch {name}: the repository was searched as it is checked out", file=sys.stderr)
    if arguments.json:
        print(json.dumps({"ok": not found, "findings": [one.document() for one in found]}, indent=2))
        return bool(found)
    for one in found:
        flaw = one.flaw
        place = ":".join(str(part) for part in (shown(flaw.path or ""), flaw.line) if part)
        print(": ".join(filter(None, [one.branch, flaw.component, place, f"{flaw.message} [{flaw.rule}]"])))
    print("not verified" if found else "verified: every claimed component is there")
    return bool(found)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--spec", type=Path, metavar="F", help="default: .component_spec.yaml of the repository"
    )
    parser.add_argument("--branch-spec", type=Path, metavar="F", help="default: .branch_specifications.json")
    parser.add_argument("--branch", metavar="NAME", help="default: all branches")
    parser.add_argument(
        "--search-path",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="DIR",
        help="folders as they are now; default: each branch's committed tree, else the repository's folder",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
