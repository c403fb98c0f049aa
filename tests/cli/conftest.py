from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import Answer, Project
from tests.support.repository import pin

PLAN = """\
version: 1
project: demo
base: main
waves:
  1:
    goal: shared
    workstreams:
      shared: {branch: work/shared}
  2:
    needs: [1]
    workstreams:
      i3d: {branch: work/i3d, run: "echo hello"}
      slowfast: {branch: work/slowfast, run: "echo hello", needs: [i3d], gates: [tests]}
gates:
  tests: {run: "true", timeout: 90s}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A repository with one commit and no plan, in which no daemon is started."""
    pin(monkeypatch, tmp_path)
    # Sockets come to lie there, whose paths have 108 bytes.
    with tempfile.TemporaryDirectory(prefix="orc-", dir="/tmp") as short:
        made = Project(tmp_path, Path(short))
        assert made.repository is not None
        made.repository.commit("first", a__txt="one\n")
        yield made


@pytest.fixture
def planned(project: Project) -> Project:
    """A repository with a plan of two waves, in which nothing was started."""
    project.plan(PLAN)
    return project


def run_in(project: Project, folder: Path, *arguments: str) -> Answer:
    """Type a command somewhere else than at the top of the repository."""
    return project.run(*arguments, cwd=folder)
