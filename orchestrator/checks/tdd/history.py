"""The phases that a branch's commits say they are, and their order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from orchestrator import git
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.tdd.branch import Branch
from orchestrator.source.naming import plain

_MARK = re.compile(r"\[(RED|GREEN|REFACTOR)\]", re.IGNORECASE)


class Phase(Enum):
    RED = "RED"
    GREEN = "GREEN"
    REFACTOR = "REFACTOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One commit of the branch; `phase` is None where its subject names none."""

    commit: str
    subject: str
    phase: Phase | None
    is_merge: bool
    changed: tuple[str, ...]
    parent: str = ""

    @property
    def words(self) -> str:
        return f"{self.commit[:10]} ({self.subject})"


def read_steps(subject: Subject, branch: Branch) -> tuple[Step, ...]:
    """The branch's own commits, oldest first."""
    commits = git.log(subject.git, f"{branch.fork}..{branch.tip}")
    return tuple(_step(subject, commit) for commit in reversed(commits))


def _step(subject: Subject, commit: git.Commit) -> Step:
    mark = _MARK.search(commit.subject)
    changes = git.changed_paths(subject.git, commit.parents[0], commit.id) if commit.parents else ()
    return Step(
        commit=commit.id,
        subject=commit.subject,
        phase=Phase(mark[1].upper()) if mark else None,
        is_merge=len(commit.parents) > 1,
        changed=tuple(change.path for change in changes),
        parent=commit.parents[0] if commit.parents else "",
    )


def phase_findings(subject: Subject, steps: Sequence[Step]) -> Iterator[Finding]:
    """RED, GREEN, REFACTOR in this order, for each component that the plan claims."""
    for step in steps:
        code = [path for path in step.changed if path.endswith(".py")]
        if step.phase is None and code and not step.is_merge:
            message = f"commit {step.words} changes code, and its subject names no phase"
            yield finding(subject, "tdd/phase-unmarked", message, code[0])
    for component in subject.claims or ("",):
        about = f"of {component}" if component else "of the branch"
        fault = _disorder(
            [step for step in steps if step.phase and _is_about(step, component, subject.claims)]
        )
        if fault is not None:
            message = f"the phases {about}: {fault}"
            yield finding(subject, "tdd/phase-order", message, component=component or None)


def _is_about(step: Step, component: str, claims: Sequence[str]) -> bool:
    """A subject that names no component is about all of them."""
    said = plain(step.subject)
    named = [claim for claim in claims if plain(claim) in said]
    return not component or not named or component in named


def _disorder(steps: Sequence[Step]) -> str | None:
    allowed: dict[Phase | None, tuple[Phase, ...]] = {
        None: (Phase.RED,),
        Phase.RED: (Phase.RED, Phase.GREEN),
        Phase.GREEN: (Phase.GREEN, Phase.REFACTOR, Phase.RED),
        Phase.REFACTOR: (Phase.REFACTOR, Phase.RED),
    }
    before: Phase | None = None
    for step in steps:
        assert step.phase is not None
        if step.phase not in allowed[before]:
            was = f"follows [{before.value}]" if before else "comes first"
            return f"[{step.phase.value}] {was}, in {step.words}"
        before = step.phase
    if before in (None, Phase.RED):
        return "there is no [RED] commit" if before is None else "no [GREEN] commit follows the last [RED]"
    return None
