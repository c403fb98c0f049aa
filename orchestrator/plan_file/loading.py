"""Finds a plan and loads it: everything that is wrong with it is said at once."""

from __future__ import annotations

import os.path
from itertools import chain, islice
from pathlib import Path

from orchestrator.core.plan import Plan
from orchestrator.errors import UsageError
from orchestrator.plan_file.checks import cross_problems
from orchestrator.plan_file.problems import PlanErrors
from orchestrator.plan_file.resolve import resolve
from orchestrator.plan_file.shape import shape_problems
from orchestrator.plan_file.source import read_source

FILE_NAME = "waves.yaml"
# Nobody reads on; a file that is no plan at all could have a hundred thousand.
_MOST_PROBLEMS = 500


def load_plan(path: Path) -> Plan:
    """Raises:
    PlanErrors: with everything that is wrong with the file.
    """
    source, text, scalar_problems = read_source(path)
    every = chain(scalar_problems, shape_problems(source), cross_problems(source))
    problems = list(islice(every, _MOST_PROBLEMS))
    if problems:
        raise PlanErrors(problems)
    return resolve(source, text)


def find_plan(start: Path) -> Path:
    """The nearest `waves.yaml` in a folder or above it.

    Raises:
        UsageError: there is none.
    """
    folder = Path(os.path.abspath(start))  # noqa: PTH100 - the shell's folder may be a link
    for candidate in (folder / FILE_NAME, *(parent / FILE_NAME for parent in folder.parents)):
        if os.path.isfile(candidate):  # noqa: PTH113 - Path.is_file raises where a folder may not be read
            return candidate
    raise UsageError(f"no {FILE_NAME} in {folder} or above it", "orchestrator init writes one")
