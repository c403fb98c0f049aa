"""The plan as it was last read, kept beside the journal: to read it anew is a third of `status`.

What is kept counts only for the same text, read by the same code.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.kept_values import Unusable, code_digest, dumped, loaded

if TYPE_CHECKING:
    from orchestrator.cli.here import Here
    from orchestrator.core.plan import Plan

_NAME = "plan.pickle"


def load_kept_plan(here: Here) -> Plan:
    """As `here.load_plan()`; leaves a copy for the next time where there is a state directory.

    Raises:
        PlanErrors: with everything that is wrong with the file.
    """
    key = _key(here.plan_file)
    kept = _kept(here.state_paths.root / _NAME, key)
    if kept is not None:
        return kept
    plan = here.load_plan()
    if key is not None and here.state_paths.root.is_dir():
        from orchestrator.supervise.records import replace_file  # not for the usual case, where it is kept

        with suppress(OSError):  # a full disk, a state of another user: it is read again next time
            replace_file(str(here.state_paths.root / _NAME), key + dumped(plan))
    return plan


def _key(plan_file: Path) -> bytes | None:
    """The text, where it lies, and the code that reads it; None where they cannot be read."""
    try:
        parts = [os.fsencode(plan_file), plan_file.read_bytes(), code_digest("core", "plan_file")]
    except OSError:
        return None
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).digest()


def _kept(path: Path, key: bytes | None) -> Plan | None:
    try:
        content = path.read_bytes()
        if key is None or not content.startswith(key):
            return None
        plan: Plan = loaded(content[len(key) :], "core.plan")
        return plan
    except (OSError, Unusable):
        return None
