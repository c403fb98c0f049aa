"""What a built-in check is given, and what it answers with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.checks.rules import described
from orchestrator.checks.trials import Trials
from orchestrator.core.facts import ReviewApproved
from orchestrator.core.plan import Workstream
from orchestrator.git import Git


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """Another planned branch that exists, and the commit where it stands."""

    workstream: Workstream
    commit: str

    @property
    def name(self) -> str:
        return self.workstream.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One commit to check. `workstream` is None for a wave's candidate; `base` is where base stands.

    `claims` are the components the plan says it holds. `siblings` are the other planned branches, or of a
    wave its own; empty for a check that does not look at them. `approvals` are people's reviews of the
    branch, the last one last. `trials` runs commands, for a check that needs that. `together` are the commits
    that are checked in the same go: no finding depends on them, but they are best read in one.
    """

    git: Git
    gate: str
    workstream: Workstream | None
    base: str
    commit: str
    settings: Mapping[str, object]
    claims: tuple[str, ...] = ()
    siblings: tuple[Sibling, ...] = ()
    approvals: tuple[ReviewApproved, ...] = ()
    trials: Trials | None = None
    together: tuple[str, ...] = ()

    @property
    def name(self) -> str | None:
        return self.workstream.name if self.workstream else None


def shown(path: str) -> str:
    """With what no terminal, and no UTF-8, can bear in the notation of a text of Python."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, with the place where a reader finds it.

    `allowed` is the reason why it may stay, for one that does not count; `by_file` tells whether that
    stands in the baseline file, and not in the code.
    """

    gate: str
    workstream: str | None
    rule: str
    message: str
    path: str | None = None
    line: int | None = None
    component: str | None = None
    allowed: str | None = None
    by_file: bool = False

    @property
    def place(self) -> str:
        """Path and line as they can be printed anywhere."""
        place = ":".join(str(part) for part in (self.path, self.line) if part is not None)
        return shown(place)

    @property
    def why(self) -> str:
        return described(self.rule).why

    @property
    def mend(self) -> str:
        return described(self.rule).mend

    def document(self) -> dict[str, Any]:
        component = {"component": self.component} if self.component else {}
        allowed = {"allowed": self.allowed, "by_file": self.by_file} if self.allowed is not None else {}
        return {
            "gate": self.gate,
            "workstream": self.workstream,
            "path": self.path,
            "line": self.line,
            "rule": self.rule,
            "message": self.message,
            "why": self.why,
            "mend": self.mend,
            **component,
            **allowed,
        }


Check = Callable[[Subject], tuple[Finding, ...]]
"""Depends on nothing but its subject: equal subjects have equal findings. Without one that counts: green.

One that runs commands may raise `NoVerdict`.
"""


def finding(
    subject: Subject, rule: str, message: str, path: str | None = None, line: int | None = None, **more: Any
) -> Finding:
    return Finding(
        gate=subject.gate,
        workstream=more.pop("workstream", subject.name),
        rule=rule,
        message=message,
        path=path,
        line=line,
        **more,
    )
