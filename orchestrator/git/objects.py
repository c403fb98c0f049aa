"""Trees, commits and tags without a checkout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.errors import CommandFailed
from orchestrator.git.command import TIMEOUT_S, Git
from orchestrator.git.refs import find_trees


@dataclass(frozen=True, slots=True)
class Identity:
    """Who wrote a commit, and when: seconds since the epoch, recorded as UTC."""

    name: str
    email: str
    seconds: int

    def variables(self, role: str) -> dict[str, str]:
        return {
            f"GIT_{role}_NAME": self.name,
            f"GIT_{role}_EMAIL": self.email,
            f"GIT_{role}_DATE": f"@{self.seconds} +0000",  # without @, a number below 1973 is no date
        }

    def line(self) -> str:
        return f"{self.name} <{self.email}> {self.seconds} +0000"


@dataclass(frozen=True, slots=True)
class Merged:
    tree: str


@dataclass(frozen=True, slots=True)
class ConflictFile:
    """`kind` is git's own: `content`, `modify/delete`, `add/add`, `rename/rename`, …"""

    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """`tree` is the merge with conflict markers."""

    tree: str
    files: tuple[ConflictFile, ...]


def tree_of(git: Git, commit: str) -> str:
    tree = find_trees(git, [commit])[commit]
    if tree is None:
        raise CommandFailed(f"{commit} has no tree in {git.directory}")
    return tree


def merge_tree(git: Git, ours: str, theirs: str) -> Merged | Conflict:
    """Merge two commits in memory; no worktree, index or ref is touched.

    Raises:
        CommandFailed: a commit is missing, or the histories are unrelated.
    """
    arguments = ("merge-tree", "--write-tree", "--messages", "-z", ours, theirs)
    output = git.run(*arguments, ok=(0, 1))
    # Exit 1 also means a bad ref (measured, git 2.39): only a printed tree makes it a conflict.
    tree, _, rest = output.stdout.partition("\0")
    if len(tree) not in (40, 64):
        raise CommandFailed(f"git merge-tree could not merge {ours} and {theirs}", output.stderr or None)
    return Merged(tree) if output.code == 0 else Conflict(tree, _conflict_files(rest))


def _conflict_files(rest: str) -> tuple[ConflictFile, ...]:
    entries, _, messages = rest.partition("\0\0")
    paths = dict.fromkeys(entry.partition("\t")[2] for entry in entries.split("\0") if entry)
    kinds = _conflict_kinds(messages.split("\0"))
    return tuple(ConflictFile(path, kinds.get(path, "content")) for path in paths if path)


def _conflict_kinds(fields: Sequence[str]) -> dict[str, str]:
    """Of messages `<n> <path>*n <type> <text>`, each conflicting path's first conflict type."""
    kinds: dict[str, str] = {}
    position = 0
    while position < len(fields) and fields[position].isdigit():
        count = int(fields[position])
        paths = fields[position + 1 : position + 1 + count]
        kind, text = fields[position + 1 + count : position + 3 + count]
        if kind.startswith("CONFLICT ("):
            for path in paths:
                kinds.setdefault(path, _kind(kind, text))
        position += count + 3
    return kinds


def _kind(kind: str, text: str) -> str:
    # The type is stable but calls add/add `contents`; the text begins with the same form, more exact.
    exact = text if text.startswith("CONFLICT (") else kind
    return exact.removeprefix("CONFLICT (").partition(")")[0]


def commit_tree(
    git: Git,
    tree: str,
    parents: Sequence[str],
    message: str,
    *,
    author: Identity,
    committer: Identity | None = None,
) -> str:
    """Write a commit; equal arguments give an equal id."""
    variables = {**author.variables("AUTHOR"), **(committer or author).variables("COMMITTER")}
    options = [part for parent in parents for part in ("-p", parent)]
    signed_off = Git(git.directory, git.settings, git.pass_fds, {**git.environment, **variables})
    return signed_off.text("commit-tree", "--no-gpg-sign", tree, *options, "-F", "-", stdin=message)


def tree_with_files(git: Git, commit: str, paths: Sequence[str], index: str) -> str:
    """The tree of `commit` with files of the worktree added; `index` is a scratch file's path."""
    beside = Git(git.directory, git.settings, git.pass_fds, {**git.environment, "GIT_INDEX_FILE": index})
    beside.run("read-tree", commit)
    beside.run("update-index", "--add", "-z", "--stdin", stdin="".join(f"{path}\0" for path in paths))
    return beside.text("write-tree")


def make_tag(git: Git, name: str, commit: str, message: str, tagger: Identity) -> str:
    """Write an annotated tag object; no ref points to it yet."""
    head = f"object {commit}\ntype commit\ntag {name}\ntagger {tagger.line()}\n\n"
    return git.text("mktag", stdin=head + message.rstrip("\n") + "\n")


def read_tree_two_way(
    git: Git, old: str, new: str, *, dry_run: bool = False, timeout_s: float = TIMEOUT_S
) -> None:
    """Carry a worktree from `old` to `new`, keeping uncommitted changes of files that do not differ.

    Raises:
        CommandFailed: a changed or untracked file is in the way; nothing was written.
    """
    # Stale stat data in the index would read as local changes.
    git.run("update-index", "-q", "--refresh", ok=(0, 1))
    options = ["-n"] if dry_run else []
    git.run("read-tree", "-m", "-u", *options, old, new, timeout_s=timeout_s)
