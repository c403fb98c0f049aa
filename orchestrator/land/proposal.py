"""What landing a wave would do now, and everything that speaks against it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator import git
from orchestrator.candidate import Candidate, build_candidate, is_ours
from orchestrator.checks.silent_revert import undone_in_merge
from orchestrator.core.facts import WaveProposed
from orchestrator.core.gating import is_done, needed_by, to_land, waves_before
from orchestrator.core.membership import Members
from orchestrator.core.observation import Observation
from orchestrator.core.plan import BranchName, CommitId, Plan, WaveNumber, Workstream
from orchestrator.core.state import State, Wanted
from orchestrator.core.status import state_in_words
from orchestrator.desk import Desk
from orchestrator.gates import GateVerdict
from orchestrator.land.checkouts import checkouts_of, named, obstacles, step
from orchestrator.land.reasons import Reason
from orchestrator.land.reverting import RESET, build_return
from orchestrator.reports import names_verdicts
from orchestrator.tips import read_tips
from orchestrator.wire import Changes, ReadChanges

STATUS_DEADLINE_S = 120.0
"""For `git status` in worktrees with many files on a cold disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One snapshot: where base and the branches stand, and the candidate made of them.

    `candidate` is None when the branches do not merge; `conflicts` then says how. Where they merge, it names
    what a branch would silently take back from the others. `others` are those of the wave that have not
    landed and are not proposed; `tag` is free for this landing unless a person took it.
    """

    wave: WaveNumber
    base: str
    tips: Mapping[str, CommitId]
    candidate: Candidate | None
    tag: str
    conflicts: tuple[Reason, ...] = ()
    missing: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    verdicts: tuple[GateVerdict, ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """Whoever is proposed, with a branch or without."""
        return (*self.tips, *self.missing)

    def moved(self, earlier: Proposal, base: str) -> tuple[Reason, ...]:
        """What is no longer as it was in an `earlier` look; `base` is the branch's name."""
        names = dict.fromkeys([*earlier.tips, *self.tips])
        tips = [name for name in names if self.tips.get(name) != earlier.tips.get(name)]
        moved = [Reason(text="its branch moved meanwhile; run it again", workstream=n) for n in tips]
        if self.base != earlier.base:
            travel = f"from {earlier.base[:12]} to {self.base[:12]}"
            moved.append(Reason(text=f"{base} moved meanwhile, {travel}; run it again"))
        return tuple(moved)


def tag_name(plan: Plan, wave: WaveNumber, part: int = 1) -> str:
    """The tag of a wave's landing; a wave that lands more than once has one for each."""
    return f"{plan.project}/wave{wave}" + (f".{part}" if part > 1 else "")


def next_tag(desk: Desk, wave: WaveNumber) -> str:
    """The tag of its next landing. After a rollback the earlier ones may stand: then the next free one."""
    record = desk.state.wave(wave)
    part = len(record.parts) + 1
    taken = git.refs(desk.home.git, "refs/tags/") if record.rollbacks else {}
    while f"refs/tags/{tag_name(desk.plan, wave, part)}" in taken:
        part += 1
    return tag_name(desk.plan, wave, part)


def base_ref(plan: Plan) -> str:
    return f"refs/heads/{plan.base}"


def propose(
    desk: Desk, wave: WaveNumber, names: Collection[str] | None = None, earlier: Proposal | None = None
) -> Proposal:
    """Read everything once and build the candidate; no branch is touched.

    Of those of the wave that have not landed, all, or the ones named. Where nothing has moved since an
    `earlier` look, its candidate is still the one.

    Raises:
        HostUnreachable: a branch of the wave lives on a host that does not answer.
        CommandFailed: base does not exist.
    """
    open_ones = to_land(desk.plan, desk.state, wave)
    members = [w for w in open_ones if names is None or w.name in names]
    tips = read_tips(desk, [w.name for w in members])
    base = git.resolve(desk.home.git, base_ref(desk.plan))
    if earlier is not None and (earlier.base, earlier.tips) == (base, tips):
        candidate, conflicts = earlier.candidate, earlier.conflicts
    else:
        candidate, conflicts = _built(desk, wave, base, tips, ())
    return Proposal(
        wave=wave,
        base=base,
        tips=tips,
        candidate=candidate,
        tag=next_tag(desk, wave),
        conflicts=conflicts,
        missing=tuple(w.name for w in members if w.name not in tips),
        others=tuple(w.name for w in open_ones if w not in members),
    )


def silent_reverts(desk: Desk, base: str, candidate: str, tips: Mapping[str, str]) -> Iterator[Reason]:
    """What a branch undoes of others' work: landed before it, or merged before it in this wave."""
    names = {tip: name for name, tip in tips.items()}
    for _, parents in git.first_parents(desk.home.git, base, candidate):
        name = names.get(parents[1]) if len(parents) == 2 else None
        if name is not None:
            began = desk.state.of(name).began
            for undone in undone_in_merge(desk.home.git, parents[0], parents[1], began):
                hint = f"if that is meant, say so in a commit of the branch: Reverts: {undone.path}"
                yield Reason(text=f"{undone.words()}; {hint}", workstream=name)


