"""Names to commits, and moving names with compare-and-swap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from orchestrator.errors import CommandFailed
from orchestrator.git.command import TIMEOUT_S, Git

_ARGUMENTS_LIMIT = 400  # more names than this: list everything and filter
_YEAR_9999 = 253402300799  # git takes later dates than Python does


@dataclass(frozen=True, slots=True)
class Commit:
    id: str
    parents: tuple[str, ...]
    author: str
    email: str
    authored_at: datetime
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Create:
    ref: str
    new: str

    def line(self) -> str:
        return f"create {self.ref} {self.new}"


@dataclass(frozen=True, slots=True)
class Update:
    ref: str
    new: str
    old: str

    def line(self) -> str:
        return f"update {self.ref} {self.new} {self.old}"


@dataclass(frozen=True, slots=True)
class Verify:
    """`old` None: the ref must not exist."""

    ref: str
    old: str | None

    def line(self) -> str:
        return f"verify {self.ref} {self.old or ''}".rstrip()


@dataclass(frozen=True, slots=True)
class Delete:
    ref: str
    old: str

    def line(self) -> str:
        return f"delete {self.ref} {self.old}"


RefChange = Create | Update | Verify | Delete


class RefsNotMoved(CommandFailed):
    """A ref was not where it was expected, or is locked. Nothing was changed, unless `interrupted`.

    Git renames refs one by one: killed in between, it leaves some moved, and locks on all of them.
    """

    def __init__(self, message: str, hint: str | None, *, interrupted: bool) -> None:
        super().__init__(message, hint)
        self.interrupted = interrupted


def resolve(git: Git, name: str) -> str:
    """The commit `name` means.

    Raises:
        CommandFailed: there is none; the message says so when the repository has no commit at all.
    """
    commit = find_commits(git, [name])[name]
    if commit is not None:
        return commit
    if not git.text("for-each-ref", "--count=1", "--format=%(objectname)"):
        raise CommandFailed(
            f"the repository {git.directory} has no commit yet",
            "make a first commit: git commit --allow-empty -m start",
        )
    raise CommandFailed(f"{name} is no commit in {git.directory}")


def find_commits(git: Git, names: Iterable[str]) -> dict[str, str | None]:
    """Each name's commit in one call; None where there is none."""
    return _peel(git, names, "commit")


def find_trees(git: Git, names: Iterable[str]) -> dict[str, str | None]:
    return _peel(git, names, "tree")


def _peel(git: Git, names: Iterable[str], kind: str) -> dict[str, str | None]:
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return {}
    # `--batch-check` reads names as data: one that starts with a dash is no option here.
    answer = git.text("cat-file", "--batch-check", stdin="".join(f"{name}^{{{kind}}}\n" for name in wanted))
    lines = [line.split(" ") for line in answer.split("\n")]
    return {
        name: line[0] if len(line) == 3 and line[1] == kind else None
        for name, line in zip(wanted, lines, strict=True)
    }


def refs(git: Git, *prefixes: str) -> dict[str, str]:
    """Full ref names under `prefixes` (or exactly one of them) to object ids, in one call."""
    answer = git.text("for-each-ref", "--format=%(refname) %(objectname)", *prefixes)
    return dict(line.split(" ") for line in answer.split("\n") if line)


def is_published(git: Git, commit: str) -> bool:
    """Whether a remote's branch, as far as it is known here, contains the commit."""
    return bool(git.text("for-each-ref", "--count=1", f"--contains={commit}", "refs/remotes/"))


def branches(git: Git, names: Sequence[str] | None = None) -> dict[str, str]:
    """Short branch names to commits; only `names` when given. An absent branch has no entry."""
    patterns = ["refs/heads/"]
    if names is not None and len(names) <= _ARGUMENTS_LIMIT:
        patterns = [f"refs/heads/{name}" for name in names]
    if not patterns:
        return {}
    found = {ref.removeprefix("refs/heads/"): commit for ref, commit in refs(git, *patterns).items()}
    return found if names is None else {name: found[name] for name in names if name in found}


