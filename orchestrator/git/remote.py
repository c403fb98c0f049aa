"""Making repositories, their settings, and pushing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import CommandFailed
from orchestrator.git.command import Git

PUSH_TIMEOUT_S = 300.0


def init(path: str | Path, branch: str) -> Git:
    """Make a repository whose unborn HEAD is `branch`."""
    Path(path).mkdir(parents=True, exist_ok=True)
    git = Git(path)
    git.run("init", "--quiet", f"--initial-branch={branch}")
    return git


def config(git: Git, name: str) -> str | None:
    output = git.run("config", "-z", "--get", name, ok=(0, 1))
    return output.stdout.rstrip("\0") if output.code == 0 else None


def set_config(git: Git, name: str, value: str) -> None:
    git.run("config", "--local", name, value)


def push(git: Git, remote: str, refspecs: Sequence[str], *, atomic: bool = False) -> dict[str, str]:
    """Push; the answer is the reason for each destination ref that was refused.

    Raises:
        CommandFailed: the remote could not be asked.
    """
    options = ["--atomic"] if atomic else []
    output = git.run(
        "push", "--porcelain", "--no-verify", *options, "--", remote, *refspecs,
        ok=(0, 1), timeout_s=PUSH_TIMEOUT_S,
    )  # fmt: skip
    updates = [line.split("\t") for line in output.stdout.split("\n") if line.count("\t") == 2]
    if output.code != 0 and not any(flag == "!" for flag, _, _ in updates):
        lines = output.stderr.strip().splitlines()
        raise CommandFailed(f"git push to {remote} failed{': ' + lines[-1] if lines else ''}", output.stderr)
    return {names.rpartition(":")[2]: summary for flag, names, summary in updates if flag == "!"}
