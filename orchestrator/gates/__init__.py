"""Gates: commands and built-in checks on committed tips and candidates, and what is known of them."""

from __future__ import annotations

from orchestrator.core.gating import Outcome
from orchestrator.gates.jobs import Job, wave_gates, wave_job, workstream_job
from orchestrator.gates.results import green_gates
from orchestrator.gates.running import run_gates, run_wave_gates, run_workstream_gates
from orchestrator.gates.session import GateSession
from orchestrator.gates.slots import gpus_of_gates
from orchestrator.gates.toolchains import read_ahead
from orchestrator.gates.verdicts import GateVerdict, gates_document

__all__ = [
    "GateSession",
    "GateVerdict",
    "Job",
    "Outcome",
    "gates_document",
    "gpus_of_gates",
    "green_gates",
    "read_ahead",
    "run_gates",
    "run_wave_gates",
    "run_workstream_gates",
    "wave_gates",
    "wave_job",
    "workstream_job",
]
