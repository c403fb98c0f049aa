"""The daemon as its own threads see it, when it leaves under them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest
import structlog

from orchestrator.client import _last_line
from orchestrator.core import facts as f
from orchestrator.core.plan import LOCAL
from orchestrator.core.state import Running, Stopped
from orchestrator.daemon import Daemon, DaemonDesk, _told
from orchestrator.errors import Bug, ExitStatus, JournalBlocked, JournalError, OrchestratorError, Refused
from orchestrator.home import Home, find_home
from orchestrator.inbox import Asked, Happened, HostSilent
from orchestrator.journal import Journal
from orchestrator.land.recovery import landing_lock
from orchestrator.log_sink import log_to
from orchestrator.plan_file import load_plan
from orchestrator.requests import MergeWave, Request, RollBackWave, Stop, Up, Wait
from orchestrator.talk import Talk
from tests.support.eventually import eventually
from tests.support.repository import Repository, plain_fixture
from tests.support.tmux import tmux_server

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


HUGE = f.LandingRefused(wave=1, reasons=("x" * 100_000,))
FULL, ROOMY = "PRAGMA max_page_count=1", "PRAGMA max_page_count=1000000"


@contextmanager
def running(daemon: Daemon) -> Iterator[list[BaseException]]:
    """In a thread; what it ends with."""
    ended_with: list[BaseException] = []

    def run() -> None:
        try:
            daemon.run()
        except OrchestratorError as error:
            ended_with.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ended_with
    finally:
        daemon.leave("the test is over")
        thread.join()


def answer_to(daemon: Daemon, request: Request) -> dict[str, Any]:
    """The last line of what it says."""
    talk = Talk()
    daemon.put(Asked(request=request, talk=talk))
    lines = iter(lambda: eventually(lambda: talk.next_line(0.2), 20, "an answer") or {}, None)
    return next(line for line in lines if "say" not in line)


@pytest.mark.timeout(60)
def test_a_daemon_that_can_write_nothing_holds_everything_and_goes_on_by_itself(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.holding.TRY_EVERY_S", 0.2)
    journal = Journal.open(home.state.journal)
    daemon = daemon_in(home, journal)
    desk = DaemonDesk(daemon, Talk())
    with running(daemon) as ended_with:
        eventually(lambda: daemon.view.observation.reachable(LOCAL), 20, "the host answers")
        waits = Talk()
        daemon.put(Asked(request=Wait(names=("a",), states=("done",), timeout_s=None), talk=waits))
        journal._connection.execute(FULL)
        with pytest.raises(JournalBlocked, match="disk is full") as told:
            desk.record(HUGE)
        assert told.value.hint is not None and "make room" in told.value.hint
        assert "disk is full" in daemon.view.status().daemon.held
        heard = waits.next_line(10)
        assert heard is not None and "holds everything" in heard["say"]
        refused = answer_to(daemon, Up(names=("a",), by="ada"))["refused"]
        assert refused["exit_status"] == 3 and "disk is full" in refused["message"]
        with pytest.raises(JournalBlocked):
            desk.record(f.LandingRefused(wave=1, reasons=("small",)))
        # What nobody will tell again waits; of a host that comes and goes, only how it is.
        for _ in range(3):
            daemon.put(HostSilent(host=LOCAL, reason="the test says so"))
            daemon.put(Happened(facts=(f.HostTakenOver(host="gpu", before="bob"),)))
        journal._connection.execute(ROOMY)
        heard = waits.next_line(20)
        assert heard is not None and "goes on" in heard["say"]
        desk.record(f.LandingRefused(wave=1, reasons=("small",)))
        assert daemon.view.status().daemon.held == ""
    assert ended_with == []
    entries = list(Journal.read(home.state.journal).entries())  # type: ignore[union-attr]
    kinds = [type(entry.fact).__name__ for entry in entries]
    # The host that was called silent may be found again at any time.
    rest = [kind for kind in kinds if kind != "HostBack"]
    assert rest[-3:] == ["JournalHeld", "LandingRefused", "DaemonStopped"]
    assert kinds.count("HostTakenOver") == 3 and kinds.count("HostLost") <= 1


@pytest.mark.timeout(60)
def test_workers_are_stopped_on_a_full_disk_and_the_next_daemon_knows(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stops them and loses the daemon must not find them started again."""
    monkeypatch.setattr("orchestrator.holding.TRY_EVERY_S", 3600)
    asked = Stop(names=("a",), by="ada")
    with tmux_server() as tmux:
        workstream = "{branch: w/a, run: sleep 600}"
        (home.root / "waves.yaml").write_text(
            f"version: 1\nproject: p\ntmux: {{socket: {tmux.socket}}}\n"
            f"waves: {{1: {{workstreams: {{a: {workstream}}}}}}}\n"
        )
        journal = Journal.open(home.state.journal)
        daemon = daemon_in(home, journal)
        daemon.put(Happened(facts=(f.StartAsked(workstream="a", by="ada"),)))
        with running(daemon):
            eventually(lambda: isinstance(daemon.view.state.of("a").phase, Running), 20, "a runs")
            journal._connection.execute(FULL)
            with pytest.raises(JournalBlocked):
                DaemonDesk(daemon, Talk()).record(HUGE)
            assert answer_to(daemon, asked)["answer"] == {"stopped": ["a"], "left": []}
            assert daemon.view.status().workstreams[0].state == "stopped" and daemon.view.daemon.held
            assert answer_to(daemon, asked)["answer"]["stopped"] == []
        with running(daemon := daemon_in(home)):
            eventually(lambda: isinstance(daemon.view.state.of("a").phase, Stopped), 20, "a is stopped")
        reader = Journal.read(home.state.journal)
        kinds = [type(entry.fact).__name__ for entry in reader.entries()] if reader else []
        assert [kinds.count(kind) for kind in ("LaunchChosen", "StopAsked", "LaunchEnded")] == [1, 1, 1]


