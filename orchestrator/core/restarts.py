"""What follows from a run's bad end: the restart table, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from zlib import crc32

from orchestrator.core import facts as f
from orchestrator.core.causes import Cause, cause_of, end_in_words
from orchestrator.core.plan import RestartPolicy
from orchestrator.core.state import LaunchRecord, WorkstreamRecord

BACKOFF_LIMIT_S = 900.0
JITTER = 0.2
"""The largest part of a wait that it may be shorter or longer, so that many do not start at once."""

DAY_S = 24 * 3600.0
INTERRUPTIONS_A_DAY = 20
"""Restarts that do not count, within a day of the workstream's own running time."""

QUICK_S = 60.0
"""A run that is interrupted sooner was no use: then the next one waits."""

EARLY_S = 60.0
"""A worker that fails sooner, and before its first step, has most likely been set up wrongly."""


class Budget(Enum):
    COUNTED = "counted"
    """Against `restart.limit`, after a wait that doubles."""

    FREE = "free"
    """Nothing the worker can help: at once, when its host answers."""

    NONE = "none"
    """The same would happen again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`most` restarts at most for this cause, within `restart.limit`. `waits` is a factor on the wait.

    `advice` says what helps when it is not repeated.
    """

    budget: Budget
    most: int | None = None
    waits: float = 1.0
    needs_disk: bool = False
    advice: str = ""


_COUNTED = Rule(budget=Budget.COUNTED)
_FREE = Rule(budget=Budget.FREE)

RULES: Mapping[Cause, Rule] = {
    Cause.REBOOTED: _FREE,
    Cause.LOST: _FREE,
    Cause.SUPERVISOR_LOST: _FREE,
    Cause.HANGUP: _FREE,
    Cause.STOPPED: _FREE,
    Cause.INTERRUPTED: _FREE,
    Cause.DISK: Rule(budget=Budget.FREE, needs_disk=True),
    Cause.EXITED: _COUNTED,
    Cause.SIGNAL: _COUNTED,
    Cause.TIMEOUT: _COUNTED,
    Cause.START_FAILED: _COUNTED,
    Cause.STALLED: _COUNTED,
    Cause.GPU_FAULT: _COUNTED,
    Cause.GPU_MEMORY: Rule(budget=Budget.COUNTED, most=2, advice="give it a device with more free memory"),
    Cause.MEMORY: Rule(budget=Budget.COUNTED, most=1, waits=6.0, advice="let it hold less in memory"),
    Cause.CONFIGURATION: Rule(budget=Budget.NONE, advice="configuration: not retried"),
    Cause.DIVERGED: Rule(budget=Budget.NONE, advice="the same would come of it again: not retried"),
}


def after_bad_end(
    workstream: str, policy: RestartPolicy, record: WorkstreamRecord
) -> f.RetryChosen | f.GaveUp | f.StepPoisoned:
    """What follows for a workstream whose run ended otherwise than by exit code 0."""
    launch = record.launch
    assert launch is not None
    assert launch.exit is not None
    end, cause = launch.exit, cause_of(launch.exit, launch.stop)
    words, rule = end_in_words(end, launch.stop), RULES[cause]

    def gave_up(reason: str) -> f.GaveUp:
        return f.GaveUp(workstream=workstream, launch=end.launch, reason=reason, cause=cause.value)

    if rule.budget is Budget.NONE:
        return gave_up(f"{words} ({rule.advice})")
    if cause in (Cause.EXITED, Cause.SIGNAL):
        if fails_at_once_again(record, end):
            return gave_up(f"{words} before its first step, twice in the same way (not retried)")
        if fails_at_the_same_step(record, end):
            return _poisoned(workstream, end, words)
    if rule.budget is Budget.FREE:
        return _interrupted(workstream, policy, record, cause, words) or gave_up(_worn_out(policy, words))
    retry = _counted(workstream, policy, record, cause, words)
    return retry or gave_up(_used_up(policy, record, rule, words))


def _poisoned(workstream: str, end: f.LaunchEnded, words: str) -> f.StepPoisoned:
    assert end.step is not None
    reason = f"{words} at step {end.step:g}, where the attempt before it failed too: a poison step"
    return f.StepPoisoned(workstream=workstream, launch=end.launch, step=end.step, reason=reason)


