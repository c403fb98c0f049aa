"""Why a worker ended, where it stands, and whose results count: as its user sees it."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from tests.support.eventually import eventually
from tests.support.project import Project

ROOT = Path(__file__).parents[2]
OUT_OF_MEMORY = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
STUCK = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from orchestrator import progress
progress.report(step=3)
def all_reduce():
    time.sleep(600)
all_reduce()
"""


def test_the_cause_is_named_and_a_worker_tells_where_it_stands(project: Project) -> None:
    (project.root / "stuck.py").write_text(STUCK)
    project.workstreams(
        f"gpu: {{branch: w/gpu, run: \"echo '{OUT_OF_MEMORY}' >&2; exit 1\", restart: {{limit: 0}}}}",
        f"hung: {{branch: w/hung, run: {sys.executable} {project.root}/stuck.py}}",
    )
    project.ok("up")
    status = project.until("gpu", "failed")
    assert status["reason"].startswith(f"ran out of GPU memory ({OUT_OF_MEMORY})")
    eventually(lambda: (project.status("hung")["progress"] or {}).get("step") == 3, message="a report")
    told = project.ok("stacks", "hung")
    assert "in all_reduce" in told.out and "kept in " in told.err
    document = project.ok("stacks", "hung", "--json").json
    assert told.out in Path(document["path"]).read_text() and "in all_reduce" in document["text"]
    refused = project.run("stacks", "gpu")
    assert refused.code == 1 and "does not run" in refused.err
    assert project.state_of("hung") == "running"


ORPHAN = """#!/bin/sh
if [ "$ORCHESTRATOR_ATTEMPT" = 1 ]; then
    trap '' HUP TERM
    (env -i setsid sh late.sh &)
    echo deserted
    sleep 60
fi
touch go
until [ -e late ]; do sleep 0.05; done
"""
LATE = """trap '' HUP TERM
until [ -e go ]; do sleep 0.05; done
echo '{"attempt": 1, "acc": 0.99}' > results/validation_metrics.json
touch late
"""


def test_results_that_an_old_attempt_writes_late_pass_no_stage(project: Project) -> None:
    """Its supervisor and its session's leader were killed, it left the session and cleared its environment:
    nobody can find it any more."""
    assert project.repository is not None
    project.repository.commit("workers", run__sh=ORPHAN, late__sh=LATE)
    stage = "{name: run, run: sh run.sh, require: [acc > 0.7]}"
    project.workstreams(f"a: {{branch: w/a, restart: {{backoff: 1s}}, stages: [{stage}]}}")
    project.ok("up")
    eventually(lambda: "deserted" in project.ok("logs", "a").out, message="the first attempt")
    (folder,) = (project.state / "launches").iterdir()
    about = json.loads((folder / "supervisor.json").read_text())
    for pid in (about["leader"][0], about["pid"]):
        os.kill(pid, signal.SIGKILL)
    status = project.until("a", "held", "done", "failed")
    assert (project.worktree("a") / "late").exists() and status["attempt"] == 2
    assert status["state"] == "held" and "acc" in status["reason"], status
