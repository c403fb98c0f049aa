"""Landing a wave: decide on one snapshot, prove it by its gates, move base by compare-and-swap."""

from __future__ import annotations

from orchestrator.land.merging import check_wave, merge_wave
from orchestrator.land.reasons import LeftOut
from orchestrator.land.recovery import recover
from orchestrator.land.report import LandingReport, RollbackReport
from orchestrator.land.rollback import rollback_wave

__all__ = [
    "LandingReport",
    "LeftOut",
    "RollbackReport",
    "check_wave",
    "merge_wave",
    "recover",
    "rollback_wave",
]
