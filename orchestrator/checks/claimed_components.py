"""`components`: the commit holds what the branch claims."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.checks.allowed import with_allowances
from orchestrator.checks.asked import Settings
from orchestrator.checks.claimed import Claimed, claimed_components
from orchestrator.checks.claims import Component, unknown_component
from orchestrator.checks.component_proof import Proof, proof_flaws
from orchestrator.checks.components import Flaw, Look, component_flaws, home_files
from orchestrator.checks.finding import Finding, Subject
from orchestrator.checks.idle import idle_exceptions
from orchestrator.checks.trees import Forked, read_fork
from orchestrator.source.index import Index
from orchestrator.source.listing import SourceFile


def findings(subject: Subject) -> tuple[Finding, ...]:
    """Raises:
    NoVerdict: a proof was asked for, and tests could not be run.
    """
    asked = Settings(subject, known=("spec", "baseline", "reached", "proof", "tests", "pytest"))
    proof = _proof(asked)
    claimed = claimed_components(subject)
    if asked.faults or not claimed.names:
        return (*asked.faults, *claimed.flaws)
    forked = read_fork(subject)
    own = frozenset(f.inner for f in forked.tip.listing.files if f.path in forked.changed)
    look = Look(
        index=forked.tip.index, skipped=forked.tip.listing.skipped, fetch=forked.tip.listing.fetch, own=own
    )
    found = [*claimed.flaws, *(_finding(subject, flaw) for flaw in _flaws(subject, claimed, look, forked))]
    judged = with_allowances(subject, forked.tip, found, "components")
    idle = tuple(idle_exceptions(subject, forked, found, "components"))
    if proof is None:
        return (*judged, *idle)
    red = {one.component for one in judged if one.allowed is None}  # nothing is proved of what is not there
    sound = [claimed.spec[name] for name in claimed.names if name in claimed.spec and name not in red]
    found += (_finding(subject, flaw) for one in sound for flaw in proof_flaws(subject, look, one, proof))
    return (*with_allowances(subject, forked.tip, found, "components"), *idle)


def _proof(asked: Settings) -> Proof | None:
    how, tests, program = asked.text("proof"), asked.texts("tests"), asked.text("pytest", "pytest")
    if how not in ("", "tests"):
        asked.fail(f"the setting proof is {how!r}; the proof there is, is: tests")
    asked.flag("reached", True)
    return Proof(program=program, tests=tests) if how else None


def _flaws(subject: Subject, claimed: Claimed, look: Look, forked: Forked) -> Iterator[Flaw]:
    if not claimed.spec:
        if not claimed.flaws:
            message = f"there is no {claimed.spec_path} that describes {', '.join(claimed.names)}"
            yield Flaw(rule="components/no-spec", component=claimed.names[0], message=message)
        return
    for name in claimed.names:
        component = claimed.spec.get(name)
        if component is None:
            message = unknown_component(name, claimed.spec)
            yield Flaw(
                rule="components/unknown", component=name, message=message, path=claimed.spec_path, line=1
            )
            continue
        yield from component_flaws(look, component)
        if subject.settings.get("reached") is not False:
            yield from _unreached(look, component, forked)


def _unreached(look: Look, component: Component, forked: Forked) -> Iterator[Flaw]:
    """Judged where the branch brings programs of its own: one of them has to come to the component.

    A branch that only adds a library may be used by others later, and nothing is said of it.
    """
    homes = home_files(look, component)
    programs = [
        f for f in look.index.files.values() if f.path in forked.changed and _is_program(look.index, f)
    ]
    if not homes or not programs:
        return
    reached = look.index.closure(programs)
    names = {*component.names, *(home.inner.removesuffix(".py").replace("/", ".") for home in homes)}
    if not set(homes) & set(reached) and not any(_mentions(look.index, f, names) for f in reached):
        listed = ", ".join(f.path for f in programs[:3])
        message = f"none of the branch's programs ({listed}) comes to {', '.join(component.names[:3])}"
        yield Flaw(
            rule="components/unreached", component=component.name, message=message, path=homes[0].path, line=1
        )


def _is_program(index: Index, file: SourceFile) -> bool:
    name = file.inner.rpartition("/")[2]
    return not file.is_test and (index.facts(file).is_program or name == "__main__.py")


def _mentions(index: Index, file: SourceFile, names: set[str]) -> bool:
    """Registries and configurations name classes and modules in strings."""
    mentioned = index.facts(file).mentions
    return any(text in names or text.replace(":", ".").rpartition(".")[2] in names for text in mentioned)


def _finding(subject: Subject, flaw: Flaw) -> Finding:
    return Finding(
        gate=subject.gate,
        workstream=subject.name,
        rule=flaw.rule,
        message=flaw.message,
        component=flaw.component,
        path=flaw.path,
        line=flaw.line,
    )
