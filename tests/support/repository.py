"""Real git repositories with pinned dates, identity and settings; nothing of the user's is read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PINNED = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_AUTHOR_DATE": "1700000000 +0000",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_COMMITTER_DATE": "1700000000 +0000",
    "GIT_CONFIG_NOSYSTEM": "1",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
}


def pin(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make this process, and what it starts, use git settings of this test alone."""
    settings = folder / "gitconfig"
    identity = f"[user]\n\tname = {PINNED['GIT_AUTHOR_NAME']}\n\temail = {PINNED['GIT_AUTHOR_EMAIL']}\n"
    settings.write_text(f'{identity}[init]\n\tdefaultBranch = main\n[protocol "file"]\n\tallow = always\n')
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in PINNED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))


class Repository:
    """A repository to set a scene in, by plain git commands."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", *options)

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or self.path, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def commit(self, message: str = "change", cwd: Path | None = None, **files: str) -> str:
        """Commit files given as `name=content` (`__` in a name is a dot, `_s_` a slash)."""
        contents = {name.replace("_s_", "/").replace("__", "."): text for name, text in files.items()}
        return self.commit_files(message, contents, cwd=cwd)

    def commit_files(self, message: str, files: dict[str, str], cwd: Path | None = None) -> str:
        for name, text in files.items():
            path = (cwd or self.path) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        if files:
            self.git("--literal-pathspecs", "add", "--", *files, cwd=cwd)
        self.git("commit", "--quiet", "--allow-empty", "-m", message, cwd=cwd)
        return self.git("rev-parse", "HEAD", cwd=cwd)

    def branch(self, name: str, start: str = "HEAD", **files: str) -> str:
        """A branch with one commit of `files` on `start`; what is checked out here stays as it is."""
        current = self.git("symbolic-ref", "--short", "HEAD")
        self.git("checkout", "--quiet", "-b", name, start)
        commit = self.commit(f"work on {name}", cwd=None, **files)
        self.git("checkout", "--quiet", current)
        return commit


@contextmanager
def repository_at(path: Path, *options: str) -> Iterator[Repository]:
    """A repository with one commit on `main`."""
    made = Repository(path, *options)
    made.commit("first", README__md="# A project\n", a__txt="one\ntwo\nthree\n")
    yield made


@pytest.fixture(name="repo", params=["sha1", "sha256"])
def repo_fixture(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Repository]:
    """In both formats of objects, in a folder whose name needs quotes."""
    pin(monkeypatch, tmp_path)
    with repository_at(tmp_path / "a: répo", f"--object-format={request.param}") as made:
        yield made


@pytest.fixture(name="plain")
def plain_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    pin(monkeypatch, tmp_path)
    with repository_at(tmp_path / "repo") as made:
        yield made