@pytest.mark.timeout(60)
def test_a_daemon_is_started_and_ended_on_a_full_disk_and_a_damaged_journal_ends_it(home: Home) -> None:
    with pytest.raises(JournalBlocked, match="cannot write"):
        journal = Journal.open(home.state.journal)
        journal._connection.execute("PRAGMA query_only=1")  # as a disk that became read-only
        daemon_in(home, journal)
    daemon_in(home)
    journal = Journal.open(home.state.journal)
    journal._connection.execute("PRAGMA query_only=1")
    daemon = daemon_in(home, journal)
    with running(daemon) as ended_with:
        eventually(lambda: daemon.view.observation.reachable(LOCAL), 20, "it looks at its hosts")
        assert "readonly" in daemon.view.daemon.held
    assert ended_with == []
    journal = Journal.open(home.state.journal)
    daemon = daemon_in(home, journal)
    with running(daemon) as ended_with:
        journal._connection.execute("DROP TABLE facts")
        with pytest.raises(JournalError, match="no such table"):
            DaemonDesk(daemon, Talk()).record(HUGE)
        eventually(lambda: ended_with, 20, "it ends")
        with pytest.raises(JournalError, match="no such table"):
            DaemonDesk(daemon, Talk()).require_asker()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["LandingBegun", "WaveLanded"])
def test_a_landing_that_could_not_be_written_down_is_settled_once_it_can_be(
    home: Home, plain: Repository, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """From that fact on the disk is full, for as long as the test says so."""
    monkeypatch.setattr("orchestrator.holding.TRY_EVERY_S", 0.2)
    base = plain.commit("first", b__txt="b\n")
    plain.git("checkout", "--quiet", "-b", "w/a")
    tip = plain.commit("more", c__txt="c\n")
    plain.git("checkout", "--quiet", "main")
    write, full = Journal.append, threading.Event()

    def append(journal: Journal, facts: Any, at: datetime) -> Any:
        facts = tuple(facts)
        if any(type(fact).__name__ == kind for fact in facts):
            full.set()
        if full.is_set():
            journal._connection.execute(FULL)
            facts = (*facts, HUGE)  # small ones may find room in a page that is there
        return write(journal, facts, at)

    journal = Journal.open(home.state.journal)
    daemon = daemon_in(home, journal)
    daemon.put(Happened(facts=(f.DoneAsked(workstream="a", by="ada"),)))
    with running(daemon):
        eventually(lambda: daemon.view.observation.reachable(LOCAL), 20, "the host answers")
        monkeypatch.setattr(Journal, "append", append)
        answer = answer_to(daemon, MergeWave(wave=1, by="ada"))
        assert "disk is full" in answer["refused"]["message"], answer
        moved = plain.git("rev-parse", "main")
        assert (moved == base) is (kind == "LandingBegun")
        monkeypatch.setattr(Journal, "append", write)
        journal._connection.execute(ROOMY)
        eventually(lambda: not daemon.view.daemon.held, 20, "it goes on")
        if kind == "WaveLanded":
            eventually(lambda: daemon.view.state.wave(1).landed, 20, "the landing is finished")
        else:
            report = eventually(lambda: answer_to(daemon, MergeWave(wave=1, by="ada")).get("answer"), 20)
            assert report is not None and report["ok"]
        assert plain.git("merge-base", "main", "w/a") == tip and not plain.git(
            "status", "--porcelain", "-uno"
        )


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
    with suppress(OSError), Path("/dev/full").open("w") as full_disk:
        log_to(full_disk)
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
