"""Torn, huge and lying files, and what is no file at all, where a worker's words are expected."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from faults import hostile
from faults.figures import Answer, Options, all_of, none_of
from faults.host import quoted
from faults.scene import Scene, scene

_LOOKED_AT_S = 3.0
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202e]")
_SCRIPT = Path(hostile.__file__)


def measure(options: Options) -> Iterator[Answer]:
    kinds = options.random("files").sample(sorted(hostile.KINDS), 4) if options.few else list(hostile.KINDS)
    with scene(poll_s=options.poll_s) as stage:
        free = [f"free-{kind}" for kind in kinds]
        bound = [f"bound-{kind}" for kind in kinds]
        _begin(stage, kinds)
        time.sleep(_LOOKED_AT_S)
        statuses = stage.statuses()
        wrong = [name for name, said in statuses.items() if said["state"] != "running"]
        yield none_of(
            "hostile files: a worker that lives is called anything but running", len(wrong), len(statuses)
        )
        yield none_of("hostile files: control characters in what is printed", _control_characters(stage))
        stage.let_end()
        not_done = stage.missing("done", free, within_s=120)
        not_held = stage.missing("held", bound, within_s=120)
        yield all_of("hostile files: the true end is known", len(not_done), len(free))
        yield all_of("hostile files: a requirement on hostile metrics is not met", len(not_held), len(bound))
        yield none_of("hostile files: restarts", stage.count("Launched") - len(statuses))
        yield none_of("hostile files: bugs in the daemon's log", _bugs(stage))


def _begin(stage: Scene, kinds: list[str]) -> None:
    lines = []
    for kind in kinds:
        command = quoted(sys.executable, "-SE", _SCRIPT, kind, stage.marks)
        lines.append(stage.line(f"free-{kind}", "local", command))
        require = f"stages: [{{name: run, run: '{command}', require: [steps > 0]}}]"
        lines.append(f"bound-{kind}: {{branch: w/bound-{kind}, {require}}}")
    stage.plan(*lines)
    stage.project.ok("up", within_s=300)
    stage.until_all("running", [line.partition(":")[0] for line in lines])


def _control_characters(stage: Scene) -> int:
    """In the words of `status`, for people and for programs."""
    shown = stage.project.ok("status").out
    document = json.dumps(list(stage.statuses().values()), ensure_ascii=False)
    return len(_CONTROL.findall(shown)) + len(_CONTROL.findall(document))


def _bugs(stage: Scene) -> int:
    return (stage.project.state / "daemon.log").read_text().count("bug in")
