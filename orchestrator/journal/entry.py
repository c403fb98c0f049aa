"""A fact as it is written down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from orchestrator.codec import build, plain_fields
from orchestrator.core.facts import Fact
from orchestrator.errors import JournalError

SALVAGE = "move it away and run `orchestrator up`: worktrees, branches and running workers stay"

_KINDS: dict[str, type[Any]] = {cls.__name__: cls for cls in get_args(Fact)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A fact as it stands in the journal; `at` is UTC, for people."""

    id: int
    at: str
    fact: Fact

    def document(self) -> dict[str, Any]:
        """As the interface prints it."""
        return {"id": self.id, "at": self.at, "kind": type(self.fact).__name__, **plain_fields(self.fact)}


def read_entry(path: Path, number: int, at: str, kind: str, body: str) -> Entry:
    """Raises: JournalError: an entry of `path` that this version cannot read."""
    cls = _KINDS.get(kind)
    if cls is None:
        raise JournalError(f"{path}: entry {number} is of unknown kind {kind}.", SALVAGE)
    try:
        fact: Fact = build(cls, json.loads(body))
    except ValueError as error:
        raise JournalError(f"{path}: entry {number} ({kind}) cannot be read: {error}", SALVAGE) from error
    return Entry(id=number, at=at, fact=fact)
