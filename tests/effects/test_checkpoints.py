"""What a new attempt is given to go on from: whole, newest, and looked for anew each time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agent import checkpoints
from orchestrator.wire import Resumption, StartEntry
from tests.support.agent_scene import Scene, scene_in

SHOW = 'echo "from ${ORCHESTRATOR_CHECKPOINT-nothing}"'


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with scene_in(tmp_path, monkeypatch) as made:
        yield made


class Results:
    """A worktree's results as earlier attempts left them; each file is younger than the one before."""

    def __init__(self, scene: Scene) -> None:
        self.folder = scene.worktree("i3d") / "results"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._changed = 1_700_000_000

    def save(self, name: str, content: bytes = b"weights", digest: bytes | str | None = None) -> Path:
        """With `digest` the SHA-256 of these bytes, or that text, lies beside it."""
        path = self.folder / name
        path.write_bytes(content)
        if digest is not None:
            text = digest if isinstance(digest, str) else f"{hashlib.sha256(digest).hexdigest()}  {name}\n"
            (self.folder / f"{name}.sha256").write_text(text)
        self._changed += 10
        os.utime(path, (self._changed, self._changed))
        return path

    def report(self, checkpoint: str) -> None:
        (self.folder / "progress.json").write_text(json.dumps({"seq": 3, "checkpoint": checkpoint}))


@pytest.fixture
def results(scene: Scene) -> Results:
    scene.started(scene.entry(command="true", launch="first"))
    return Results(scene)


def again(scene: Scene, **more: Any) -> StartEntry:
    return scene.entry(command=SHOW, launch="second", launch_attempt=2, launch_resumes=True, **more)


def chosen(scene: Scene, **more: Any) -> Resumption | None:
    return checkpoints.resumption(scene.place, again(scene, **more))


def test_the_newest_whole_one_is_given_and_what_is_not_is_named(scene: Scene, results: Results) -> None:
    good = results.save("ckpt_2.pt", b"two", digest=b"two")
    results.save("ckpt_3.pt", b"thr", digest=b"three")
    results.save("ckpt_4.pt", b"", digest=b"")
    results.report("ckpt_4.pt")
    scene.ended(scene.entry(command="true", launch="first"))
    entry = again(scene)
    given = scene.started(entry).resumption
    assert given == Resumption(
        checkpoint=str(good),
        sha256=hashlib.sha256(b"two").hexdigest(),
        size_bytes=3,
        rejected=("ckpt_4.pt: is empty", "ckpt_3.pt: does not match its sha256"),
    )
    assert scene.started(entry).resumption == given  # asked again, as after a crash
    scene.ended(entry)
    assert f"from {good}" in scene.log("i3d")


def test_nothing_is_given_when_none_is_whole(scene: Scene, results: Results) -> None:
    results.save("ckpt_3.pt", b"x", digest=b"y")
    results.report("ckpt_3.pt")
    scene.ended(scene.entry(command="true", launch="first"))
    entry = again(scene)
    given = scene.started(entry).resumption
    assert given == Resumption(checkpoint=None, rejected=("ckpt_3.pt: does not match its sha256",))
    scene.ended(entry)
    assert "from nothing" in scene.log("i3d")


def test_a_checkpoint_that_is_gone_is_not_remembered(scene: Scene, results: Results) -> None:
    first, second = results.save("ckpt_1.pt"), results.save("ckpt_2.pt")
    results.report("ckpt_2.pt")
    assert chosen(scene) == Resumption(checkpoint=str(second), size_bytes=7)
    second.unlink()
    assert chosen(scene) == Resumption(checkpoint=str(first), size_bytes=7, rejected=("ckpt_2.pt: is gone",))


def test_a_newer_one_that_was_never_reported_has_to_prove_itself(scene: Scene, results: Results) -> None:
    reported = results.save("ckpt_1.pt")
    torn = results.save("ckpt_2.pt", b"half a ch")
    results.report("ckpt_1.pt")
    found = chosen(scene)
    assert found is not None and found.checkpoint == str(reported)
    assert found.rejected == ("ckpt_2.pt: was never reported, and has no sha256 beside it",)
    (torn.parent / "ckpt_2.pt.sha256").write_text(hashlib.sha256(b"half a ch").hexdigest())
    found = chosen(scene)
    assert found is not None and found.checkpoint == str(torn)


def test_the_plans_own_test_loads_each(scene: Scene, results: Results) -> None:
    results.save("ckpt_1.pt", b"sound")
    results.save("ckpt_2.pt", b"NaN everywhere")
    results.report("ckpt_2.pt")
    verify = 'echo loading; test -d results && ! grep NaN "$ORCHESTRATOR_CHECKPOINT"'
    found = chosen(scene, launch_verify=verify)
    assert found is not None and found.checkpoint == str(results.folder / "ckpt_1.pt")
    assert found.rejected == ("ckpt_2.pt: restart.verify exited with status 1: NaN everywhere",)


def test_a_test_that_hangs_is_ended(scene: Scene, results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "VERIFY_TIMEOUT_S", 0.3)
    results.save("ckpt_1.pt")
    results.report("ckpt_1.pt")
    found = chosen(scene, launch_verify="sleep 61")
    assert found is not None and found.checkpoint is None
    assert "was ended after 0 s" in found.rejected[0]


@pytest.mark.parametrize(
    ("content", "digest", "why"),
    [
        (b"", None, "is empty"),
        (b"x", "not a digest", "has no digest in c.pt.sha256"),
        (b"x", "", "has no digest in c.pt.sha256"),
    ],
)
def test_what_does_not_prove_whole(
    scene: Scene, results: Results, content: bytes, digest: str | None, why: str
) -> None:
    with pytest.raises(checkpoints.Rejected, match=why):
        checkpoints.whole(results.save("c.pt", content, digest))


def test_odd_files_are_no_checkpoints(scene: Scene, results: Results) -> None:
    os.mkfifo(results.folder / "pipe")
    (results.folder / "loop").symlink_to("loop")
    (results.folder / "empty").mkdir()
    (results.folder / "shards").mkdir()
    (results.folder / "shards" / "0.bin").write_bytes(b"abc")
    for name, why in {"pipe": "is no file", "loop": "cannot be read", "empty": "is empty"}.items():
        with pytest.raises(checkpoints.Rejected, match=why):
            checkpoints.whole(results.folder / name)
    assert checkpoints.whole(results.folder / "shards") == checkpoints.Proof(3, None)


def test_nobody_looks_where_nothing_was_reported_or_it_is_the_first_run(
    scene: Scene, results: Results
) -> None:
    results.save("ckpt_1.pt")
    assert chosen(scene) is None
    results.report("ckpt_1.pt")
    assert checkpoints.resumption(scene.place, scene.entry(launch="third")) is None
    assert not checkpoints.may_resume(scene.entry(launch="third"))


def test_paths_are_those_of_the_worker(scene: Scene, results: Results, tmp_path: Path) -> None:
    beside = scene.worktree("i3d") / "out.pt"
    beside.write_bytes(b"x")
    results.report("out.pt")
    found = chosen(scene)
    assert found is not None and found.checkpoint == str(beside)
    far = tmp_path / "far.pt"
    far.write_bytes(b"x")
    results.report(str(far))
    found = chosen(scene)
    assert found is not None and found.checkpoint == str(far)
