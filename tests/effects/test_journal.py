"""Facts written, read again, and read again by every later version."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timezone
from pathlib import Path
from typing import get_args

import pytest

from orchestrator import __version__
from orchestrator.codec import build, plain_fields
from orchestrator.core import facts as f
from orchestrator.core.facts import Fact
from orchestrator.core.state import Done, Foreseen, Merged, replayed
from orchestrator.errors import JournalError
from orchestrator.journal import Journal

NOW = datetime(2024, 1, 1, tzinfo=timezone.utc)
VERSION_1 = Path(__file__).parent.parent / "data" / "journal_v1.jsonl"


def stored(path: Path) -> Path:
    """A journal file that holds the recorded day of version 1, written without our own code."""
    Journal.open(path).close()
    connection = sqlite3.connect(path)
    for line in VERSION_1.read_text().splitlines():
        entry = json.loads(line)
        row = ("2024-01-01T00:00:00.000+00:00", entry["kind"], json.dumps(entry["body"]))
        connection.execute("INSERT INTO facts (at, kind, body) VALUES (?, ?, ?)", row)
    connection.commit()
    connection.close()
    return path


def test_a_journal_of_version_1_loads_for_ever(tmp_path: Path) -> None:
    journal = Journal.read(stored(tmp_path / "state.db"))
    assert journal is not None
    entries = tuple(journal.entries())
    assert {type(entry.fact) for entry in entries} == set(get_args(Fact))
    state = journal.state()
    assert state.of("i3d").phase == Merged(1)
    assert state.of("slow").phase == Done()
    assert state.of("big").phase == Done()
    assert state.of("big").measured == {"peak_gpu_memory_mb": 900.0, "checkpoint_bytes": 10.0}
    assert state.token == "0badcafe"
    assert state.wave(1).landed is not None and state.wave(2).landed is None
    assert state.wave(2).members_landed == ("a",)
    assert state.foreseen == {("i3d", "main"): Foreseen(conflict=False, files=("b.py",))}


def test_what_is_appended_is_read_again(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "state.db")
    day = [entry.fact for entry in Journal.open(stored(tmp_path / "day.db")).entries()]
    journal.append(day, NOW)
    reader = Journal.read(tmp_path / "state.db")
    assert reader is not None
    assert [entry.fact for entry in reader.entries()] == day
    assert reader.state() == replayed(tuple(day))
    assert next(entry.id for entry in reader.entries(after=3)) == 4


def test_facts_are_written_all_or_none(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "state.db")
    with pytest.raises(TypeError):
        journal.append([f.JournalBegun(token="a"), f.JournalBegun(token=object())], NOW)  # type: ignore[arg-type]
    journal.append([f.JournalBegun(token="b")], NOW)
    assert [entry.fact for entry in journal.entries()] == [f.JournalBegun(token="b")]


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    Journal.open(tmp_path / "state.db")
    assert (tmp_path / "state.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        ("PRAGMA user_version=99", "newer"),
        ("INSERT INTO facts (at, kind, body) VALUES ('', 'Unheard', '{}')", "unknown kind"),
        (
            "INSERT INTO facts (at, kind, body) VALUES ('', 'StopAsked', '{\"by\": 3}')",
            "cannot be read",
        ),
    ],
)
def test_what_cannot_be_read_is_said_with_a_way_out(break_it: str, said: str, tmp_path: Path) -> None:
    Journal.open(tmp_path / "state.db").close()
    connection = sqlite3.connect(tmp_path / "state.db")
    connection.execute(break_it)
    connection.commit()
    with pytest.raises(JournalError, match=said):
        journal = Journal.read(tmp_path / "state.db")
        assert journal is not None
        journal.state()


def test_a_file_that_is_no_journal_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database, but somebody's work" * 100)
    before = (tmp_path / "state.db").read_bytes()
    with pytest.raises(JournalError, match="cannot open the journal"):
        Journal.open(tmp_path / "state.db")
    assert (tmp_path / "state.db").read_bytes() == before


def test_every_fact_survives_its_own_document() -> None:
    """Each kind with all of its fields; a line from before a field was added has fewer."""
    complete = set()
    for line in VERSION_1.read_text().splitlines():
        entry = json.loads(line)
        fields = set(plain_fields(build(getattr(f, entry["kind"]), entry["body"])))
        assert set(entry["body"]) <= fields
        if set(entry["body"]) == fields:
            complete.add(entry["kind"])
    assert complete == {kind.__name__ for kind in get_args(Fact)}


def test_a_journal_that_a_later_version_wrote_to_is_not_to_be_moved_away(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "state.db")
    journal.append([f.DaemonStarted(pid=1, version="9.1")], NOW)
    connection = sqlite3.connect(tmp_path / "state.db")
    connection.execute("INSERT INTO facts (at, kind, body) VALUES ('', 'WorkerPraised', '{}')")
    connection.commit()
    with pytest.raises(
        JournalError, match=r"kind WorkerPraised\. .*last written by orchestrator 9.1"
    ) as unread:
        journal.state()
    assert (
        unread.value.hint
        == f"install that version, or a later one; this is {__version__}. Nothing was changed"
    )
    connection.execute("PRAGMA user_version=99")
    connection.commit()
    for opening in (Journal.open, Journal.read):
        with pytest.raises(JournalError, match=r"newer orchestrator 9.1: it has journal version 99") as newer:
            opening(tmp_path / "state.db")
        assert newer.value.hint == unread.value.hint
    assert connection.execute("PRAGMA user_version").fetchone() == (99,)
