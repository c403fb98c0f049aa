"""Holds every required branch against W3 and W4's questions, and runs its tests."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator import git
from orchestrator.checks import Finding, Sibling, only_reading, runs_commands
from orchestrator.checks.claims import BRANCHES_FILE, SPEC_FILE
from orchestrator.checks.verification import Asked, Found, verify
from orchestrator.core.plan import CommitId, Gate, Plan, Workstream
from orchestrator.core.state import Merged, State
from orchestrator.desk import Desk
from orchestrator.enforcement.required import Roster
from orchestrator.enforcement.results import are_asked, own_results
from orchestrator.gates import GateVerdict, run_gates
from orchestrator.gates.jobs import Job, workstream_job
from orchestrator.gates.results import checked
from orchestrator.source.listing import is_test
from orchestrator.tips import read_tips

_READ = ("independence", "components", "redflags", "clones")
"""Built-in checks that say whether a branch is honest; of these the first two are always made."""

_MAKE_TEST = re.compile(rb"^test\s*:(?!=)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchVerdict:
    """`findings` of the checks that read, `gates` are what ran. `commit` is None where there is no branch.

    `excused` are findings of those checks that may stay.
    """

    name: str
    branch: str
    commit: str | None
    landed: bool = False
    findings: tuple[Finding, ...] = ()
    gates: tuple[GateVerdict, ...] = ()
    notes: tuple[str, ...] = ()
    excused: tuple[Finding, ...] = ()

    @property
    def suppressed(self) -> tuple[Finding, ...]:
        """All that may stay, with its reason; what checks and gates both say, once."""
        ran = (finding for verdict in self.gates for finding in verdict.suppressed)
        every = {(f.rule, f.path, f.line, f.message): f for f in (*self.excused, *ran)}
        return tuple(every.values())

    @property
    def ok(self) -> bool:
        return not self.findings and all(verdict.ok for verdict in self.gates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    base: str
    planned: bool
    tested: bool
    branches: tuple[BranchVerdict, ...]
    differences: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.differences and all(branch.ok for branch in self.branches)


def verify_branches(
    desk: Desk, roster: Roster, folder: Path, *, names: Collection[str] | None = None, with_tests: bool = True
) -> Verification:
    """Judge these required branches, or all. Blocks while their gates run.

    Raises:
        HostUnreachable: a host does not answer.
    """
    tips = {**_remote_tips(desk, roster.plan), **read_tips(desk)}
    base = git.resolve(desk.home.git, f"refs/heads/{roster.plan.base}")
    judge = _Judge(desk, roster, folder, base, tips)
    wanted = [w for w in roster.plan.workstreams.values() if names is None or w.name in names]
    verdicts = [judge.verdict(workstream) for workstream in wanted]
    if with_tests:
        verdicts = _with_gates(desk, roster, verdicts)
    return Verification(
        base=roster.plan.base,
        planned=roster.planned,
        tested=with_tests,
        branches=tuple(verdicts),
        differences=roster.differences,
    )


def _remote_tips(desk: Desk, plan: Plan) -> dict[str, CommitId]:
    """A clone that was just made has its branches on the remote's side only."""
    known = git.refs(desk.home.git, "refs/remotes/")
    return {
        w.name: CommitId(known[ref])
        for w in plan.workstreams.values()
        if (ref := f"refs/remotes/{plan.remote or 'origin'}/{w.branch}") in known
    }


