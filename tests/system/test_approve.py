from __future__ import annotations

import pytest

from tests.support.project import Project


@pytest.fixture
def reviewed(project: Project) -> Project:
    project.workstreams("a: {branch: w/a, run: 'true', review: true}")
    project.ok("up")
    project.until("a", "done")
    worktree = project.worktree("a")
    (worktree / "a.txt").write_text("work\n")
    project.git("add", "-A", cwd=worktree)
    project.git("commit", "-qm", "work", cwd=worktree)
    return project


def test_a_wave_waits_for_a_persons_review_of_exactly_its_files(reviewed: Project) -> None:
    refused = reviewed.run("wave", "merge", "1")
    assert refused.code == 1 and "nobody has approved it yet" in refused.out + refused.err
    answer = reviewed.ok("approve", "a", "--json").json
    assert reviewed.ok("approve", "a", "--json").json == answer
    assert answer["commit"] == reviewed.git("rev-parse", "w/a")
    assert answer["tree"] == reviewed.git("rev-parse", "w/a^{tree}")
    (event,) = reviewed.events("ReviewApproved")
    assert event["by"] == answer["by"]
    (reviewed.worktree("a") / "a.txt").write_text("changed\n")
    reviewed.git("commit", "-qam", "more", cwd=reviewed.worktree("a"))
    refused = reviewed.run("wave", "merge", "1")
    assert refused.code == 1 and "its files have changed since" in refused.out + refused.err
    reviewed.ok("approve", "a")
    reviewed.ok("wave", "merge", "1")
    assert reviewed.git("show", "main:a.txt") == "changed"


def test_a_worker_approves_nothing(reviewed: Project) -> None:
    reviewed.env["ORCHESTRATOR_WORKSTREAM"] = "a"
    assert reviewed.run("approve", "a").code == 1
    assert not reviewed.events("ReviewApproved")
