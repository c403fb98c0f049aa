"""The completion checklist: every box from evidence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from orchestrator.core import facts as f
from orchestrator.core.facts import LaunchId
from orchestrator.core.plan import Stage
from orchestrator.enforcement.completion import Checklist, checklists
from orchestrator.enforcement.required import Listed, Roster
from tests.support.landing import Desk, Scene, gate, scene_fixture, workstream

__all__ = ["scene_fixture"]

SPEC = """\
MAGVIT:
  required_classes: [MAGVIT]
  required_methods: {MAGVIT: [encode]}
  forbidden_patterns: ["# fake magvit"]
"""
MODEL = "class MAGVIT:\n    def encode(self, frames):\n        return [frame * 2 for frame in frames]\n"
RULES = ("acc > 0.9", "elapsed_s < 60")
STAGES = (Stage(name="first", run="true"), Stage(name="full", run="true", require=RULES))
HONEST = {
    "magvit.py": MODEL,
    "results/final_metrics.json": json.dumps({"acc": 0.95}),
    "results/training_curves.png": "picture",
    "results/checkpoint_epoch_50.pt": "weights",
}


def planned(scene: Scene, *names: str, **more: Any) -> Desk:
    fields = {"components": ("MAGVIT",), "stages": STAGES, **more}
    gates = fields.pop("gates", (gate("tests", "true"),))
    return scene.desk(*(workstream(name, *gates, **fields) for name in names or ("a",)), done=False)


def start(scene: Scene, **files: str) -> None:
    scene.repo.commit_files("spec", {".component_spec.yaml": SPEC, **files})


def approve(scene: Scene, desk: Desk, name: str = "a") -> None:
    commit = scene.tip(f"p/{name}")
    tree = scene.tip(f"p/{name}^{{tree}}")
    desk.record(f.ReviewApproved(workstream=name, commit=commit, tree=tree, by="ada"))


def listed(desk: Desk, *names: str) -> tuple[Checklist, ...]:
    nothing = Listed(required=None, specifications=None)
    roster = Roster(plan=desk.plan, planned=True, listed=nothing)
    return checklists(desk, roster, Path(desk.plan.repository), names or None)


def boxes(desk: Desk, name: str = "a") -> dict[str, tuple[bool | None, str]]:
    (found,) = listed(desk, name)
    return {box.name: (box.ticked, box.evidence) for box in found.boxes}


def unticked(desk: Desk) -> list[str]:
    return [name for name, (ticked, _) in boxes(desk).items() if ticked is False]


def test_an_honest_reviewed_branch_is_complete_and_every_box_says_why(scene: Scene) -> None:
    start(scene)
    scene.work("a", HONEST)
    desk = planned(scene)
    approve(scene, desk)
    (found,) = listed(desk)
    assert found.complete, found
    evidence = boxes(desk)
    assert evidence["diverged"] == (True, "1 commit that main lacks")
    assert evidence["components present"] == (True, "MAGVIT: defined and at work")
    assert evidence["verification passes"] == (True, "no finding; tests")
    assert evidence["TDD evidence"][0] is None
    assert "results/final_metrics.json" in evidence["training done"][1]
    assert evidence["metrics, pictures, checkpoint"][1] == (
        "results/final_metrics.json, results/training_curves.png, results/checkpoint_epoch_50.pt"
    )
    assert evidence["reviewed by a person"][1].startswith("ada approved it at")
    assert all(evidence.values())


def test_each_thing_that_is_missing_leaves_its_own_box_open(scene: Scene) -> None:
    start(scene)
    scene.work("a", {"magvit.py": f"{MODEL}x = 1  # fake magvit\n", "results/notes.txt": "soon\n"})
    desk = planned(scene, gates=(gate("tests", "exit 1"), gate("tdd")))
    assert unticked(desk) == [
        "verification passes",
        "TDD evidence",
        "training done",
        "metrics, pictures, checkpoint",
        "no forbidden pattern",
        "reviewed by a person",
    ]
    said = boxes(desk)
    assert "magvit.py:4: the forbidden pattern" in said["no forbidden pattern"][1]
    assert said["metrics, pictures, checkpoint"][1] == (
        "no metrics file with a number in it; no picture; no checkpoint"
    )
    assert "tests is red" in said["verification passes"][1]


def test_no_branch_and_no_commit_of_its_own(scene: Scene) -> None:
    start(scene)
    desk = planned(scene, "a", "b")
    scene.repo.git("branch", "p/b")
    a, b = listed(desk)
    assert [box.evidence for box in a.boxes] == ["there is no branch p/a"] and not a.complete
    assert b.boxes[0].ticked is False and "has no commit that base has not" in b.boxes[0].evidence


def test_a_requirement_that_the_committed_metrics_do_not_meet(scene: Scene) -> None:
    start(scene)
    scene.work("a", {**HONEST, "results/final_metrics.json": json.dumps({"acc": 0.5})})
    assert boxes(planned(scene))["training done"] == (False, "acc is 0.5, required > 0.9")


def test_metrics_of_the_first_stage_are_not_those_of_the_last(scene: Scene) -> None:
    start(scene)
    files = {name: text for name, text in HONEST.items() if "final" not in name}
    scene.work("a", {**files, "results/validation_metrics.json": json.dumps({"acc": 0.95})})
    assert "of the first stage" in boxes(planned(scene))["training done"][1]


def test_what_ran_from_here_is_done_when_the_journal_says_so(scene: Scene) -> None:
    start(scene)
    scene.work("a", HONEST)
    desk = planned(scene)
    launch = f.LaunchChosen(workstream="a", launch=LaunchId("l1"), host="local", stage="first", attempt=1)
    desk.record(f.StartAsked(workstream="a", by="ada"), launch)
    assert boxes(desk)["training done"] == (False, "it is starting: orchestrator status a")
    finished = planned(scene)
    finished.finish()
    assert boxes(finished)["training done"] == (True, "done, as the journal has it")


def test_a_review_counts_for_the_files_that_were_seen(scene: Scene) -> None:
    start(scene)
    scene.work("a", HONEST)
    desk = planned(scene)
    approve(scene, desk)
    assert boxes(desk)["reviewed by a person"][0] is True
    scene.work("a", {"more.py": "x = 1\n"})
    ticked, words = boxes(desk)["reviewed by a person"]
    assert ticked is False and "its files have changed since" in words


def test_siblings_with_the_same_contents_are_told(scene: Scene) -> None:
    start(scene)
    for name in ("a", "b"):
        scene.work(name, {f"{name}/{path}": text for path, text in HONEST.items()})
    ticked, words = boxes(planned(scene, "a", "b"))["differs from its siblings"]
    assert ticked is False and "brings exactly the same contents as p/b" in words


def test_results_that_lie_uncommitted_in_the_worktree_are_told(scene: Scene) -> None:
    start(scene)
    scene.work("a", HONEST)
    (scene.worktrees / "a" / "results" / "late.json").write_text("{}")
    assert boxes(planned(scene))["results committed"] == (False, "results/late.json is not committed")


def test_a_checkpoint_too_large_for_git_counts_where_it_is_ignored(scene: Scene) -> None:
    start(scene, **{".gitignore": "*.pt\n"})
    scene.work("a", {name: text for name, text in HONEST.items() if not name.endswith(".pt")})
    assert "no checkpoint" in boxes(planned(scene))["metrics, pictures, checkpoint"][1]
    (scene.worktrees / "a" / "results" / "checkpoint_epoch_50.pt").write_text("weights")
    assert boxes(planned(scene))["metrics, pictures, checkpoint"][0] is True


def test_empty_files_and_endless_numbers_are_no_evidence(scene: Scene) -> None:
    start(scene)
    metrics = '{"acc": NaN, "note": "0.95"}'
    scene.work("a", {**HONEST, "results/final_metrics.json": metrics, "results/training_curves.png": ""})
    assert boxes(planned(scene))["metrics, pictures, checkpoint"][1] == (
        "no metrics file with a number in it; no picture"
    )


def test_a_branch_that_trains_nothing_is_not_asked_for_results(scene: Scene) -> None:
    start(scene)
    scene.work("a", {"shared.py": "def shared():\n    return 1\n"})
    desk = planned(scene, components=(), stages=(Stage(name="run", run="make check"),))
    approve(scene, desk)
    found = boxes(desk)
    assert [n for n, (ticked, _) in found.items() if ticked is None] == [
        "components present",
        "TDD evidence",
        "training done",
        "results committed",
        "metrics, pictures, checkpoint",
        "no forbidden pattern",
    ]
    assert listed(desk)[0].complete
