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


def tree_of(git: Git, commit: str) -> str:
    tree = find_trees(git, [commit])[commit]
    if tree is None:
        raise CommandFailed(f"{commit} has no tree in {git.directory}")
    return tree


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
