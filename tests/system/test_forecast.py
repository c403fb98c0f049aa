"""The daemon warns of a conflict while both are still at work."""

from __future__ import annotations

from tests.support.eventually import eventually
from tests.support.project import Project


def test_a_conflict_is_foreseen_while_nothing_is_committed_yet(project: Project) -> None:
    project.workstreams(
        "a: {branch: w/a, run: 'echo A > a.txt; sleep 600'}",
        "b: {branch: w/b, run: 'echo B > a.txt; echo b > b.new; sleep 600'}",
    )
    project.ok("up")
    (event,) = eventually(lambda: project.events("ConflictForeseen"), 40, "the warning")
    assert (event["between"], event["files"]) == (["a", "b"], ["a.txt"])
    foreseen = [{"between": ["a", "b"], "conflict": True, "files": ["a.txt"]}]
    assert project.ok("status", "--json").json["conflicts"] == foreseen
    assert "conflict ahead: a and b in a.txt; see: orchestrator conflicts" in project.ok("status").out
    told = project.run("conflicts", "--json")
    assert (told.code, told.json["merges"]["computed"]) == (1, 0)
