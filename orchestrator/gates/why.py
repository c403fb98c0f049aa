"""From what a host says of a run to a verdict with its reason."""

from __future__ import annotations

from orchestrator.core.gating import Outcome
from orchestrator.core.plan import Gate
from orchestrator.gates.jobs import Job
from orchestrator.gates.verdicts import GateVerdict, verdict_of
from orchestrator.wire import GateRan

_TAIL_LINES = 12


def ran_verdict(job: Job, gate: Gate, ran: GateRan) -> GateVerdict:
    if ran.infrastructure is not None:
        outcome, why = Outcome.INFRASTRUCTURE, ran.infrastructure
    else:
        outcome, why = Outcome.GREEN if ran.ok else Outcome.RED, _why(gate, ran)
    message = "" if outcome is Outcome.GREEN else _with_tail(why, ran)
    return verdict_of(
        job, gate, outcome, seconds=ran.seconds, log=ran.log, proposal=ran.proposal, message=message
    )


def not_run(job: Job, gate: Gate, setup: GateRan) -> GateVerdict:
    """The set-up failed, or something outside it did."""
    if setup.infrastructure is not None:
        outcome, why = Outcome.INFRASTRUCTURE, f"not run: of the set-up, {setup.infrastructure}"
    else:
        ended = "not done in time" if setup.timed_out else _end(setup)
        outcome, why = Outcome.RED, f"not run: the set-up failed ({ended})"
    message = _with_tail(why, setup)
    return verdict_of(job, gate, outcome, seconds=setup.seconds, log=setup.log, message=message)


def lost_verdict(job: Job, gate: Gate, why: str) -> GateVerdict:
    return verdict_of(job, gate, Outcome.INFRASTRUCTURE, message=why)


def _why(gate: Gate, ran: GateRan) -> str:
    if ran.timed_out:
        return f"not done after {gate.timeout_s:g} s"
    if ran.exit_code == 0 and ran.changed:
        return f"it changed tracked files: {', '.join(ran.changed)}"
    return _end(ran)


def _end(ran: GateRan) -> str:
    return "no exit status: it was killed" if ran.exit_code is None else f"exit status {ran.exit_code}"


def _with_tail(why: str, ran: GateRan) -> str:
    proposal = [f"its changes: git apply '{ran.proposal}'"] if ran.proposal else []
    lines = ran.tail.rstrip().split("\n")[-_TAIL_LINES:]
    return "\n".join([why, *proposal, *(line for line in lines if line.strip())])
