"""A repository with a plan in which people commit and push, by plain git with their own environment."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.home import find_checkout
from orchestrator.hooks import installing
from orchestrator.hooks.stub import Choices
from tests.support.project import Answer, Project
from tests.support.repository import PINNED

PLAN = """\
version: 1
project: demo
base: main
waves:
  1:
    workstreams:
      i3d: {branch: work/i3d, run: "true", paths: [branch1/], components: [MAGVIT], gates: [tests]}
      free: {branch: work/free, run: "true"}
gates:
  tests: {run: "test ! -e branch1/broken"}
"""
SPEC = """\
MAGVIT:
  required_classes: [MAGVIT]
  forbidden_patterns: ["# fake magvit", "class.*Simplified"]
"""
MODEL = "class MAGVIT:\n    def encode(self, x):\n        return [v * 2 for v in x]\n"


def with_plan(project: Project) -> None:
    """The plan and what its component takes, committed on main."""
    project.plan(PLAN)
    (project.root / ".component_spec.yaml").write_text(SPEC)
    git(project, "add", "-A")
    assert git(project, "commit", "--quiet", "-m", "plan").code == 0


def install(project: Project, **choices: Any) -> None:
    """As `orchestrator hooks install`, without the start of a process."""
    installing.install(find_checkout(project.root), Choices(**choices))


def uninstall(project: Project) -> None:
    installing.uninstall(find_checkout(project.root))


def git(
    project: Project, *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Answer:
    """Git with hooks; it may say no."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=cwd or project.root,
        env=PINNED | (project.env if env is None else env),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def stage(project: Project, cwd: Path | None = None, **files: str) -> None:
    """Write and stage files given as `name=content` (`__` in a name is a dot, `_s_` a slash)."""
    for name, text in files.items():
        path = (cwd or project.root) / name.replace("_s_", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        git(project, "add", "--", str(path), cwd=cwd)


def commit(project: Project, cwd: Path | None = None, **files: str) -> Answer:
    stage(project, cwd, **files)
    return git(project, "commit", "--quiet", "-m", "work", cwd=cwd)


def hook(project: Project, name: str, text: str, folder: str = ".git/hooks") -> Path:
    """A hook that somebody else put there."""
    path = project.root / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path
