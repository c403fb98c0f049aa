"""`approve`: a person's review of a branch, as it is now."""

from __future__ import annotations

import os

from orchestrator.cli.daemon import running_daemon, say
from orchestrator.cli.here import find_here, user_name
from orchestrator.cli.options import AsJson, Name, PlanFile
from orchestrator.cli.printing import tell, tell_json
from orchestrator.errors import Refused
from orchestrator.names import chosen


def approve(name: Name, plan: PlanFile = None, as_json: AsJson = False) -> None:
    """Record that you have reviewed a branch, at its present tip."""
    from orchestrator import git
    from orchestrator.requests import Approve
    from orchestrator.tips import known_tips

    worker = os.environ.get("ORCHESTRATOR_WORKSTREAM")
    if worker:
        raise Refused(f"a review is a person's: this is the session of the worker {worker}.")
    here = find_here(plan)
    loaded = here.load_plan()
    (found,) = chosen([name], loaded.workstreams)[:1]
    home = here.find_home()
    tip = known_tips(home, loaded).get(found)
    if tip is None:
        raise Refused(f"{found} has no branch yet.", f"orchestrator up {found}")
    tree = git.tree_of(home.git, tip)
    answer = running_daemon(here).ask(Approve(name=found, commit=tip, tree=tree, by=user_name()), say)
    if as_json:
        tell_json(answer)
    else:
        tell(f"{found}: approved by {answer['by']} at {tip[:10]}")
