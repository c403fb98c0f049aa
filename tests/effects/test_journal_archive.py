"""A journal that ages: old entries move to an archive, folded ones to a snapshot; nothing is lost."""

from __future__ import annotations

import pickle
import shutil
import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from orchestrator.core import facts as f
from orchestrator.core.state import State, replayed
from orchestrator.errors import JournalError
from orchestrator.journal import Journal, archive_entries

OLD = datetime(2024, 1, 1, tzinfo=timezone.utc)
YEAR = timedelta(days=365)


def day(number: int) -> list[f.Fact]:
    launch = f.LaunchId(f"a-{number}-t")
    return [
        f.RestartAsked(workstream="a", by="ada"),
        f.LaunchChosen(workstream="a", launch=launch, host="local", stage="run", attempt=number),
        f.Launched(workstream="a", launch=launch, worktree="/w", tip="c", made_branch=False),
        f.LaunchEnded(
            workstream="a", launch=launch, exit_code=1, signal=None, cause="exited", ended=1.0, elapsed_s=2.0
        ),
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three old days, a new one, without their times in each other's way."""
    journal = Journal.open(tmp_path / "state.db")
    journal.append([f.JournalBegun(token="t")], OLD)
    for number in (1, 2, 3):
        journal.append(day(number), OLD + timedelta(days=number))
    journal.append(day(4), OLD + YEAR)
    journal.close()
    return tmp_path / "state.db"


def read(path: Path) -> Journal:
    journal = Journal.read(path)
    assert journal is not None
    return journal


def test_old_entries_move_and_every_reader_still_sees_all(path: Path) -> None:
    before = list(read(path).entries())
    moved = archive_entries(path, OLD + timedelta(days=100))
    assert moved is not None and moved.entries == 13
    rows = sqlite3.connect(path).execute("SELECT COUNT(*) FROM facts").fetchone()
    assert rows == (4,)
    assert list(read(path).entries()) == before
    assert [entry.id for entry in read(path).entries(after=11)] == [12, 13, 14, 15, 16, 17]
    assert read(path).state() == replayed(tuple(entry.fact for entry in before))


def test_archiving_again_moves_what_aged_since(path: Path) -> None:
    before = list(read(path).entries())
    for days in (2, 100, 1000):
        archive_entries(path, OLD + timedelta(days=days))
    assert archive_entries(path, OLD + timedelta(days=1000)) is None
    assert list(read(path).entries()) == before
    journal = Journal.open(path)
    (entry,) = journal.append([f.RestartAsked(workstream="a", by="ada")], OLD + YEAR + YEAR)
    assert entry.id == 18
    assert [one.id for one in journal.entries()] == list(range(1, 19))


def test_a_long_journal_moves_in_parts(path: Path) -> None:
    before = list(read(path).entries())
    moved = [archive_entries(path, OLD + timedelta(days=100), most=5) for _ in range(4)]
    assert [part and part.entries for part in moved] == [5, 5, 3, None]
    assert list(read(path).entries()) == before


def test_a_clock_that_was_set_back_moves_nothing_early(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "state.db")
    journal.append([f.JournalBegun(token="t")], OLD + YEAR)
    journal.append(day(1), OLD)
    assert archive_entries(tmp_path / "state.db", OLD + timedelta(days=100)) is None


def test_a_crash_between_the_file_and_the_journal_loses_and_doubles_nothing(
    path: Path, tmp_path: Path
) -> None:
    before = list(read(path).entries())
    shutil.copy(path, tmp_path / "uncut.db")
    archive_entries(path, OLD + timedelta(days=2))
    shutil.copy(tmp_path / "uncut.db", path)  # as if the entries had not left the journal yet
    assert list(read(path).entries()) == before
    archive_entries(path, OLD + timedelta(days=100))
    assert list(read(path).entries()) == before


def test_a_reader_that_was_there_first_sees_all(path: Path) -> None:
    before = [entry.id for entry in read(path).entries()]
    entries = read(path).entries()
    seen = [next(entries).id]
    archive_entries(path, OLD + timedelta(days=100))
    assert seen + [entry.id for entry in entries] == before


def test_a_damaged_archive_is_said_and_not_passed_over(path: Path) -> None:
    moved = archive_entries(path, OLD + timedelta(days=100))
    assert moved is not None
    moved.file.write_bytes(moved.file.read_bytes()[:-20])
    with pytest.raises(JournalError, match=r"archive .* cannot be read"):
        list(read(path).entries())


def test_a_snapshot_stands_for_what_it_was_folded_from(path: Path) -> None:
    journal = Journal.open(path)
    state, last = journal.replay()
    journal.keep_snapshot(state, last)
    # Were the facts folded again, they would fit no more.
    archive_entries(path, OLD + YEAR + YEAR)
    for file in path.with_name("journal").iterdir():
        file.write_bytes(b"")
    assert journal.replay() == (state, last)
    journal.append([f.RestartAsked(workstream="a", by="ada")], OLD + YEAR + YEAR)
    assert journal.replay()[1] == last + 1


@pytest.mark.parametrize("blob", [b"", b"no pickle", pickle.dumps(Path("/")), pickle.dumps({"a": 1})])
def test_a_snapshot_that_is_none_is_passed_over(path: Path, blob: bytes) -> None:
    journal = Journal.open(path)
    state, last = journal.replay()
    journal.keep_snapshot(State(), last)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE snapshot SET state = ?", (blob,))
    connection.commit()
    assert read(path).replay() == (state, last)


def test_a_snapshot_of_other_code_is_passed_over(path: Path) -> None:
    journal = Journal.open(path)
    journal.keep_snapshot(State(token="wrong"), 17)
    assert read(path).replay()[0] == State(token="wrong")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE snapshot SET code = 'other'")
    connection.commit()
    assert read(path).replay()[0].token == "t"


def test_a_version_that_knows_no_archive_refuses_a_journal_that_has_one(path: Path) -> None:
    def version() -> int:
        found: int = sqlite3.connect(path).execute("PRAGMA user_version").fetchone()[0]
        return found

    assert version() == 1
    archive_entries(path, OLD + timedelta(days=100))
    assert version() == 2
    Journal.open(path).close()
    assert version() == 2
