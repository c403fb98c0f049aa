"""Which branches there have to be: by the plan, or by the two files that say so without one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator import git
from orchestrator.checks.claims import BRANCHES_FILE, Branch, parse_branches
from orchestrator.core.plan import (
    LOCAL,
    BranchName,
    Host,
    Plan,
    Wave,
    WaveNumber,
    Workstream,
    WorkstreamName,
)
from orchestrator.errors import UsageError
from orchestrator.git import Git

REQUIRED_FILE = ".required_branches"

_USUAL_BASES = ("main", "master", "trunk", "develop")
_UNSAFE = re.compile(r"[^a-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What the two files say; None for a file that is not there."""

    required: tuple[str, ...] | None
    specifications: Mapping[str, Branch] | None

    @property
    def branches(self) -> tuple[str, ...]:
        return self.required if self.required is not None else tuple(self.specifications or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """The required branches as workstreams of a plan. `listed` is what the files say beside it.

    Not `planned`: the plan was made of the files, and knows nothing but names and base.
    """

    plan: Plan
    planned: bool
    listed: Listed

    @property
    def differences(self) -> tuple[str, ...]:
        """Where the files say otherwise than the plan, or than each other."""
        return tuple(_against_plan(self.plan, self.listed) if self.planned else _between(self.listed))


def read_listed(folder: Path) -> Listed:
    """The files as they are now in a checkout.

    Raises:
        PlanErrors: `.branch_specifications.json` cannot be read.
    """
    required, specifications = (_text(folder / name) for name in (REQUIRED_FILE, BRANCHES_FILE))
    return Listed(
        required=None if required is None else tuple(_lines(required)),
        specifications=None if specifications is None else parse_branches(BRANCHES_FILE, specifications),
    )


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error


def _lines(text: str) -> Iterator[str]:
    """A branch's name may hold a `#`, but a line that starts with one is a remark."""
    lines = (line.strip() for line in text.splitlines())
    yield from dict.fromkeys(line for line in lines if line and not line.startswith("#"))


def roster_of_files(root: Path, listed: Listed) -> Roster:
    """Raises:
    UsageError: no branch is required, or there is no branch that could be their base.
    """
    if not listed.branches:
        raise UsageError(
            f"{root} has no plan, and neither {REQUIRED_FILE} nor {BRANCHES_FILE} names a branch.",
            f"write the names of the required branches into {REQUIRED_FILE}, one a line",
        )
    base = _base(Git(root), listed.branches)
    names = _names(listed.branches)
    streams = [
        Workstream(name=name, wave=WaveNumber(1), branch=BranchName(branch), base=base)
        for branch, name in names.items()
    ]
    number = WaveNumber(1)
    plan = Plan(
        source=str(root / REQUIRED_FILE),
        digest="",
        repository=str(root),
        project=root.name,
        base=base,
        integration="integration/wave{wave}",
        remote=None,
        tmux_socket=None,
        hosts={LOCAL: Host(name=LOCAL)},
        gates={},
        waves={number: Wave(number=number, workstreams=tuple(w.name for w in streams))},
        workstreams={w.name: w for w in streams},
    )
    return Roster(plan=plan, planned=False, listed=listed)


def _base(repository: Git, required: Iterable[str]) -> BranchName:
    """The remote's main branch, else the first usual name, else what is checked out."""
    ours = git.branches(repository)
    default = repository.text("symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD", ok=(0, 1))
    current = git.branch_checked_out(repository)
    tried = (default.removeprefix("origin/"), *_USUAL_BASES, current)
    found = next((name for name in tried if name in ours and name not in set(required)), None)
    if found is None:
        raise UsageError(
            f"{repository.directory} has no branch that the required ones could have been made from.",
            f"make one of {', '.join(_USUAL_BASES)}: git branch main origin/main",
        )
    return BranchName(found)


def _names(branches: Iterable[str]) -> dict[str, WorkstreamName]:
    """A name for each branch that may stand in a path; marked where two would be the same."""
    names: dict[str, WorkstreamName] = {}
    for branch in branches:
        plain = _UNSAFE.sub("-", branch.lower()).strip("-_")[:40] or "branch"
        mark = hashlib.sha256(branch.encode()).hexdigest()[:6]
        names[branch] = WorkstreamName(f"{plain}-{mark}" if plain in names.values() else plain)
    return names


def _against_plan(plan: Plan, listed: Listed) -> Iterator[str]:
    planned = {w.branch: w for w in plan.workstreams.values()}
    for file, names in ((REQUIRED_FILE, listed.required), (BRANCHES_FILE, listed.specifications)):
        if names is not None:
            yield from (
                f"{file} lacks {branch}, which the plan has" for branch in planned if branch not in names
            )
            yield from (
                f"{file} has {branch}, which the plan lacks" for branch in names if branch not in planned
            )
    for branch, said in (listed.specifications or {}).items():
        workstream = planned.get(BranchName(branch))
        if workstream is not None and set(said.components) != set(workstream.components):
            theirs, ours = (
                ", ".join(sorted(n)) or "nothing" for n in (said.components, workstream.components)
            )
            yield f"{BRANCHES_FILE} says that {branch} claims {theirs}; the plan says {ours}"


def _between(listed: Listed) -> Iterator[str]:
    if listed.required is None or listed.specifications is None:
        return
    for branch in listed.required:
        if branch not in listed.specifications:
            yield f"{BRANCHES_FILE} lacks {branch}, which {REQUIRED_FILE} has"
    for branch in listed.specifications:
        if branch not in listed.required:
            yield f"{REQUIRED_FILE} lacks {branch}, which {BRANCHES_FILE} has"


def files_of(plan: Plan, listed: Listed) -> dict[str, str]:
    """The two files as the plan has it; descriptions that people wrote stay."""
    known = listed.specifications or {}
    specifications = {
        w.branch: {
            "components": list(w.components),
            "description": (known[w.branch].description if w.branch in known else "")
            or _description(plan, w),
        }
        for w in plan.workstreams.values()
    }
    return {
        REQUIRED_FILE: "".join(f"{w.branch}\n" for w in plan.workstreams.values()),
        BRANCHES_FILE: json.dumps(specifications, indent=2, ensure_ascii=False) + "\n",
    }


def _description(plan: Plan, workstream: Workstream) -> str:
    goal = plan.waves[workstream.wave].goal
    return f"{workstream.name}: {goal}" if goal else str(workstream.name)
