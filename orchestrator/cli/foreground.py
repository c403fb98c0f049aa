"""The daemon in this process, for `up --foreground`: its log to stderr, Ctrl-C ends it, workers stay."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, NoReturn

from orchestrator.cli.daemon import say
from orchestrator.cli.failures import tell_error
from orchestrator.cli.here import Here
from orchestrator.cli.printing import tell_json
from orchestrator.cli.start_report import report_start
from orchestrator.errors import ExitStatus, OrchestratorError, Refused

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan
    from orchestrator.requests import Up


def run_in_foreground(here: Here, plan: Plan, request: Up, *, as_json: bool) -> NoReturn:
    """Ends this process when the daemon was told to leave."""
    from orchestrator.daemon import leave_now, serve
    from orchestrator.log_sink import log_to

    if here.client.is_running():
        raise Refused("a daemon runs already.", "orchestrator down ends it; or leave out --foreground")
    log_to(sys.stderr)
    threading.Thread(target=_ask, args=(here, plan, request, as_json), name="up", daemon=True).start()
    serve(here.plan_file)
    leave_now(ExitStatus.INTERRUPTED if _why_it_left(here) == "SIGINT" else ExitStatus.DONE)


def _ask(here: Here, plan: Plan, request: Up, as_json: bool) -> None:
    while not here.client.is_running():
        time.sleep(0.05)
    try:
        answer = here.client.ask(request, say)
        if as_json:
            tell_json(answer)
        else:
            report_start(plan, answer)
    except OrchestratorError as error:
        tell_error(error)


def _why_it_left(here: Here) -> str:
    from orchestrator.core.facts import DaemonStopped
    from orchestrator.journal import Journal

    journal = Journal.read(here.state_paths.journal)
    if journal is None:
        return ""
    stops = [entry.fact.why for entry in journal.entries() if isinstance(entry.fact, DaemonStopped)]
    journal.close()
    return stops[-1] if stops else ""
