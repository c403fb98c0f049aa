"""Fixtures of every room, and the guard of what tests must never touch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.sshd import sshd_fixture

# The same examples in every run; and a busy machine draws them slowly, which says nothing about them.
settings.register_profile(
    "here", derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow], deadline=None
)
settings.load_profile("here")

__all__ = ["sshd_fixture"]


@pytest.fixture(autouse=True)
def a_home_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the real home, and the default tmux server is out of reach."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
    monkeypatch.setenv("HOME", str(home))
    for name in [name for name in os.environ if name.startswith(("XDG_", "TMUX", "ORCHESTRATOR_"))]:
        monkeypatch.delenv(name)
    return home
