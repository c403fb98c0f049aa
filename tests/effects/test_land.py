from __future__ import annotations

from tests.support.landing import Scene, gate, merge, scene_fixture, workstream

__all__ = ["scene_fixture"]


def test_three_branches_land_in_the_plans_order(scene: Scene) -> None:
    for name in ("zeta", "alpha", "mid"):
        scene.work(name, {f"{name}.txt": name})
    before = scene.tip("main")
    ok = gate("tests", "test -f README.md")
    desk = scene.desk(
        *(workstream(name, ok, gate("clean-merge")) for name in ("zeta", "alpha", "mid")),
        waves={1: {"goal": "three", "gates": (gate("all", "ls zeta.txt alpha.txt mid.txt"),)}},
    )

    report = merge(desk)

    assert report.reasons == ()
    assert report.ok and report.landed == ("zeta", "alpha", "mid")
    assert (report.base_before, report.base_after) == (before, scene.tip("main"))
    assert scene.graph().splitlines() == [
        "wave 1: merge mid (p/mid)",
        "wave 1: merge alpha (p/alpha)",
        "wave 1: merge zeta (p/zeta)",
        "first",
    ]
    assert scene.status() == ""
    assert (scene.root / "zeta.txt").read_text() == "zeta"
    assert scene.tip("integration/wave1") == scene.tip("main") == scene.tip("p/wave1^{commit}")
