"""The witness: `git merge --no-ff`, one branch after another, in a real worktree."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "LC_ALL": "C",
    "HOME": os.devnull,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "git",
    "GIT_AUTHOR_EMAIL": "git@localhost",
    "GIT_COMMITTER_NAME": "git",
    "GIT_COMMITTER_EMAIL": "git@localhost",
}
_SETTINGS = (
    *("-c", "merge.renames=true"),
    *("-c", "merge.directoryRenames=conflict"),
    *("-c", "gc.auto=0"),
    *("-c", "advice.detachedHead=false"),
)
_UNRELATED = b"refusing to merge unrelated histories"
# A folder renamed over files that became folders (git 2.39.5): the merge conflicts, `git merge` aborts.
_BUG = b"BUG: merge-ort.c"
# Where two kinds of things want one path, git keeps one beside it, named after its side.
_SIDE = re.compile(r"~(HEAD|[0-9a-f]{40,64})(_\d+)?(?=/|$)")


@dataclass(frozen=True, slots=True)
class Folded:
    """`conflicts` are the paths each branch that did not merge left unmerged, by its number.

    They are None where git broke off over a conflict that it cannot write into an index.
    """

    tree: str
    conflicts: dict[int, frozenset[str] | None]


@dataclass(frozen=True, slots=True)
class Worktree:
    """A worktree that every fold starts by moving."""

    path: Path

    def run(self, *arguments: str, ok: tuple[int, ...] = (0,), stdin: bytes | None = None) -> str:
        """Raises: RuntimeError: git ended otherwise than with one of `ok`."""
        done = subprocess.run(
            ["git", *_SETTINGS, *arguments],
            cwd=self.path, env=ENVIRONMENT, capture_output=True, input=stdin, check=False,
        )  # fmt: skip
        if done.returncode not in ok:
            raise RuntimeError(f"git {arguments}: {done.returncode}: {os.fsdecode(done.stderr)}")
        return os.fsdecode(done.stdout)

    def fold(self, base: str, tips: list[str]) -> Folded:
        """Merge each tip in turn; one that conflicts is left out."""
        self.run("checkout", "--quiet", "--force", "--detach", base)
        conflicts = self.merge_all(tips)
        return Folded(self.run("rev-parse", "HEAD^{tree}").strip(), conflicts)

    def merge_all(self, tips: list[str]) -> dict[int, frozenset[str] | None]:
        """Merge into what is checked out; the conflicts, as in `Folded`."""
        conflicts = {}
        for number, tip in enumerate(tips):
            if not self._merges(tip):
                conflicts[number] = self._unmerged()
                self.run("reset", "--quiet", "--hard")
                self.run("clean", "-ffdxq")
        return conflicts

    def _merges(self, tip: str) -> bool:
        done = subprocess.run(
            ["git", *_SETTINGS, "merge", "--quiet", "--no-ff", "-m", "merge", tip],
            cwd=self.path, env=ENVIRONMENT, capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode in (0, 1):
            return done.returncode == 0
        if any(text in done.stderr for text in (_UNRELATED, _BUG)):
            return False
        raise RuntimeError(f"git merge {tip}: {done.returncode}: {os.fsdecode(done.stderr)}")

    def _unmerged(self) -> frozenset[str] | None:
        lock = self.path / ".git" / "index.lock"
        if lock.exists():
            lock.unlink()
            return None
        entries = self.run("ls-files", "--unmerged", "-z").split("\0")[:-1]
        return frozenset(without_side(entry.partition("\t")[2]) for entry in entries)


def without_side(path: str) -> str:
    """The path with the name of its side cut out, which depends on how the commit was named."""
    return _SIDE.sub("", path)
