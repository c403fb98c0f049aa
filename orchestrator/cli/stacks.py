"""`stacks`."""

from __future__ import annotations

from orchestrator.cli.here import find_here
from orchestrator.cli.hosts import open_sites
from orchestrator.cli.options import AsJson, Name, PlanFile
from orchestrator.cli.printing import note, tell_json, write
from orchestrator.errors import Refused
from orchestrator.names import chosen


def stacks(name: Name, plan: PlanFile = None, as_json: AsJson = False) -> None:
    """Print where a running worker stands: its processes, their threads, and Python's stacks.

    The worker goes on undisturbed. The text is also kept on its host.
    """
    from orchestrator.perform import dump_stacks

    here = find_here(plan)
    loaded = here.load_plan()
    (found,) = chosen([name], loaded.workstreams)[:1]
    workstream = loaded.workstream(found)
    launch = here.load_state().of(workstream.name).launch
    if launch is None:
        raise Refused(f"{found} was never launched.", f"orchestrator up {found}")
    with open_sites(here, loaded) as open_site:
        answer = dump_stacks(open_site(workstream.host), workstream.name, launch.id)
    if as_json:
        tell_json({"name": found, "launch": launch.id, "path": answer.path, "text": answer.text})
        return
    write(answer.text)
    note(f"kept in {answer.path} on {workstream.host}")
