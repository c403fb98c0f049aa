"""Gates: commands and built-in checks on committed tips and candidates, and what is known of them."""

from __future__ import annotations

from orchestrator.gates.jobs import Job, wave_job, workstream_job
from orchestrator.gates.running import run_gates, run_wave_gates, run_workstream_gates
from orchestrator.gates.verdicts import GateVerdict, gates_document, green_gates

__all__ = [
    "GateVerdict",
    "Job",
    "gates_document",
    "green_gates",
    "run_gates",
    "run_wave_gates",
    "run_workstream_gates",
    "wave_job",
    "workstream_job",
]
