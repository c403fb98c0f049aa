"""The component check by itself: without a plan and a daemon, on branches or on folders as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator import git
from orchestrator.checks.claims import (
    BRANCHES_FILE,
    SPEC_FILE,
    Branch,
    Component,
    parse_branches,
    parse_spec,
    unknown_component,
)
from orchestrator.checks.components import Flaw, Look, component_flaws
from orchestrator.checks.redflags.families import SIGNS
from orchestrator.errors import CommandFailed, UsageError
from orchestrator.git import Git
from orchestrator.plan_file.problems import PlanErrors, unknown
from orchestrator.source.cache import FactsCache
from orchestrator.source.listing import Listing, committed, on_disk
from orchestrator.source.reading import read_index


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to verify. None: the file of that name in the repository around `folder`."""

    folder: Path
    spec: Path | None = None
    branches: Path | None = None
    branch: str | None = None
    search: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    branch: str | None
    flaw: Flaw

    def document(self) -> dict[str, Any]:
        flaw = self.flaw
        return {
            "rule": flaw.rule,
            "component": flaw.component,
            "path": flaw.path,
            "line": flaw.line,
            "message": ": ".join(filter(None, [self.branch, flaw.message])),
        }


@dataclass
class _Looks:
    """The places that were read; branches that stand at one commit share theirs."""

    root: Path
    repository: Git | None
    known: dict[str, Look] = field(default_factory=dict)

    def lacks(self, branch: str) -> bool:
        """Whether there is a repository with commits, and no such branch in it."""
        return self.has_branches and self._commit(branch) is None

    @cached_property
    def has_branches(self) -> bool:
        return self.repository is not None and bool(git.branches(self.repository))

    def at(self, branch: str | None, search: Sequence[Path]) -> Look:
        commit = self._commit(branch) if not search else None
        key = commit or ""
        if key not in self.known:
            folders = search or [self.root]
            listing = committed(self.repository, commit) if self.repository and commit else on_disk(folders)
            self.known[key] = _look(listing, self._cache())
        return self.known[key]

    def _commit(self, branch: str | None) -> str | None:
        if branch is None or self.repository is None:
            return None
        names = [f"refs/heads/{branch}", f"refs/remotes/origin/{branch}"]
        found = git.find_commits(self.repository, names)
        return next((found[name] for name in names if found[name]), None)

    def _cache(self) -> FactsCache:
        state = None if self.repository is None else Path(git.common_dir(self.repository)) / "orchestrator"
        return FactsCache(state / "checks" / "facts.db" if state and state.is_dir() else None)


def verify(asked: Asked) -> tuple[Found, ...]:
    """What is missing of what the branches claim.

    Raises:
        UsageError: a folder to search does not exist.
    """
    for path in asked.search:
        if not path.exists():
            raise UsageError(f"{path} does not exist.", "name a folder with --search-path")
    root, repository = _repository(asked.folder)
    try:
        spec = _spec(asked.spec or root / SPEC_FILE)
        claims = _claims(asked, root, spec)
    except PlanErrors as errors:
        return tuple(_problem(problem) for problem in errors.problems)
    looks = _Looks(root, repository)
    return tuple(_shown(found, root) for branch in claims for found in _of_branch(asked, looks, spec, branch))


def missing_branches(asked: Asked) -> tuple[str, ...]:
    """The branches of the question that the repository has not: for them it is searched as checked out."""
    root, repository = _repository(asked.folder)
    looks = _Looks(root, repository)
    try:
        claims = () if asked.search else _claims(asked, root, {})
    except PlanErrors:
        return ()
    return tuple(branch.name for branch in claims if branch.name and looks.lacks(branch.name))


def _repository(folder: Path) -> tuple[Path, Git | None]:
    here = Git(folder)
    try:
        root = Path(git.repository_root(here))
    except CommandFailed:
        return folder, None
    return root, Git(root)


def _spec(path: Path) -> dict[str, Component]:
    return parse_spec(str(path), _read(path, "the components are described there"))


def _claims(asked: Asked, root: Path, spec: dict[str, Component]) -> list[Branch]:
    """The branches to check; without a file that says which claim what, one that claims everything."""
    path = asked.branches or root / BRANCHES_FILE
    if asked.branches is None and not path.exists():
        return [Branch(name=asked.branch or "", components=tuple(spec))]
    known = parse_branches(str(path), _read(path, "the branches' claims stand there"))
    if asked.branch is None:
        return list(known.values())
    if asked.branch not in known:
        raise _unusable(path, unknown("branch", asked.branch, known))
    return [known[asked.branch]]


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise _unusable(path, f"cannot be read: {reason}; {what}") from error


def _unusable(path: Path, message: str) -> PlanErrors:
    from orchestrator.plan_file.problems import Problem

    return PlanErrors([Problem(path, 1, 1, message)])


def _of_branch(asked: Asked, looks: _Looks, spec: dict[str, Component], branch: Branch) -> Iterator[Found]:
    found = list(_of_claims(looks.at(branch.name or None, asked.search), spec, branch))
    if found and branch.name and not asked.search and looks.lacks(branch.name):
        message = (
            f"there is no branch of this name, and what is checked out in {looks.root} is not what it claims"
        )
        yield Found(
            branch=branch.name, flaw=Flaw(rule="components/missing-branch", component="", message=message)
        )
        return
    yield from found


def _of_claims(look: Look, spec: dict[str, Component], branch: Branch) -> Iterator[Found]:
    name = branch.name or None
    for claimed in branch.components:
        component = spec.get(claimed)
        if component is None:
            message = unknown_component(claimed, spec)
            yield Found(branch=name, flaw=Flaw(rule="components/unknown", component=claimed, message=message))
            continue
        yield from (Found(branch=name, flaw=flaw) for flaw in component_flaws(look, component))


def _look(listing: Listing, cache: FactsCache) -> Look:
    index = read_index(listing, cache, SIGNS)
    return Look(index=index, skipped=listing.skipped, fetch=listing.fetch)


def _problem(problem: Any) -> Found:
    flaw = Flaw(
        rule="components/spec",
        component="",
        message=problem.message,
        path=str(problem.path),
        line=problem.line,
    )
    return Found(branch=None, flaw=flaw)


def _shown(found: Found, root: Path) -> Found:
    """Paths as people write them: from the repository's root where they lie in it."""
    from dataclasses import replace

    path = found.flaw.path
    if path is None or not path.startswith(f"{root}/"):
        return found
    return replace(found, flaw=replace(found.flaw, path=path.removeprefix(f"{root}/")))
