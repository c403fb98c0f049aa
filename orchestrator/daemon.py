"""Composition root. The daemon's day:

1. take the lock, so that there is one daemon for a repository;
2. replay the journal into a state;
3. open the socket, and a lane for each host;
4. turn the loop (see `loop`): probes, requests and finished actions come in, facts are written,
   decisions follow, effects go out to the lanes;
5. when told to leave, close the lanes. Workers stay.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from errno import EDQUOT, EIO, ENOSPC, EROFS
from pathlib import Path
from queue import SimpleQueue
from typing import NoReturn

import structlog

from orchestrator import __version__
from orchestrator import requests as r
from orchestrator.ageing import Ageing
from orchestrator.answers import Answers, Levers
from orchestrator.api import Api
from orchestrator.beacons import Beacons
from orchestrator.core import facts as f
from orchestrator.core.decide import Effect
from orchestrator.core.facts import Fact
from orchestrator.core.plan import HostName, Plan
from orchestrator.core.state import State
from orchestrator.core.status import DaemonStatus
from orchestrator.errands import run_errand
from orchestrator.errors import Bug, ExitStatus, JournalError, OrchestratorError, Refused
from orchestrator.forecast.watch import ForecastWatch, is_worth_a_look
from orchestrator.harvest import Harvest, has_finished
from orchestrator.inbox import Happened, Leave, Message, ResultsSeen, Tick
from orchestrator.journal import Journal
from orchestrator.land import recover
from orchestrator.lane import Lane
from orchestrator.log_sink import log_to
from orchestrator.loop import Hooks, Loop, View
from orchestrator.perform import Bench
from orchestrator.plan_file import load_plan
from orchestrator.results.known import known_pulls
from orchestrator.results.watch import ResultsWatch
from orchestrator.saving import SavingWatch
from orchestrator.settings import poll_s
from orchestrator.single import take_lock
from orchestrator.site import Claims, Home, Site, Sites, find_home
from orchestrator.talk import Talk
from orchestrator.ticking import SteadyScheduler

HARVEST_EVERY_S = 5.0
RECORD_PAUSE_S = 0.5

log = structlog.get_logger(__name__)


class Daemon:
    """Everything wired together for one plan."""

    def __init__(self, plan: Plan, home: Home, journal: Journal) -> None:
        self._home = home
        self._poll_s = poll_s()
        self._inbox: SimpleQueue[Message] = SimpleQueue()
        # First: it takes what is for this process alone out of the environment.
        self._beacons = Beacons(home.state, lambda: self._loop.view, lambda: self._caller_env)
        self._caller_env: Mapping[str, str] = dict(os.environ)
        self._harvest_at = 0.0
        self._errand = threading.Lock()
        self.settled = threading.Event()
        """What an earlier daemon left half done is finished or undone."""
        self.settled.set()
        self._closing = False
        self._broken: JournalError | None = None
        daemon = DaemonStatus(running=True, pid=os.getpid())
        self._loop = Loop(journal, plan, daemon, self._inbox, self._hooks())
        self._claims = Claims(home.owner)
        self._sites = Sites(plan, home, self._claims)
        self._lanes: dict[HostName, Lane] = {}
        self._answers = Answers(self._levers())
        self._loop.begin(_opening_facts(self._loop.view.state, plan))
        self._harvest = Harvest(lambda: DaemonDesk(self, Talk()), self._is_reachable, self._inbox)
        self._forecast = ForecastWatch(lambda: DaemonDesk(self, Talk()), self._is_reachable)
        self._ageing = Ageing(lambda: DaemonDesk(self, Talk()), self._is_reachable)
        self._results = ResultsWatch(
            lambda: DaemonDesk(self, Talk()),
            lambda name, seen: self._inbox.put(ResultsSeen(workstream=name, seen=seen)),
        )
        self._saving = SavingWatch(lambda: DaemonDesk(self, Talk()))
        self._api = Api(
            home.state.socket, home.state.journal, lambda: self._loop.view, self._inbox, self._beacons
        )
        self._scheduler = SteadyScheduler(timezone="UTC")

    def run(self) -> None:
        """Serve until told to leave."""
        self._adopt(self._loop.view.plan)
        for name, seen in known_pulls(self._loop.view.plan).items():
            self._inbox.put(ResultsSeen(workstream=name, seen=seen))
        self._start_clock()
        self._api.start()
        self._beacons.started()
        self._inbox.put(Tick())
        log.info("listening", pid=os.getpid(), version=__version__, socket=str(self._home.state.socket))
        failed = True
        try:
            why = self._loop.run()
            self._loop.end([f.DaemonStopped(pid=os.getpid(), why=why)])
            log.info("leaving", why=why)
            failed = False
        except JournalError as error:
            self._broken = error
            raise
        finally:
            self._close(failed=failed)

    def leave(self, why: str) -> None:
        self._inbox.put(Leave(why=why))

    def put(self, message: Message) -> None:
        """Thread-safe."""
        self._inbox.put(message)

    @property
    def view(self) -> View:
        return self._loop.view

    @property
    def is_closing(self) -> bool:
        return self._closing

    def gone(self, what: str) -> OrchestratorError:
        """Why nothing is done any more, for whoever waits for it."""
        return self._broken or Refused(f"the daemon is leaving; {what}.")

    @property
    def home(self) -> Home:
        return self._home

    @property
    def sites(self) -> Sites:
        return self._sites

    def _start_clock(self) -> None:
        self._scheduler.add_job(
            lambda: self._inbox.put(Tick()),
            "interval",
            seconds=self._poll_s,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
        self._scheduler.start()

    def _close(self, *, failed: bool) -> None:
        self._closing = True
        self._scheduler.shutdown(wait=False)
        self._beacons.close(failed=failed)
        self._api.stop()
        self._harvest.close()
        self._forecast.close()
        self._ageing.close()
        self._results.close()
        self._saving.close()
        self._sites.close_all()
        for lane in self._lanes.values():
            lane.close()

    def _hooks(self) -> Hooks:
        return Hooks(
            effects=self._hand_out,
            asked=lambda view, asked: self._answers.take(view, asked),
            tick=self._tick,
            changed=lambda view: self._answers.check(view),
            turned=self._beacons.turned,
            held=self._held,
        )

    def _levers(self) -> Levers:
        return Levers(
            write=self._loop.write,
            adopt=self._adopt,
            environment=self._environment,
            run=self._run_errand,
            pull=lambda names, talk: self._results.pull_now(names, talk),
            take_over=self._take_over,
            leave=self.leave,
            view=lambda: self._loop.view,
        )

    def _hand_out(self, view: View, effects: Sequence[Effect]) -> None:
        bench = Bench(plan=view.plan, home=self._home, caller_env=self._caller_env, inbox=self._inbox)
        by_lane: dict[tuple[str, type[Effect]], list[Effect]] = {}
        for effect in effects:
            by_lane.setdefault((effect.launch.host, type(effect)), []).append(effect)
        for (host, _), batch in by_lane.items():
            self._lanes[HostName(host)].perform(bench, batch)

    def _tick(self, view: View) -> None:
        self._beacons.tick()
        for lane in self._lanes.values():
            lane.probe(view.plan, view.state)
        if view.daemon.held:
            return
        if time.monotonic() >= self._harvest_at and has_finished(view.plan, view.state):
            self._harvest_at = time.monotonic() + HARVEST_EVERY_S
            self._harvest.look(view.plan)
        if is_worth_a_look(view.state):
            self._forecast.look()
        self._ageing.look()
        self._results.look(view.plan, view.state, view.observation)
        self._saving.look(view.plan, view.state, view.observation)

    def _held(self, view: View) -> None:
        """Tell who waits; what a landing could not write down is settled once that can be done."""
        if view.daemon.held:
            self._answers.say(f"the daemon holds everything for now: {view.daemon.held}")
            return
        self._answers.say("the daemon goes on")
        threading.Thread(target=self._settle, name="settle", daemon=True).start()

    def _settle(self) -> None:
        with self._errand:
            _finish_landing(self)

    def _adopt(self, plan: Plan) -> None:
        self._loop.adopt(plan)
        self._sites.adopt(plan)
        self._beacons.adopt(plan)
        for name in plan.hosts:
            if name not in self._lanes:
                self._lanes[name] = Lane(name, self._sites, self._inbox)
        for name in [name for name in self._lanes if name not in plan.hosts]:
            self._lanes.pop(name).close()

    def _is_reachable(self, host: HostName) -> bool:
        return self._loop.view.observation.reachable(host)

    def _environment(self, env: Mapping[str, str]) -> None:
        if env:
            self._caller_env = dict(env)

    def _take_over(self, hosts: Sequence[str]) -> None:
        for host in map(HostName, hosts):
            self._claims.take_over(host)
            self._sites.close(host)
            self._loop.forget_host(host)
            self._lanes[host].hurry()

    def _run_errand(self, errand: r.Errand, talk: Talk) -> None:
        threading.Thread(target=self._perform, args=(errand, talk), name="errand", daemon=True).start()

    def _perform(self, errand: r.Errand, talk: Talk) -> None:
        if not self._errand.acquire(blocking=False):
            talk.refuse(Refused("another landing or cleaning is under way.", "try again when that has ended"))
            return
        try:
            if not self.settled.is_set():
                talk.say("an interrupted landing is looked for, and settled, first")
            self.settled.wait()
            talk.answer(run_errand(DaemonDesk(self, talk), errand))
        except OrchestratorError as error:
            talk.refuse(error)
        except Exception as error:  # the asker must hear of it, whatever it is
            talk.refuse(_told(error, self._home.state.log))
            with suppress(OSError):  # a full disk takes no log
                log.exception("bug in an errand")
        finally:
            self._errand.release()


def _told(error: Exception, log_file: Path) -> OrchestratorError:
    """What the machine keeps us from is no bug."""
    if isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT, EROFS, EIO):
        where = f": {error.filename}" if error.filename else ""
        return OrchestratorError(f"{error.strerror}{where}", "mend that and run it again")
    return Bug(f"a bug of ours: {error!r}", f"see {log_file}")


class DaemonDesk:
    """The daemon as gates and landings see it, from a thread that is not the loop's."""

    def __init__(self, daemon: Daemon, talk: Talk) -> None:
        self._daemon = daemon
        self._talk = talk

    @property
    def plan(self) -> Plan:
        return self._daemon.view.plan

    @property
    def state(self) -> State:
        return self._daemon.view.state

    @property
    def home(self) -> Home:
        return self._daemon.home

    def site(self, host: HostName) -> Site:
        return self._daemon.sites.site(host)

    def record(self, *facts: Fact) -> None:
        written: Future[None] = Future()
        self._daemon.put(Happened(facts=facts, written=written))
        while True:
            try:
                return written.result(timeout=RECORD_PAUSE_S)
            except TimeoutError:
                # The loop may have left before it came to this: nobody would ever answer.
                if self._daemon.is_closing:
                    raise self._daemon.gone("nothing more is written") from None

    def say(self, text: str) -> None:
        self._talk.say(text)

    def require_asker(self) -> None:
        if self._daemon.is_closing:
            raise self._daemon.gone("nothing more is begun")
        if self._talk.over:
            raise Refused("whoever asked has gone; nothing was changed.")


