"""A first attempt whose files come late: on a disk that several hosts share, from a cache, by rsync."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

from faults.figures import Answer, Options, all_of, none_of
from faults.scene import Scene, scene
from tests.support.eventually import eventually

_EVERY_S = 0.05


def measure(options: Options) -> Iterator[Answer]:
    with scene(poll_s=options.poll_s) as stage:
        first = f"{stage.command(3)}; [ $ORCHESTRATOR_ATTEMPT != 1 ]"
        stages = f"stages: [{{name: run, run: '{first}', require: [steps > 100]}}]"
        stage.plan(f"a: {{branch: w/a, {stages}, restart: {{limit: 3, backoff: 2s}}}}")
        stage.project.ok("up")
        results = Path(stage.statuses()["a"]["results"])
        eventually(lambda: stage.runs("a", "end"), 60, "the first attempt has written")
        late = {name: results.joinpath(name).read_bytes() for name in _names(results)}
        with _written_again(results, late):
            eventually(lambda: len(stage.runs("a", "start")) == 2, 120, "the second attempt runs")
            shown = [stage.statuses()["a"] for _ in range(15)]
            stage.missing("held", ["a"], within_s=60)
        yield from _judged(stage, shown)


def _names(results: Path) -> list[str]:
    """What the worker of the first attempt left; in its metrics it claims more than it did."""
    metrics = results / "validation_metrics.json"
    metrics.write_text(json.dumps({"steps": 5000, "attempt": 1}))
    (results / "final_metrics.json").write_text(metrics.read_text())
    return ["progress.json", "validation_metrics.json", "final_metrics.json"]


class _written_again:  # noqa: N801
    """The files are put there anew all the time."""

    def __init__(self, folder: Path, files: dict[str, bytes]) -> None:
        self._folder = folder
        self._files = files
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write_on, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _write_on(self) -> None:
        while not self._over.wait(_EVERY_S):
            for name, content in self._files.items():
                made = self._folder / f".{name}.late"
                made.write_bytes(content)
                made.rename(self._folder / name)


def _judged(stage: Scene, shown: list[dict[str, object]]) -> Iterator[Answer]:
    first = 2_000_000
    stale = 0
    for one in shown:
        progress = one["progress"]
        if one["attempt"] == 2 and isinstance(progress, dict) and progress["step"]:
            stale += progress["step"] < first
    yield none_of("late files: an old attempt's progress shown as the new one's", stale, len(shown))
    state = stage.statuses()["a"]["state"]
    yield all_of("late files: metrics of an old attempt pass no requirement", int(state == "done"), 1)
    yield none_of("late files: two live workers of one workstream", stage.doubles())