def restricted(desk: Desk, proposal: Proposal, names: Collection[str]) -> Proposal:
    """The same snapshot with some of its workstreams only; reads no branch again."""
    tips = {name: tip for name, tip in proposal.tips.items() if name in names}
    candidate, conflicts = _built(desk, proposal.wave, proposal.base, tips, proposal.verdicts)
    return replace(
        proposal,
        tips=tips,
        candidate=candidate,
        conflicts=conflicts,
        missing=(),
        others=_others(desk, proposal.wave, tips),
    )


def _others(desk: Desk, wave: WaveNumber, tips: Collection[str]) -> tuple[str, ...]:
    return tuple(w.name for w in to_land(desk.plan, desk.state, wave) if w.name not in tips)


def _built(
    desk: Desk,
    wave: WaveNumber,
    base: str,
    tips: Mapping[str, CommitId],
    verdicts: Sequence[GateVerdict],
) -> tuple[Candidate | None, tuple[Reason, ...]]:
    record = desk.state.wave(wave)
    taken_out = record.rolled_back
    if taken_out is None:
        landed = record.members_landed
        built = build_candidate(desk.home.git, desk.plan, wave, base, tips, verdicts, landed)
    else:
        built = build_return(desk.home.git, desk.plan, taken_out, base, tips, verdicts)
    if isinstance(built, Candidate):
        return built, tuple(silent_reverts(desk, base, built.commit, tips))
    return None, tuple(Reason(text=c.words(), workstream=c.workstream) for c in built.collisions)


def members_of(desk: Desk, proposal: Proposal) -> Members:
    """Who cannot go without whom: by the plan's needs, and because a branch holds another's commits."""
    needs: dict[str, set[str]] = {
        name: set(desk.plan.workstream(name).needs.workstreams) for name in proposal.members
    }
    earlier: list[str] = []
    for name, tip in proposal.tips.items():
        inside = set(git.commits_between(desk.home.git, proposal.base, tip))
        needs[name].update(
            other
            for other, other_tip in proposal.tips.items()
            if other_tip in inside and (other_tip != tip or other in earlier)
        )
        earlier.append(name)
    return Members(names=proposal.members, needs=needs)


def seen(plan: Plan, proposal: Proposal) -> WaveProposed:
    """The look, for the journal."""
    return WaveProposed(
        wave=proposal.wave,
        base=plan.base,
        base_before=proposal.base,
        tips=dict(proposal.tips),
        generated=proposal.candidate.generated if proposal.candidate else (),
        conflicts=tuple(reason.words() for reason in proposal.conflicts),
    )


def with_verdicts(desk: Desk, proposal: Proposal, verdicts: Sequence[GateVerdict]) -> Proposal:
    """The same proposal, its candidate's documents naming what the workstreams' gates came to."""
    told = replace(proposal, verdicts=tuple(verdicts))
    if told.candidate is None or names_verdicts(told.candidate.generated):
        return restricted(desk, told, told.members)
    return replace(told, missing=(), others=_others(desk, told.wave, told.tips))


def outlook(desk: Desk, proposal: Proposal) -> tuple[tuple[Reason, ...], tuple[str, ...]]:
    """Everything but gates that keeps the wave from landing now; and what is only worth knowing."""
    dirty, untracked = _uncommitted(desk, proposal.members)
    reasons = (
        *_earlier_waves(desk.plan, desk.state, proposal.wave),
        *not_done(desk.plan, desk.state, proposal.members),
        *(_no_branch(desk.plan, name) for name in proposal.missing),
        *dirty,
        *proposal.conflicts,
        *_rewritten(desk, proposal),
        *_refs_taken(desk, proposal),
        *_checkouts(desk, proposal),
    )
    return reasons, (*_nothing_to_merge(desk.plan, proposal), *untracked)


def _nothing_to_merge(plan: Plan, proposal: Proposal) -> Iterator[str]:
    for name in proposal.candidate.contained if proposal.candidate else ():
        yield f"{name}: no commits that {plan.base} lacks; nothing to merge"


def _earlier_waves(plan: Plan, state: State, wave: WaveNumber) -> Iterator[Reason]:
    for number in needed_by(plan, wave):
        if number < wave and state.wave(number).rolled_back is not None:
            yield Reason(text=f"wave {number}, which it needs, was rolled back")
    earlier = waves_before(plan, state, wave)
    if earlier:
        *others, last = map(str, earlier)
        listed = f"waves {', '.join(others)} and {last} land" if others else f"wave {last} lands"
        yield Reason(text=f"{listed} first: waves land in ascending order")


