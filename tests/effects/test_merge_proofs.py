"""A sample of `make proofs`: our merging is git's."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from proofs.by_git import Worktree
from proofs.histories import history
from proofs.replay import Counts, compare, imported, replay, repository


@pytest.fixture(name="worktree", scope="module")
def worktree_fixture() -> Iterator[Worktree]:
    with repository() as worktree:
        yield worktree


def test_thirty_histories_merge_as_git_merges_them() -> None:
    counts = Counts()
    replay(range(30), counts)
    assert counts.differences == []
    assert min(counts.clean, counts.conflicts) > 25, counts.line()


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # each attempt to shrink a history merges it anew: minutes
    suppress_health_check=list(HealthCheck),
)
@given(random=st.randoms(use_true_random=False, note_method_calls=False))
def test_the_candidate_is_what_git_merge_makes(worktree: Worktree, random: Random) -> None:
    counts = Counts()
    ((base, tips),) = imported(worktree, [history(random)])
    compare(worktree, base, tips, "this one", counts)
    assert counts.differences == []


def test_another_way_of_merging_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison itself can fail: these settings are not git's defaults."""
    # By its name in `sys.modules`: the package has a function of the same name.
    monkeypatch.setattr(
        sys.modules["orchestrator.git.merging"], "_SETTINGS", ("merge.directoryRenames=true",)
    )
    counts = Counts()
    replay(range(2, 3), counts)
    assert counts.differences
