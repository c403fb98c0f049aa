"""`report`."""

from __future__ import annotations

from orchestrator.cli.here import find_here
from orchestrator.cli.options import AsJson, AWave, PlanFile
from orchestrator.cli.printing import tell_json, write
from orchestrator.errors import Refused
from orchestrator.names import require_wave


def report(wave: AWave = None, plan: PlanFile = None, as_json: AsJson = False) -> None:
    """Print a landed wave's session document with its gates and measures; default: the last one."""
    from orchestrator.journal import Journal
    from orchestrator.reports.landed import find_landed, landed_waves
    from orchestrator.reports.report import document, page_of, wave_report

    here = find_here(plan)
    loaded = here.load_plan()
    journal = Journal.read(here.state_paths.journal)
    if journal is None:
        raise Refused("no wave has landed yet.", "orchestrator wave list")
    try:
        entries = tuple(journal.entries())
    finally:
        journal.close()
    if wave is not None:
        require_wave(wave, sorted({*loaded.waves, *landed_waves(entries)}))
    made = wave_report(here.find_home().git, loaded, find_landed(entries, wave))
    page = page_of(made)
    if as_json:
        tell_json(document(made, page))
    else:
        write(page)
