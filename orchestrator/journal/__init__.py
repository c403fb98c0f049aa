"""Facts in SQLite: append-only, durable before anything acts on them, replayed to a `State`.

What is old moves, whole, to compressed files beside the journal (`archive`); what was already folded
is kept as a state (`snapshot`), which is only ever a short cut.
"""

from __future__ import annotations

from orchestrator.journal.archive import Archived, archive_entries
from orchestrator.journal.entry import Entry
from orchestrator.journal.journal import Journal

__all__ = ["Archived", "Entry", "Journal", "archive_entries"]