def not_done(plan: Plan, state: State, names: Collection[str]) -> Iterator[Reason]:
    for workstream in (plan.workstream(name) for name in names):
        if not is_done(state, workstream):
            yield Reason(text=f"is {_words(plan, state, workstream)}, not done", workstream=workstream.name)


def _words(plan: Plan, state: State, workstream: Workstream) -> str:
    if isinstance(state.of(workstream.name).phase, Wanted):
        return "waiting"
    word, why = state_in_words(plan, state, Observation(), workstream, 0.0)
    return f"{word} ({why})" if why else word


def _rewritten(desk: Desk, proposal: Proposal) -> Iterator[Reason]:
    """What a reland brings back is what landed: a branch made anew would bring it twice, or half of it."""
    taken_out = desk.state.wave(proposal.wave).rolled_back
    if taken_out is None or taken_out.form == RESET:
        return
    landed = git.refs(desk.home.git, *(tip_archive(proposal.wave, name) for name in proposal.tips))
    for name, tip in proposal.tips.items():
        old = landed.get(tip_archive(proposal.wave, name))
        if old is not None and not git.is_ancestor(desk.home.git, old, tip):
            text = f"its branch no longer contains {old[:12]}, which landed; put new commits on top of that"
            yield Reason(text=text, workstream=name)


def tip_archive(wave: WaveNumber, workstream: str) -> str:
    """Where a landed tip is kept, so that its branch may be deleted, or the wave brought back."""
    return f"refs/orchestrator/waves/{wave}/tips/{workstream}"


def _no_branch(plan: Plan, name: str) -> Reason:
    branch = plan.workstream(name).branch
    return Reason(text=f"its branch {branch} does not exist", workstream=name)


def _uncommitted(desk: Desk, names: Collection[str]) -> tuple[tuple[Reason, ...], tuple[str, ...]]:
    """Work in their worktrees that no branch holds: tracked files refuse, untracked are listed."""
    reasons: list[Reason] = []
    listed: list[str] = []
    for name, changes in _changes(desk, names):
        if changes.operation is not None:
            reasons.append(
                Reason(text=f"a {changes.operation} is under way in {changes.path}", workstream=name)
            )
        if changes.tracked:
            text = f"uncommitted changes in {changes.path}: {', '.join(changes.tracked)}"
            reasons.append(Reason(text=text, workstream=name))
        if changes.untracked:
            listed.append(f"{name}: untracked, not part of the landing: {named(changes.untracked)}")
    return tuple(reasons), tuple(listed)


def _changes(desk: Desk, names: Collection[str]) -> Iterator[tuple[str, Changes]]:
    members = [desk.plan.workstream(name) for name in names]
    for host in dict.fromkeys(w.host for w in members):
        site = desk.site(host)
        paths = {
            desk.state.of(w.name).worktree or site.worktree_path(w): w.name for w in members if w.host == host
        }
        answer = site.call(ReadChanges(paths=tuple(paths)), deadline_s=STATUS_DEADLINE_S)
        yield from ((paths[changes.path], changes) for changes in answer.worktrees)


def _refs_taken(desk: Desk, proposal: Proposal) -> Iterator[Reason]:
    tag = proposal.tag
    taken = [ref.removeprefix("refs/tags/") for ref in git.refs(desk.home.git, "refs/tags/")]
    if tag in taken:
        yield Reason(text=f"the tag {tag} exists already; rename or delete it: git tag -d {tag}")
    for other in taken:
        if tag.startswith(f"{other}/") or other.startswith(f"{tag}/"):
            yield Reason(text=f"the tag {other} leaves no room for the tag {tag}; rename it")
    yield from _integration_taken(desk, proposal)


def _integration_taken(desk: Desk, proposal: Proposal) -> Iterator[Reason]:
    branch = desk.plan.integration_branch(proposal.wave)
    where = checkouts_of(desk.home.git, branch)
    if where:
        yield Reason(text=f"the branch {branch} is checked out in {where[0]}; switch that to another")
    if proposal.candidate is None or branch not in git.branches(desk.home.git, [branch]):
        return
    if replaceable_integration(desk, branch, proposal.candidate.commit) is None:
        yield Reason(text=f"the branch {branch} has commits of its own; rename or delete it")


def replaceable_integration(desk: Desk, branch: BranchName, candidate: str) -> str | None:
    """Where the integration branch stands, if that may make room; None where it does not exist, too."""
    standing = git.branches(desk.home.git, [branch]).get(branch)
    if standing is None or is_ours(desk.home.git, standing):
        return standing
    return standing if git.is_ancestor(desk.home.git, standing, candidate) else None


def _checkouts(desk: Desk, proposal: Proposal) -> Iterator[Reason]:
    goal = proposal.candidate.commit if proposal.candidate else proposal.base
    move = step(desk.home.git, proposal.base, goal)
    yield from (Reason(text=text) for text in obstacles(desk.home.git, desk.plan.base, move))