def is_ancestor(git: Git, ancestor: str, commit: str) -> bool:
    return git.run("merge-base", "--is-ancestor", ancestor, commit, ok=(0, 1)).code == 0


def merge_base(git: Git, a: str, b: str) -> str | None:
    """The best common ancestor; None for unrelated histories."""
    return git.text("merge-base", a, b, ok=(0, 1)) or None


def is_shallow(git: Git) -> bool:
    """True for a clone that was cut off somewhere in its history."""
    return git.text("rev-parse", "--is-shallow-repository") == "true"


def commits_ahead(git: Git, base: str, tip: str) -> int:
    return int(git.text("rev-list", "--count", f"{base}..{tip}"))


def commits_between(git: Git, base: str, tip: str, *, first_parent: bool = False) -> tuple[str, ...]:
    """Commits of `tip` that `base` lacks, newest first."""
    options = ["--first-parent"] if first_parent else []
    return tuple(git.text("rev-list", *options, f"{base}..{tip}").split())


def merges_between(git: Git, base: str, tip: str) -> tuple[str, ...]:
    """Merge commits of `tip` that `base` lacks."""
    return tuple(git.text("rev-list", "--min-parents=2", f"{base}..{tip}").split())


def commits_beyond(git: Git, base: str, tips: Iterable[str]) -> dict[str, frozenset[str]]:
    """Of each tip, the commits of its history that `base` lacks; one call for all."""
    names = list(dict.fromkeys(tips))
    listed = git.text(
        "rev-list", "--parents", "--stdin", stdin="".join(f"{n}\n" for n in (*names, f"^{base}"))
    )
    parents = {commit: rest for commit, *rest in (line.split(" ") for line in listed.split("\n"))}
    return {tip: _history(parents, tip) for tip in names}


def _history(parents: Mapping[str, Sequence[str]], tip: str) -> frozenset[str]:
    """Those commits among the keys that are reached from `tip`, itself included."""
    found: set[str] = set()
    left = [tip]
    while left:
        commit = left.pop()
        if commit in parents and commit not in found:
            found.add(commit)
            left.extend(parents[commit])
    return frozenset(found)


def log(git: Git, revisions: str, *, limit: int | None = None) -> tuple[Commit, ...]:
    """Commits of a revision range, newest first."""
    options = [] if limit is None else [f"--max-count={limit}"]
    form = "%x1f".join(("%H", "%P", "%at", "%an", "%ae", "%s", "%b"))  # numbers before foreign text
    output = git.run("log", "-z", f"--format=tformat:{form}", *options, revisions, "--")
    return tuple(_commit(record) for record in output.fields())


def _commit(record: str) -> Commit:
    commit, parents, seconds, author, email, subject, body = record.split("\x1f", 6)
    authored_at = datetime.fromtimestamp(min(int(seconds), _YEAR_9999), timezone.utc)
    return Commit(commit, tuple(parents.split()), author, email, authored_at, subject, body.strip())


def update_refs(git: Git, changes: Sequence[RefChange], reason: str, *, timeout_s: float = TIMEOUT_S) -> None:
    """Apply all changes or none, in this order; `reason` goes to the reflogs.

    Raises:
        RefsNotMoved: a ref is not where `changes` says, or could not be locked.
    """
    commands = ["start", *(change.line() for change in changes), "prepare", "commit"]
    output = git.run(
        "update-ref", "-m", reason, "--stdin",
        stdin="\n".join(commands) + "\n", ok=tuple(range(-64, 256)), timeout_s=timeout_s,
    )  # fmt: skip
    if "commit: ok" not in output.stdout.split("\n"):
        lines = output.stderr.strip().splitlines() or [f"status {output.code}"]
        told = f"git update-ref moved nothing in {git.directory}: {lines[-1]}"
        raise RefsNotMoved(told, output.stderr, interrupted=output.code < 0)


def create_branch(git: Git, name: str, commit: str, reason: str = "orchestrator: branch") -> None:
    """Make a branch that must not exist yet."""
    update_refs(git, [Create(f"refs/heads/{name}", commit)], reason)