def _opening_facts(state: State, plan: Plan) -> list[Fact]:
    begun = [] if state.token else [f.JournalBegun(token=secrets.token_hex(4))]
    return [
        *begun,
        f.DaemonStarted(pid=os.getpid(), version=__version__),
        f.PlanRead(source=plan.source, digest=plan.digest),
    ]


def serve(source: Path) -> None:
    """Be the daemon of the plan in `source`, until `down`, SIGTERM or Ctrl-C. Workers stay.

    Raises:
        OrchestratorError: the plan, the journal or the repository does not allow it.
    """
    plan = load_plan(source)
    home = find_home(source.parent)
    home.state.create()
    with take_lock(home.state):
        journal = Journal.open(home.state.journal)
        daemon = Daemon(plan, home, journal)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda number, frame: daemon.leave(signal.Signals(number).name))
        daemon.settled.clear()
        threading.Thread(target=_finish_landing, args=(daemon,), name="recover", daemon=True).start()
        daemon.run()
        journal.close()


def _finish_landing(daemon: Daemon) -> None:
    try:
        if daemon.view.daemon.held:
            return  # once it goes on
        recover(DaemonDesk(daemon, Talk()))
    except OrchestratorError as error:
        log.error("unfinished landing", reason=error.message, hint=error.hint)
    finally:
        daemon.settled.set()


def main() -> None:
    """`python -m orchestrator.daemon PLAN`."""
    log_to(sys.stdout)
    try:
        serve(Path(sys.argv[1]))
    except OrchestratorError as error:
        print(f"error: {error}" + (f" ({error.hint})" if error.hint else ""), file=sys.stderr)  # noqa: T201
        leave_now(error.exit_status)
    leave_now(ExitStatus.DONE)


def leave_now(status: int) -> NoReturn:
    """End the process without its threads: one may wait minutes for a host, all can be repeated."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # on a full disk what is left is lost
            stream.flush()
    os._exit(int(status))


if __name__ == "__main__":
    main()
