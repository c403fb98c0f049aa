"""The real command line, daemon, tmux and git, in a scratch repository for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import Project, project_in
from tests.support.repository import pin


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A repository with one commit on `main` and no plan yet."""
    pin(monkeypatch, tmp_path)
    with project_in(tmp_path) as made:
        assert made.repository is not None
        made.repository.commit("first", README__md="# A project\n", a__txt="one\ntwo\nthree\n")
        yield made
