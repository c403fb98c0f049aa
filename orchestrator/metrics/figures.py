"""Every figure by its name: a view, a tally and the daemon's own doings as families of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from orchestrator.core.gating import Outcome, WaveState
from orchestrator.core.plan import Plan
from orchestrator.core.status import Status, WorkstreamStatus
from orchestrator.core.tally import GateRuns, Tally

STATES = (
    "waiting", "starting", "running", "stale", "backoff", "held", "done", "failed", "stopped", "merged",
)  # fmt: skip
METRICS_SHOWN = 24
"""Of one worker: names come from its own program, and each would be a series for ever."""

LETTERS_SHOWN = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Doings:
    """What the daemon knows of itself. Sizes are in bytes, times in seconds."""

    version: str
    turns: int
    turns_s: float
    longest_turn_s: float
    last_turn_s_ago: float
    journal_bytes: int
    journal_entries: int
    troubles: int


def families(plan: Plan, status: Status, tally: Tally, doings: Doings) -> Iterator[Metric]:
    yield InfoMetricFamily(
        "orchestrator", "The daemon.", value={"project": plan.project, "version": doings.version}
    )
    yield from _of_workers(status)
    yield from _of_progress(status.workstreams)
    yield from _of_results(status.workstreams)
    yield from _of_waves_and_hosts(status)
    yield from _of_history(plan, tally)
    yield from _of_gates(plan, tally.gates)
    yield from _of_the_daemon(doings)
    held = int(bool(status.daemon.held))
    yield _gauge("held", "1 while nothing can be written down, and nothing is done.", (), [((), held)])


def _of_workers(status: Status) -> Iterator[Metric]:
    counts = dict.fromkeys(STATES, 0)
    for one in status.workstreams:
        counts[one.state] = counts.get(one.state, 0) + 1
    yield _gauge("workers", "Workstreams by state.", ("state",), [((s,), n) for s, n in counts.items()])
    yield _gauge(
        "workstream_state",
        "1 for the state that a workstream is in.",
        ("workstream", "wave", "host", "state"),
        [((w.name, str(w.wave), w.host, w.state), 1) for w in status.workstreams],
    )


def _of_progress(workstreams: Sequence[WorkstreamStatus]) -> Iterator[Metric]:
    ages = [((w.name,), w.heartbeat_age_s) for w in workstreams]
    yield _gauge("heartbeat_age_seconds", "Since a supervisor last beat.", ("workstream",), ages)
    moving = [(w.name, w.progress) for w in workstreams if w.progress is not None]
    steps = [((name,), progress.step) for name, progress in moving]
    totals = [((name,), progress.total) for name, progress in moving]
    etas = [((name,), progress.eta_s) for name, progress in moving]
    yield _gauge("progress_step", "The worker's own counter.", ("workstream",), steps)
    yield _gauge("progress_steps", "How far that counter will go.", ("workstream",), totals)
    yield _gauge("eta_seconds", "Until the worker says it is done.", ("workstream",), etas)
    metrics = [
        ((w.name, name[:LETTERS_SHOWN]), value)
        for w in workstreams
        for name, value in sorted(w.metrics.items())[:METRICS_SHOWN]
    ]
    yield _gauge("worker_metric", "What the worker measured.", ("workstream", "metric"), metrics)
    left_out = sum(max(0, len(w.metrics) - METRICS_SHOWN) for w in workstreams)
    yield _gauge("worker_metrics_left_out", "More metrics than are shown.", (), [((), left_out)])
    held_against = [((w.name,), w.restarts) for w in workstreams]
    yield _gauge("restarts_used", "Held against restart.limit.", ("workstream",), held_against)


def _of_results(workstreams: Sequence[WorkstreamStatus]) -> Iterator[Metric]:
    pulled = [(w.name, w.synced) for w in workstreams if w.synced is not None]
    ages = [((name,), synced.age_s) for name, synced in pulled]
    yield _gauge("sync_age_seconds", "Since a worker's results were last pulled.", ("workstream",), ages)
    failing = [((name,), int(bool(synced.reason))) for name, synced in pulled]
    yield _gauge("sync_failing", "1 while the last pull was not whole.", ("workstream",), failing)


def _of_waves_and_hosts(status: Status) -> Iterator[Metric]:
    states = [((str(w.wave), s.value), int(w.state == s.value)) for w in status.waves for s in WaveState]
    yield _gauge("wave_state", "1 for the state that a wave is in.", ("wave", "state"), states)
    reachable = [((h.name,), None if h.reachable is None else int(h.reachable)) for h in status.hosts]
    yield _gauge("host_reachable", "Whether a host answers.", ("host",), reachable)
    workers = [((h.name,), h.workers) for h in status.hosts]
    yield _gauge("host_workers", "Workers on a host.", ("host",), workers)
    free = [((h.name,), h.disk_free_bytes) for h in status.hosts]
    yield _gauge("host_disk_free_bytes", "Of its fullest disk that matters.", ("host",), free)


def _of_history(plan: Plan, tally: Tally) -> Iterator[Metric]:
    """Of what the plan still has: names of old plans are no series."""
    by_workstream = (
        ("launches", "Launches.", tally.launches),
        ("restarts", "Runs that ended badly and were repeated.", tally.restarts),
        ("failures", "Workers given up, or launches refused.", tally.failures),
        ("holds", "Stages whose requirement failed.", tally.holds),
    )
    for name, words, counts in by_workstream:
        yield _counter(name, words, ("workstream",), [((w,), counts.get(w, 0)) for w in plan.workstreams])
    losses = [((host,), tally.losses.get(host, 0)) for host in plan.hosts]
    yield _counter("host_losses", "How often a host stopped answering.", ("host",), losses)
    yield _counter("landings", "Waves landed, or parts of them.", (), [((), tally.landings)])
    yield _counter("landings_refused", "Landings refused or undone.", (), [((), tally.refusals)])
    yield _counter("rollbacks", "Waves taken out again.", (), [((), tally.rollbacks)])


def _of_gates(plan: Plan, gates: Mapping[str, GateRuns]) -> Iterator[Metric]:
    runs = {name: gates.get(name, GateRuns()) for name in plan.gates}
    results = [
        ((name, outcome.value), run.outcomes.get(outcome.value, 0))
        for name, run in runs.items()
        for outcome in Outcome
    ]
    yield _counter("gate_results", "Verdicts, known ones included.", ("gate", "outcome"), results)
    durations = SummaryMetricFamily("orchestrator_gate_duration_seconds", "Runs of gates.", labels=("gate",))
    for name, run in runs.items():
        durations.add_metric((name,), count_value=run.runs, sum_value=run.seconds)
    yield durations


def _of_the_daemon(doings: Doings) -> Iterator[Metric]:
    turns = SummaryMetricFamily("orchestrator_loop_turn_seconds", "Turns of the daemon's loop.")
    turns.add_metric((), count_value=doings.turns, sum_value=doings.turns_s)
    yield turns
    figures = (
        ("loop_longest_turn_seconds", "The longest turn so far.", doings.longest_turn_s),
        ("loop_last_turn_age_seconds", "Since the loop last turned.", doings.last_turn_s_ago),
        ("journal_bytes", "The journal's files on disk.", doings.journal_bytes),
        ("journal_entries", "The newest entry's number.", doings.journal_entries),
        ("troubles", "What the daemon cannot tell others: see status.", doings.troubles),
    )
    for name, words, value in figures:
        yield _gauge(name, words, (), [((), value)])


Samples = Iterable[tuple[tuple[str, ...], float | None]]


def _gauge(name: str, words: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = GaugeMetricFamily(f"orchestrator_{name}", words, labels=labels)
    for values, value in samples:
        if value is not None:
            family.add_metric(values, value)
    return family


def _counter(name: str, words: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = CounterMetricFamily(f"orchestrator_{name}", words, labels=labels)
    for values, value in samples:
        if value is not None:
            family.add_metric(values, value)
    return family
