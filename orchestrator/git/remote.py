"""Making repositories, their settings, and pushing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def hooks_path(git: Git) -> str | None:
    """The user's `core.hooksPath`, `~` resolved; None where it is not set. Our own setting does not count."""
    fields = git.run(
        "config", "-z", "--show-scope", "--type=path", "--get-all", "core.hooksPath", ok=(0, 1)
    ).fields()  # fmt: skip
    pairs = list(zip(fields[::2], fields[1::2], strict=True))
    return next((value for scope, value in reversed(pairs) if scope != "command"), None)


def set_config(git: Git, name: str, value: str) -> None:
    git.run("config", "--local", name, value)


class RemoteMoved(CommandFailed):
    """A ref of the remote is not where a push may start from."""


def remote_refs(git: Git, remote: str, *names: str) -> dict[str, str]:
    """Those of these full ref names that the remote has, with its objects.

    Raises:
        CommandFailed: the remote could not be asked.
    """
    answer = git.text("ls-remote", "--", remote, *names, timeout_s=PUSH_TIMEOUT_S)
    found = (line.split("\t") for line in answer.split("\n") if line)
    return {name: oid for oid, name in found if name in names}


def push(
    git: Git,
    remote: str,
    refspecs: Sequence[str],
    *,
    atomic: bool = False,
    leases: Mapping[str, str] | None = None,
    timeout_s: float = PUSH_TIMEOUT_S,
) -> dict[str, str]:
    """Push; the answer is the reason for each destination ref that was refused.

    `leases` are full names of the remote's refs with the object each must be at, empty for none.

    Raises:
        CommandFailed: the remote could not be asked.
    """
    options = ["--atomic"] if atomic else []
    options += [f"--force-with-lease={ref}:{oid}" for ref, oid in (leases or {}).items()]
    output = git.run(
        "push", "--porcelain", "--no-verify", *options, "--", remote, *refspecs,
        ok=(0, 1), timeout_s=timeout_s,
    )  # fmt: skip
    updates = [line.split("\t") for line in output.stdout.split("\n") if line.count("\t") == 2]
    if output.code != 0 and not any(flag == "!" for flag, _, _ in updates):
        lines = output.stderr.strip().splitlines()
        raise CommandFailed(f"git push to {remote} failed{': ' + lines[-1] if lines else ''}", output.stderr)
    return {names.rpartition(":")[2]: summary for flag, names, summary in updates if flag == "!"}
