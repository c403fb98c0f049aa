"""Branches of a plan that cannot all exist, or that two would write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from orchestrator.plan_file.members import (
    DEFAULT_BASE,
    DEFAULT_INTEGRATION,
    Member,
    plan_text,
    waves,
)
from orchestrator.plan_file.names import branch_fault
from orchestrator.plan_file.problems import Problem, quoted
from orchestrator.plan_file.tree import Place, Source


@dataclass(frozen=True)
class _Use:
    branch: str
    purpose: str
    place: Place


def branch_problems(source: Source, everyone: Iterable[Member]) -> Iterator[Problem]:
    uses = tuple(_uses(source, everyone))
    first: dict[str, _Use] = {}
    for use in uses:
        other = first.setdefault(use.branch, use)
        if other is not use:
            message = f"the branch {quoted(use.branch)} is already {other.purpose}; each needs its own"
            yield source.problem(use.place, message)
    existing = {use.branch: use for use in _bases(everyone)} | first
    for use in existing.values():
        yield from _clash(source, use, existing)
    yield from _own_bases(source, everyone)


def folders(branch: str) -> Iterator[str]:
    """The branches that cannot exist beside this one: git keeps each as a file of that name."""
    parts = branch.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def _clash(source: Source, use: _Use, existing: dict[str, _Use]) -> Iterator[Problem]:
    for folder in folders(use.branch):
        if folder in existing:
            other = existing[folder]
            message = (
                f"the branches {quoted(use.branch)} and {quoted(folder)} ({other.purpose}) cannot both exist"
            )
            # The base is the one that nobody will rename; a default stands nowhere.
            fixed = use.purpose == "the base" or use.place not in source.marks
            place = other.place if fixed else use.place
            yield source.problem(
                place, f"{message}: git would need a file and a folder of that name; rename one"
            )


def _uses(source: Source, everyone: Iterable[Member]) -> Iterator[_Use]:
    base = plan_text(source.root, "base", DEFAULT_BASE)
    yield _Use(base, "the base", ("base",))
    template = plan_text(source.root, "integration", DEFAULT_INTEGRATION)
    if "{wave}" in template:
        for number in waves(source.root):
            branch = template.replace("{wave}", str(number))
            yield _Use(branch, f"the integration branch of wave {number}", ("integration",))
    for member in everyone:
        own = member.own.get("branch")
        if isinstance(own, str) and branch_fault(own) is None:
            place = (*member.place, "branch")
            yield _Use(own, f"that of {quoted(member.name)} on line {source.line(place)}", place)


def _bases(everyone: Iterable[Member]) -> Iterator[_Use]:
    for member in everyone:
        base = member.text("base", "")
        if base and branch_fault(base) is None:
            yield _Use(base, f"the base of {quoted(member.name)}", member.key_place("base"))


def _own_bases(source: Source, everyone: Iterable[Member]) -> Iterator[Problem]:
    for member in everyone:
        branch = member.text("branch", "")
        if branch and branch == member.text("base", ""):
            message = f"{quoted(member.name)} would be made from its own branch {quoted(branch)}"
            yield source.problem(member.key_place("base"), f"{message}; name another base")