def fails_at_the_same_step(record: WorkstreamRecord, end: f.LaunchEnded) -> bool:
    """Whether this end and the last failure came at one and the same step, not before the first."""
    return (
        end.step is not None
        and end.step >= 1
        and record.failed is not None
        and record.failed.step == end.step
    )


def fails_at_once_again(record: WorkstreamRecord, end: f.LaunchEnded) -> bool:
    """Whether a worker that does report steps failed twice before the first, soon and in the same way."""
    before = record.failed
    reports = end.step is not None or record.furthest is not None
    return (
        reports
        and before is not None
        and _is_early(before)
        and _is_early(end)
        and before.exit_code == end.exit_code
    )


def _is_early(end: f.LaunchEnded) -> bool:
    return bool(end.exit_code) and (end.step or 0.0) < 1 and end.elapsed_s < EARLY_S


def _interrupted(
    workstream: str, policy: RestartPolicy, record: WorkstreamRecord, cause: Cause, words: str
) -> f.RetryChosen | None:
    """A restart that does not count; None when there were too many in a day, or none are wanted."""
    launch = record.launch
    assert launch is not None
    of_today = [at for at in record.interruptions if record.ran_s - at < DAY_S]
    if policy.limit == 0 or len(of_today) >= INTERRUPTIONS_A_DAY:
        return None
    quick = sum(record.ran_s - at < QUICK_S for at in of_today)
    return f.RetryChosen(
        workstream=workstream,
        launch=launch.id,
        delay_s=wait_s(policy, quick - 1, launch.id) if quick else 0.0,
        reason=words,
        cause=cause.value,
        counted=False,
        refilled=_refills(policy, record, launch),
        needs_disk=RULES[cause].needs_disk,
    )


def _counted(
    workstream: str, policy: RestartPolicy, record: WorkstreamRecord, cause: Cause, words: str
) -> f.RetryChosen | None:
    """A restart within the budget; None when that is used up."""
    launch = record.launch
    assert launch is not None
    rule = RULES[cause]
    refilled = _refills(policy, record, launch)
    failed_by = () if refilled else record.failed_by
    of_cause = failed_by.count(cause.value)
    if len(failed_by) >= policy.limit or (rule.most is not None and of_cause >= rule.most):
        return None
    limit = policy.limit if rule.most is None else min(policy.limit, len(failed_by) - of_cause + rule.most)
    return f.RetryChosen(
        workstream=workstream,
        launch=launch.id,
        delay_s=wait_s(policy, len(failed_by), launch.id, rule.waits),
        reason=words,
        cause=cause.value,
        restart=len(failed_by) + 1,
        limit=limit,
        refilled=refilled,
    )


def _refills(policy: RestartPolicy, record: WorkstreamRecord, launch: LaunchRecord) -> bool:
    """Whether the ended run got further than those before it, and advanced for long enough."""
    end = launch.exit
    assert end is not None
    silent_s = launch.stop.silent_s if launch.stop else 0.0
    further = end.step is None or record.furthest is None or end.step > record.furthest
    return further and end.elapsed_s - silent_s >= policy.refill_s


def wait_s(policy: RestartPolicy, failures: int, launch: str, factor: float = 1.0) -> float:
    """Seconds before the restart that follows `failures` earlier ones; the launch decides the jitter."""
    whole = policy.backoff_s * factor * 2.0 ** min(failures, 32)
    part = crc32(launch.encode()) / 0xFFFFFFFF
    return min(whole * (1 - JITTER * part), BACKOFF_LIMIT_S)


def _worn_out(policy: RestartPolicy, words: str) -> str:
    if policy.limit == 0:
        return words
    return f"{words}, {INTERRUPTIONS_A_DAY} times within a day of running"


def _used_up(policy: RestartPolicy, record: WorkstreamRecord, rule: Rule, words: str) -> str:
    times = record.failures
    tried = f" after {times} restart{'' if times == 1 else 's'}" if times else ""
    advice = f"; {rule.advice}" if rule.advice and policy.limit else ""
    return words + tried + advice
