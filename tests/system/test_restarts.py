"""What becomes of workers that end in different ways, in one real wave."""

from __future__ import annotations

import sys

from tests.support.project import Project

PYTHON = sys.executable

WORKER = """\
import hashlib, math, os, sys, time
from pathlib import Path
from orchestrator.progress import report

kind, attempt = sys.argv[1], int(os.environ["ORCHESTRATOR_ATTEMPT"])
results, given = Path(os.environ["ORCHESTRATOR_RESULTS"]), os.environ.get("ORCHESTRATOR_CHECKPOINT")
first = int(given.split("_")[-1]) + 1 if given else 1
print(f"attempt {attempt} goes on at step {first}", flush=True)
if kind == "wrong":
    report(step=0, message="reading the configuration")
    sys.exit(1)
for step in range(first, 5):
    if kind == "saves":
        (results / f"saved_{step}").write_text(str(step))
        digest = hashlib.sha256(b"torn" if step == 3 else str(step).encode()).hexdigest()
        (results / f"saved_{step}.sha256").write_text(digest)
    loss = math.nan if kind == "diverges" and step > 1 else 1 / step
    report(step=step, metrics={"loss": loss}, checkpoint=f"saved_{step}" if kind == "saves" else None)
    if kind == "diverges":
        time.sleep(1.5)
    if kind == "saves" and step == 3 and attempt == 1:
        os.kill(os.getpid(), 9)
    if kind == "poisoned" and step == 3:
        sys.exit(1)
    if kind == "interrupted" and attempt < 3:
        sys.exit(75)
time.sleep(600 if kind == "diverges" else 0)
"""
KINDS = ("wrong", "saves", "diverges", "poisoned", "interrupted")


def test_each_end_has_its_own_consequence(project: Project) -> None:
    assert project.repository is not None
    project.repository.commit("worker", worker__py=WORKER)
    run = f"run: '{PYTHON} worker.py"
    project.workstreams(
        *(f"{kind}: {{branch: w/{kind}, {run} {kind}'}}" for kind in KINDS),
        head="defaults: {restart: {limit: 2, backoff: 1s}, heartbeat: {every: 1s}}",
    )
    project.ok("up")

    assert project.until("interrupted", "done")["attempt"] == 3
    assert project.status("interrupted")["restarts"] == 0

    wrong = project.until("wrong", "failed")
    assert wrong["attempt"] == 2
    assert (
        wrong["reason"] == "ended with exit code 1 before its first step, twice in the same way (not retried)"
    )

    project.until("saves", "done")
    (chosen,) = project.events("CheckpointChosen")
    assert chosen["checkpoint"] == str(project.worktree("saves") / "results" / "saved_2")
    assert chosen["rejected"] == ["saved_3: does not match its sha256"]
    assert "attempt 2 goes on at step 3" in project.ok("logs", "saves").out

    held = project.until("poisoned", "held")
    assert "at step 3, where the attempt before it failed too" in held["reason"]
    project.ok("resume", "poisoned")
    assert project.until("poisoned", "held", "backoff", "running")["attempt"] >= 3

    lost = project.until("diverges", "failed")
    assert lost["reason"].startswith("diverged: loss is not a finite number in 3 reports one after another")
    assert "it was 1 at step 1" in lost["reason"] and lost["attempt"] == 1
