"""What a run that ended well came to: read once, kept with the launch, and answered so ever after.

A decision that a crash cut short is made again on the same numbers, whatever became of the files.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from orchestrator.agent.checkpoints import Rejected, digest_of, saved_as, whole
from orchestrator.agent.files import load_json
from orchestrator.agent.launches import launch_folder
from orchestrator.agent.watch import Watch, read_metrics
from orchestrator.codec import build, plain_fields
from orchestrator.supervise.records import replace_json
from orchestrator.wire import Metrics, Outcome, Probe, Progress, ReadMetrics, ReadOutcome, Watched


def read_outcome(request: ReadOutcome) -> Outcome:
    """Blocks for a hash of the last checkpoint, the first time."""
    kept = launch_folder(request.place, request.launch) / "outcome.json"
    if found := load_json(kept):
        return build(Outcome, found)
    outcome = _read(request)
    # A full disk must not keep a worker that is done from going on: then it may be read again.
    with suppress(OSError):
        replace_json(str(kept), plain_fields(outcome), durable=True)
    return outcome


def _read(request: ReadOutcome) -> Outcome:
    progress = _last_progress(request)
    metrics, source = _metrics(request, progress)
    if progress is None or not progress.checkpoint:
        return Outcome(metrics=metrics, source=source)
    path = saved_as(progress.checkpoint, Path(request.worktree), Path(request.results))
    try:
        proof = whole(path)
        sha256 = proof.digest or digest_of(path)
    except (Rejected, OSError):
        return Outcome(metrics=metrics, source=source, checkpoint=str(path))
    return Outcome(
        metrics=metrics,
        source=source,
        checkpoint=str(path),
        checkpoint_sha256=sha256,
        checkpoint_bytes=proof.size_bytes,
    )


def _metrics(request: ReadOutcome, progress: Progress | None) -> tuple[Metrics, str]:
    """The file's, else those of the last report, and where they were found."""
    found = read_metrics(
        ReadMetrics(place=request.place, results=request.results, file=request.file, launch=request.launch)
    )
    if found.found:
        return found, request.file
    if progress is None:
        return found, ""
    return Metrics(found=True, values=progress.metrics, not_finite=progress.not_finite), "progress.json"


def _last_progress(request: ReadOutcome) -> Progress | None:
    watched = Watched(launch=request.launch, results=request.results)
    return Watch().probe(Probe(place=request.place, launches=(watched,))).launches[0].progress
