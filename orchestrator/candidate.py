"""A wave's candidate: its branches folded onto base in the plan's order, without a checkout.

The same plan, tips, base and verdicts give the same commit id, so that a candidate built twice is one
candidate, on any machine and after any crash.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from orchestrator import git
from orchestrator.core.plan import Plan, WaveNumber, Workstream
from orchestrator.errors import CommandFailed, Refused
from orchestrator.git import ConflictFile, Git, Identity
from orchestrator.reports import Documents, Verdict, commit_subject, documents, subject_of

_PINNING = "orchestrator: candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """`contained` are workstreams that `base` had already: nothing was merged for them.

    `generated` are the paths that its last commit wrote or removed, beyond what the branches changed.
    """

    commit: str
    tree: str
    base: str
    merged: tuple[str, ...]
    contained: tuple[str, ...]
    generated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Collision:
    """`against` names what the workstream collides with: the base branch, or earlier workstreams.

    `why` says instead what of its documents nothing can be made of.
    """

    workstream: str
    against: tuple[str, ...] = ()
    files: tuple[ConflictFile, ...] = ()
    why: str = ""

    def words(self) -> str:
        if self.why:
            return self.why
        files = ", ".join(f"{file.path} ({file.kind})" for file in self.files)
        return f"conflicts with {' and '.join(self.against)}" + (f" in {files}" if files else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateConflict:
    """Every workstream that does not merge onto base and those before it that do."""

    collisions: tuple[Collision, ...]


@dataclass(frozen=True, slots=True)
class _Fold:
    """The merge so far. `beyond` are each tip's commits that base lacks, `commits` those merged of them.

    `tree` is that of `head`, once anything was merged.
    """

    head: str
    beyond: Mapping[str, frozenset[str]]
    tree: str | None = None
    commits: frozenset[str] = frozenset()
    merged: tuple[Workstream, ...] = ()
    contained: tuple[Workstream, ...] = ()
    collisions: tuple[Collision, ...] = ()


def build_candidate(
    repository: Git,
    plan: Plan,
    wave: WaveNumber,
    base: str,
    tips: Mapping[str, str],
    verdicts: Sequence[Verdict] = (),
    landed: Collection[str] = (),
) -> Candidate | CandidateConflict:
    """Merge each tip in the plan's order; a workstream without a tip is left out.

    The last commit holds the generated documents, if there are any; `verdicts` are those of the
    workstreams' gates, which they name, and `landed` those that came with an earlier part of the wave.
    Which paths are generated depends on neither.

    Writes objects only, no ref: pin the commit before anything may collect garbage.

    Raises:
        Refused: a shallow clone lacks the history that merging needs.
    """
    author = identity(repository, [base, *tips.values()])
    with git.merging(git.common_dir(repository), base, like=repository) as neutral:
        fold = _folded(neutral, plan, wave, base, tips, author)
        if fold.collisions:
            return CandidateConflict(collisions=fold.collisions)
        generated = _documents(neutral, plan, wave, base, tips, fold, verdicts, landed)
        if generated.unusable:
            return CandidateConflict(
                collisions=tuple(Collision(workstream=u.workstream, why=u.why) for u in generated.unusable)
            )
        head, tree = _with_files(neutral, fold, wave, generated.files, author)
    return Candidate(
        commit=head,
        tree=tree,
        base=base,
        merged=tuple(w.name for w in fold.merged),
        contained=tuple(w.name for w in fold.contained),
        generated=tuple(sorted(generated.files)),
    )


def _folded(
    neutral: Git, plan: Plan, wave: WaveNumber, base: str, tips: Mapping[str, str], author: Identity
) -> _Fold:
    fold = _Fold(base, git.commits_beyond(neutral, base, tips.values()))
    for workstream in plan.of_wave(wave):
        if workstream.name in tips:
            fold = _with(neutral, plan, fold, workstream, base, tips, author)
    return fold


def _documents(
    neutral: Git,
    plan: Plan,
    wave: WaveNumber,
    base: str,
    tips: Mapping[str, str],
    fold: _Fold,
    verdicts: Sequence[Verdict],
    landed: Collection[str],
) -> Documents:
    if not fold.merged:
        return Documents()
    contained = [w.name for w in fold.contained]
    subject = subject_of(plan, wave, base=base, head=fold.head, tips=tips, contained=contained, landed=landed)
    return documents(neutral, subject, verdicts)


def _with_files(
    neutral: Git, fold: _Fold, wave: WaveNumber, files: Mapping[str, str | None], author: Identity
) -> tuple[str, str]:
    """A commit of its own, so that the merges stay what git itself would make of the branches; its tree."""
    merged = fold.tree or git.tree_of(neutral, fold.head)
    if not files:
        return fold.head, merged
    tree = git.edit_tree(neutral, merged, files)
    return git.commit_tree(neutral, tree, [fold.head], f"{commit_subject(wave)}\n", author=author), tree


def identity(repository: Git, commits: list[str]) -> Identity:
    """Who writes a wave's commits and tag: dated by the newest commit in it, never by the clock."""
    newest = max(git.commit_times(repository, commits).values())
    return Identity("orchestrator", "orchestrator@localhost", newest)


