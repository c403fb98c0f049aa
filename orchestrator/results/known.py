"""What is known of pulls before this process: no more than `status` without a daemon can afford to load."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from orchestrator.core.observation import SyncSeen
from orchestrator.core.plan import Plan
from orchestrator.results.folder import load_manifest, places


def known_pulls(plan: Plan) -> dict[str, SyncSeen]:
    """What manifests tell of pulls before this process, by workstream."""
    found = {}
    for workstream in plan.workstreams.values():
        manifest = load_manifest(places(Path(plan.source).parent, workstream.pulling.to, workstream.name)[1])
        with suppress(ValueError):
            age_s = time.time() - datetime.fromisoformat(manifest.looked).timestamp()
            found[str(workstream.name)] = SyncSeen(
                at=time.monotonic() - max(0.0, age_s), files=len(manifest.files), bytes=manifest.bytes
            )
    return found
