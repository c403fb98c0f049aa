"""Before a push: planned branches that go out hold their components and evidence, and pass their tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from orchestrator.checks import runs_commands
from orchestrator.cli.here import Here
from orchestrator.cli.own_desk import own_desk
from orchestrator.cli.roster import Required
from orchestrator.core.plan import Gate, Plan, Workstream, WorkstreamName
from orchestrator.gates import GateVerdict, Outcome, run_gates
from orchestrator.hooks.forbidden import SPEC_FILE

_HEADS = "refs/heads/"
_DELETED = "(delete)"
_TOO_LONG = ("benchmarks",)
"""What measures must run alone and repeat itself: a push does not wait for it."""


def pushed(lines: Iterable[str]) -> dict[str, str]:
    """The branches that git says go out, with their commits; deleted ones and tags have none to check."""
    found: dict[str, str] = {}
    for line in lines:
        local, commit, remote, _ = line.split() if line.strip() else [_DELETED] * 4
        ref = next((name for name in (local, remote) if name.startswith(_HEADS)), None)
        if ref is not None and local != _DELETED:
            found[ref.removeprefix(_HEADS)] = commit
    return found


def complaints(here: Here, plan: Plan, branches: Mapping[str, str]) -> tuple[str, ...]:
    """Blocks while the gates run. One that came to no verdict is told of, and stops nobody."""
    asked = {
        w.name: replace(w, gates=pushed_gates(w)) for w in plan.workstreams.values() if w.branch in branches
    }
    asked = {name: workstream for name, workstream in asked.items() if workstream.gates}
    return _gate_complaints(here, plan, asked, branches)


def _gate_complaints(
    here: Here, plan: Plan, asked: Mapping[WorkstreamName, Workstream], branches: Mapping[str, str]
) -> tuple[str, ...]:
    if not asked:
        return ()
    judged = replace(plan, workstreams={**plan.workstreams, **asked})
    with own_desk(here, judged) as desk:
        verdicts = run_gates(desk, {name: branches[w.branch] for name, w in asked.items()})
    return tuple(line for verdict in verdicts if _blocks(verdict) for line in _lines(verdict))


def complaints_without_plan(required: Required, branches: Mapping[str, str]) -> tuple[str, ...]:
    """Of branches that `.required_branches` or `.branch_specifications.json` names: claims and tests."""
    from orchestrator.checks.verification import Asked, verify
    from orchestrator.enforcement.verifying import usual_tests

    plan, specified = required.roster.plan, required.roster.listed.specifications or {}
    claiming = [name for name in branches if name in specified and (required.folder / SPEC_FILE).is_file()]
    found = [one for name in claiming for one in verify(Asked(folder=required.folder, branch=name))]
    lines = [f"components: {one.document()['message']} [{one.flaw.rule}]" for one in found]
    with own_desk(required.here, plan) as desk:
        asked: dict[WorkstreamName, Workstream] = {}
        for w in plan.workstreams.values():
            tests = usual_tests(desk, branches[w.branch]) if w.branch in branches else None
            asked |= {w.name: replace(w, gates=(Gate(name="tests", run=tests),))} if tests else {}
    return (*lines, *_gate_complaints(required.here, plan, asked, branches))


def pushed_gates(workstream: Workstream) -> tuple[Gate, ...]:
    """Those that run commands, TDD among them, and the component check even where the plan names none."""
    own = [gate for gate in workstream.gates if gate.check not in _TOO_LONG]
    own = [gate for gate in own if runs_commands(gate) or gate.check == "components"]
    if not any(gate.check == "components" for gate in own):
        own.insert(0, Gate(name="components", check="components"))
    return tuple(gate for gate in own if not gate.is_for_the_wave)


def _blocks(verdict: GateVerdict) -> bool:
    return not verdict.ok and verdict.outcome is not Outcome.INFRASTRUCTURE


def _lines(verdict: GateVerdict) -> Iterator[str]:
    yield f"{verdict.subject}: {verdict.sentence}"
    yield from _places(verdict)
    if verdict.log is not None:
        yield f"  its output: {verdict.log}"


def _places(verdict: GateVerdict) -> Sequence[str]:
    findings = verdict.findings if len(verdict.findings) > 1 else ()
    return [f"  {one.path}:{one.line or 1}: {one.message}" for one in findings if one.path]