def is_ours(repository: Git, commit: str) -> bool:
    """True for a merge that was built here."""
    return repository.text("log", "-1", "--format=%ce", commit, "--") == "orchestrator@localhost"


def _with(
    neutral: Git,
    plan: Plan,
    fold: _Fold,
    workstream: Workstream,
    base: str,
    tips: Mapping[str, str],
    author: Identity,
) -> _Fold:
    tip = tips[workstream.name]
    if not fold.beyond[tip]:
        return replace(fold, contained=(*fold.contained, workstream))
    if tip in fold.commits:
        return replace(fold, merged=(*fold.merged, workstream))
    merged = _merge(neutral, fold.head, tip)
    if isinstance(merged, git.Conflict):
        _require_history(neutral, workstream, merged)
        against = _against(neutral, plan, fold, base, tips, tip)
        collision = Collision(workstream=workstream.name, against=against, files=merged.files)
        return replace(fold, collisions=(*fold.collisions, collision))
    message = f"wave {workstream.wave}: merge {workstream.name} ({workstream.branch})\n"
    head = git.commit_tree(neutral, merged.tree, [fold.head, tip], message, author=author)
    commits = fold.commits | fold.beyond[tip]
    return replace(fold, head=head, tree=merged.tree, commits=commits, merged=(*fold.merged, workstream))


def _merge(neutral: Git, ours: str, theirs: str) -> git.Merged | git.Conflict:
    """Unrelated histories are a conflict without files."""
    try:
        return git.merge_tree(neutral, ours, theirs)
    except CommandFailed:
        if git.merge_base(neutral, ours, theirs) is not None:
            raise
        return git.Conflict("", ())


def _require_history(neutral: Git, workstream: Workstream, conflict: git.Conflict) -> None:
    """Raises: Refused: where the branch forked lies beyond the end of a shallow clone."""
    if not conflict.files and git.is_shallow(neutral):
        raise Refused(
            f"{workstream.name}: its branch {workstream.branch} cannot be merged in this shallow clone: "
            "the commit where it left the others is not here.",
            "fetch the history that is missing: git fetch --unshallow",
        )


def _against(
    neutral: Git, plan: Plan, fold: _Fold, base: str, tips: Mapping[str, str], tip: str
) -> tuple[str, ...]:
    if isinstance(_merge(neutral, base, tip), git.Conflict):
        return (plan.base,)
    # Branches that merge in pairs may still conflict as three (measured: renamed directories).
    earlier = [w.name for w in fold.merged]
    pairs = [name for name in earlier if isinstance(_merge(neutral, tips[name], tip), git.Conflict)]
    return tuple(pairs or earlier)


PART = "-part"
"""Names the pin of a part of a wave."""

_PINS = "refs/orchestrator/candidates/"


@contextmanager
def pinned(repository: Git, wave: WaveNumber, commit: str, part: str = "") -> Iterator[None]:
    """Keep a candidate from being collected as garbage while its gates run; `part` names one of a part."""
    ref = _pin(wave, part)
    try:
        git.update_refs(repository, [git.Create(ref, commit)], _PINNING)
    except git.RefsNotMoved:  # one that was killed left its own
        _point(repository, ref, commit)
    try:
        yield
    finally:
        with suppress(git.RefsNotMoved):  # a check beside us let go of it, or pins another by now
            git.update_refs(repository, [git.Delete(ref, commit)], _PINNING)


def unpin(repository: Git, wave: WaveNumber, part: str = "") -> None:
    """Let go of a candidate, also one that a killed landing left pinned."""
    _point(repository, _pin(wave, part), None)


def unpin_parts(repository: Git) -> None:
    """Let go of what a killed search for a culprit left pinned. Only for whoever holds the landing lock."""
    for ref in git.refs(repository, _PINS):
        if ref.endswith(PART):
            _point(repository, ref, None)


def _pin(wave: WaveNumber, part: str) -> str:
    return f"{_PINS}wave{wave}{part}"


def _point(repository: Git, ref: str, commit: str | None) -> None:
    old = git.refs(repository, ref).get(ref)
    if old == commit:
        return
    change: git.Create | git.Update | git.Delete
    if commit is None:
        change = git.Delete(ref, old or "")
    else:
        change = git.Create(ref, commit) if old is None else git.Update(ref, commit, old)
    with suppress(git.RefsNotMoved):  # a check beside us pins, and unpins, the same candidate
        git.update_refs(repository, [change], _PINNING)
