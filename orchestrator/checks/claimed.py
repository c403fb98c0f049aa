"""Which components the branch under check claims, and what they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator.checks.claims import BRANCHES_FILE, SPEC_FILE, Component, parse_branches, parse_spec
from orchestrator.checks.finding import Finding, Subject
from orchestrator.checks.trees import files_at
from orchestrator.plan_file.problems import PlanErrors


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """`spec` describes components; `flaws` are files that cannot be read, or that a branch bent."""

    names: tuple[str, ...]
    spec: Mapping[str, Component] = field(default_factory=dict)
    spec_path: str = SPEC_FILE
    flaws: tuple[Finding, ...] = ()


def claimed_components(subject: Subject) -> Claimed:
    """What the plan and `.branch_specifications.json` claim, by base's description where it has one."""
    flaws: list[Finding] = []
    names = dict.fromkeys(subject.claims)
    path = str(subject.settings.get("spec") or SPEC_FILE)
    places = [(commit, name) for name in (BRANCHES_FILE, path) for commit in (subject.commit, subject.base)]
    own_branches, base_branches, own_spec, base_spec = files_at(subject, *places)
    branches = own_branches if own_branches is not None else base_branches
    if branches is not None and subject.workstream is not None:
        try:
            known = parse_branches(BRANCHES_FILE, branches).get(subject.workstream.branch)
            names |= dict.fromkeys(known.components if known else ())
        except PlanErrors as errors:
            flaws += _problems(subject, errors)
    spec = _spec(subject, path, (base_spec, own_spec), flaws)
    return Claimed(names=tuple(names), spec=spec, spec_path=path, flaws=tuple(flaws))


def _spec(
    subject: Subject, path: str, texts: tuple[str | None, str | None], flaws: list[Finding]
) -> dict[str, Component]:
    """Of base's and the branch's description the first counts, where it has one."""
    read: list[dict[str, Component]] = []
    for text in texts:
        try:
            read.append(parse_spec(path, text) if text is not None else {})
        except PlanErrors as errors:
            read.append({})
            if len(read) == 2:  # base's own mistakes are not the branch's to mend
                flaws += _problems(subject, errors)
    base, own = read
    flaws += (
        _bent(subject, path, own[name])
        for name in base
        if name in own and _asks(base[name]) != _asks(own[name])
    )
    return {**own, **base}


def _asks(component: Component) -> object:
    return (
        component.type,
        component.imports,
        component.classes,
        component.methods,
        component.functions,
        tuple(pattern.pattern for pattern in component.forbidden),
        component.least_lines,
    )


def _bent(subject: Subject, path: str, component: Component) -> Finding:
    return Finding(
        gate=subject.gate,
        workstream=subject.name,
        rule="components/spec-changed",
        message=f"the branch describes {component.name} otherwise than base does",
        component=component.name,
        path=path,
        line=component.line,
    )


def _problems(subject: Subject, errors: PlanErrors) -> Iterator[Finding]:
    for problem in errors.problems:
        yield Finding(
            gate=subject.gate,
            workstream=subject.name,
            rule="components/spec",
            message=problem.message,
            path=str(problem.path),
            line=problem.line,
        )
