"""What the daemon does in a thread of its own for whoever asked: landing, and cleaning up after it."""

from __future__ import annotations

from typing import Any

from orchestrator import requests as r
from orchestrator.cleaning import clean
from orchestrator.desk import Desk
from orchestrator.land import merge_wave, rollback_wave


def run_errand(desk: Desk, errand: r.Errand) -> dict[str, Any]:
    """The answer's document; blocks until it is done."""
    match errand:
        case r.MergeWave():
            return merge_wave(
                desk, errand.wave, by=errand.by, partial=errand.partial, dry_run=errand.dry_run
            ).document()
        case r.RelandWave():
            return merge_wave(desk, errand.wave, by=errand.by, dry_run=errand.dry_run, again=True).document()
        case r.RollBackWave():
            return rollback_wave(desk, errand.wave, by=errand.by, dry_run=errand.dry_run).document()
        case r.Clean():
            return clean(desk, errand.names, by=errand.by).document()
