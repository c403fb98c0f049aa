"""The daemon as its own threads see it, when it leaves under them."""

from __future__ import annotations

import threading
from errno import ENOSPC
from pathlib import Path

import pytest
import structlog

from orchestrator.client import _last_line
from orchestrator.core import facts as f
from orchestrator.daemon import Daemon, DaemonDesk, _told
from orchestrator.errors import Bug, ExitStatus, JournalError, OrchestratorError, Refused
from orchestrator.home import Home, find_home
from orchestrator.journal import Journal
from orchestrator.land.recovery import landing_lock
from orchestrator.plan_file import load_plan
from orchestrator.requests import RollBackWave
from orchestrator.talk import Talk
from tests.support.repository import Repository, plain_fixture

__all__ = ["plain_fixture"]

PLAN = "version: 1\nproject: p\nwaves: {1: {workstreams: {a: {branch: w/a}}}}\n"


@pytest.fixture
def home(plain: Repository) -> Home:
    """Of a repository with a plan, in which no daemon was started."""
    (plain.path / "waves.yaml").write_text(PLAN)
    found = find_home(plain.path)
    found.state.create()
    return found


def daemon_in(home: Home, journal: Journal | None = None) -> Daemon:
    return Daemon(load_plan(home.root / "waves.yaml"), home, journal or Journal.open(home.state.journal))


@pytest.mark.timeout(30)
def test_who_records_after_the_daemon_has_left_is_told_so(home: Home) -> None:
    daemon = daemon_in(home)
    daemon.leave("the test is over")
    daemon.run()
    with pytest.raises(Refused, match="leaving"):
        DaemonDesk(daemon, Talk()).record(f.LandingAsked(wave=1, by="nobody"))


@pytest.mark.timeout(30)
def test_on_a_full_disk_whoever_records_is_told_that_and_what_to_do(home: Home) -> None:
    journal = Journal.open(home.state.journal)
    daemon = daemon_in(home, journal)
    journal._connection.execute("PRAGMA max_page_count=1")
    huge = f.LandingRefused(wave=1, reasons=("x" * 100_000,))
    heard: list[OrchestratorError] = []

    def record() -> None:
        try:
            DaemonDesk(daemon, Talk()).record(huge)
        except OrchestratorError as error:
            heard.append(error)

    asker = threading.Thread(target=record)
    asker.start()
    with pytest.raises(JournalError, match="full"):
        daemon.run()
    asker.join()
    (error,) = heard
    assert isinstance(error, JournalError) and "disk is full" in error.message
    assert error.hint is not None and "make room" in error.hint
    with pytest.raises(JournalError, match="full"):
        DaemonDesk(daemon, Talk()).require_asker()


@pytest.mark.timeout(30)
def test_a_landing_waits_until_an_interrupted_one_is_settled(home: Home) -> None:
    daemon = daemon_in(home)
    daemon.settled.clear()
    talk = Talk()
    with landing_lock(home):  # as the one that settles holds it
        daemon._run_errand(RollBackWave(wave=1, by="ada"), talk)
        line = talk.next_line(10)
        assert line is not None and "settled, first" in line["say"]
    daemon.settled.set()
    line = talk.next_line(10)
    assert line is not None and line["answer"]["reasons"] == ["wave 1 has not landed"]


def test_what_an_earlier_daemon_wrote_is_not_told_as_the_reason(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    log.write_text("long ago\n")
    size = log.stat().st_size
    assert _last_line(log, size) == "it said nothing"
    with log.open("a") as more:
        more.write("first\nlast\n")
    assert _last_line(log, size) == "last"


@pytest.mark.timeout(30)
def test_whoever_asked_is_answered_although_no_log_can_be_written(home: Home) -> None:
    daemon = daemon_in(home)
    lock = home.state.root / "landing.lock"
    lock.symlink_to(lock)
    talk = Talk()
    with Path("/dev/full").open("w") as full_disk:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(full_disk))
        daemon._run_errand(RollBackWave(wave=1, by="ada"), talk)
        line = talk.next_line(10)
        for thread in threading.enumerate():
            if thread.name == "errand":
                thread.join()
        structlog.reset_defaults()
    assert line is not None and "symbolic links" in line["refused"]["message"]


def test_a_full_disk_is_no_bug(tmp_path: Path) -> None:
    told = _told(OSError(ENOSPC, "No space left on device", "/r/x"), tmp_path)
    assert (told.message, told.exit_status) == ("No space left on device: /r/x", ExitStatus.OUTSIDE)
    assert isinstance(_told(ValueError("?"), tmp_path), Bug)
