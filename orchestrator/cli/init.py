"""`init`."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.printing import styled, tell
from orchestrator.errors import Refused
from orchestrator.home import PLAN_NAME, find_checkout


def init() -> None:
    """Write a commented waves.yaml for this repository."""
    from orchestrator import git
    from orchestrator.plan_file import starter_text

    folder = find_checkout(Path.cwd()).folder
    here = git.Git(folder)
    git.resolve(here, "HEAD")
    text = starter_text(folder.name, _base(here), git.config(here, "remote.origin.url") is not None)
    path = folder / PLAN_NAME
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Refused(f"{path} exists already.", "edit it, then orchestrator validate") from None
    tell(f"{styled('✓', 'green')} wrote {path}")
    tell("  next: edit it, orchestrator validate, orchestrator doctor, orchestrator up")


def _base(here: object) -> str:
    """The branch checked out, else the one that is usual."""
    from orchestrator import git

    assert isinstance(here, git.Git)
    current = here.run("symbolic-ref", "--quiet", "--short", "HEAD", ok=(0, 1)).stdout.strip()
    usual = git.branches(here, ("main", "master"))
    return current or next(iter(usual), "main")