@dataclass(frozen=True, slots=True)
class _Judge:
    desk: Desk
    roster: Roster
    folder: Path
    base: str
    tips: Mapping[str, CommitId]

    def verdict(self, workstream: Workstream) -> BranchVerdict:
        tip = self.tips.get(workstream.name)
        phase = self.desk.state.of(workstream.name).phase
        if isinstance(phase, Merged):
            return self._verdict(workstream, tip, landed=True, notes=(f"landed in wave {phase.wave}",))
        if tip is None:
            message = f"there is no branch {workstream.branch}"
            return self._verdict(
                workstream, None, findings=(_finding(workstream, "missing-branch", message),)
            )
        job = self._job(workstream, tip)
        checks = [checked(self.desk.home, job, gate) for gate in _reading_gates(workstream, self.roster)]
        found = [finding for verdict in checks for finding in verdict.findings]
        if not self.roster.planned:
            found += self._claims(workstream)
        found += self._no_results(workstream, tip)
        excused = tuple(finding for verdict in checks for finding in verdict.suppressed)
        return self._verdict(workstream, tip, findings=tuple(found), excused=excused)

    def _verdict(self, workstream: Workstream, tip: str | None, **more: object) -> BranchVerdict:
        made = BranchVerdict(name=workstream.name, branch=workstream.branch, commit=tip)
        return replace(made, **more)  # type: ignore[arg-type]

    def _job(self, workstream: Workstream, tip: CommitId) -> Job:
        others = (
            Sibling(workstream=w, commit=self.tips[w.name])
            for w in self.roster.plan.workstreams.values()
            if w.name in self.tips
        )
        tree = git.tree_of(self.desk.home.git, tip)
        return workstream_job(
            workstream,
            commit=tip,
            tree=tree,
            base=self.base,
            siblings=others,
            together=self.tips.values(),
        )

    def _claims(self, workstream: Workstream) -> Iterator[Finding]:
        """Without a plan the descriptions count as they lie in the folder, committed or not."""
        known = self.roster.listed.specifications
        if known is None or workstream.branch not in known:
            return
        asked = Asked(
            folder=self.folder,
            spec=self.folder / SPEC_FILE,
            branches=self.folder / BRANCHES_FILE,
            branch=workstream.branch,
        )
        found = verify(asked)
        yield from (_component_finding(workstream, one) for one in found)

    def _no_results(self, workstream: Workstream, tip: str) -> Iterator[Finding]:
        repository = self.desk.home.git
        if any(gate.check == "independence" for gate in workstream.gates):
            return  # the plan has its own way to ask
        if not are_asked(repository, self.base, workstream, planned=self.roster.planned):
            return
        if not own_results(repository, self.base, tip, workstream).files:
            message = f"{workstream.branch} commits no results of its own in {workstream.results}/"
            yield _finding(workstream, "no-results", message)


def _reading_gates(workstream: Workstream, roster: Roster) -> tuple[Gate, ...]:
    own = {gate.check: only_reading(gate) for gate in workstream.gates if gate.check in _READ}
    usual = {"independence": Gate(name="independence", check="independence", settings={"results": False})}
    if roster.planned:
        usual["components"] = Gate(name="components", check="components")
    return tuple({**usual, **own}.values())


def _with_gates(desk: Desk, roster: Roster, verdicts: Sequence[BranchVerdict]) -> list[BranchVerdict]:
    """The verdicts with what the branches' commands came to."""
    open_ones = [one for one in verdicts if one.commit is not None and not one.landed]
    streams = {w.name: w for w in (_tested(desk, roster, one) for one in open_ones)}
    with_gates = {name for name, workstream in streams.items() if workstream.gates}
    tips = {one.name: one.commit for one in open_ones if one.commit and one.name in with_gates}
    if not tips:
        return list(verdicts)
    plan = replace(roster.plan, workstreams={**roster.plan.workstreams, **streams})
    found = run_gates(_Planned(desk, plan), tips)
    return [replace(one, gates=tuple(v for v in found if v.workstream == one.name)) for one in verdicts]


def _tested(desk: Desk, roster: Roster, verdict: BranchVerdict) -> Workstream:
    workstream = roster.plan.workstream(verdict.name)
    gates = tuple(gate for gate in workstream.gates if runs_commands(gate) and not gate.is_for_the_wave)
    if not roster.planned and verdict.commit is not None:
        command = usual_tests(desk, verdict.commit)
        gates = (Gate(name="tests", run=command),) if command else ()
    return replace(workstream, gates=gates)


def usual_tests(desk: Desk, commit: str) -> str | None:
    """How a branch is tested where no plan says it: by its Makefile, or pytest; None without tests."""
    paths = [entry.path for entry in git.tree_entries(desk.home.git, commit, recursive=True)]
    makefile = git.read_blobs(desk.home.git, [f"{commit}:Makefile"]).get(f"{commit}:Makefile", b"")
    if _MAKE_TEST.search(makefile):
        return "make test"
    return "pytest -q" if any(p.endswith(".py") and is_test(p) for p in paths) else None


class _Planned:
    """A desk with another plan on it."""

    def __init__(self, desk: Desk, plan: Plan) -> None:
        self.plan = plan
        self.home = desk.home
        self.site, self.record, self.say = desk.site, desk.record, desk.say
        self.require_asker = desk.require_asker
        self._desk = desk

    @property
    def state(self) -> State:
        return self._desk.state


def _finding(workstream: Workstream, rule: str, message: str) -> Finding:
    return Finding(
        gate="enforcement", workstream=workstream.name, rule=f"enforcement/{rule}", message=message
    )


def _component_finding(workstream: Workstream, found: Found) -> Finding:
    flaw = found.flaw
    return Finding(
        gate="components",
        workstream=workstream.name,
        rule=flaw.rule,
        message=flaw.message,
        path=flaw.path,
        line=flaw.line,
        component=flaw.component,
    )
