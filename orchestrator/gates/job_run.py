"""One job's gates, one after another: what is known is told, the rest is run, with its retries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from orchestrator import git
from orchestrator.checks import runs_commands
from orchestrator.checks.trials import NoVerdict
from orchestrator.copying import copied_files
from orchestrator.core.facts import GateRetried
from orchestrator.core.gating import Outcome
from orchestrator.core.leases import visible_devices
from orchestrator.core.plan import Gate
from orchestrator.desk import Desk
from orchestrator.errors import CommandFailed, HostUnreachable, Refused
from orchestrator.gates.jobs import Job
from orchestrator.gates.keys import Key, base_seen, key_of, locks_of, trials_about
from orchestrator.gates.patience import Patience
from orchestrator.gates.results import checked, content_of, keep, kept_verdict, verdict_from
from orchestrator.gates.session import GateSession
from orchestrator.gates.slots import place_for
from orchestrator.gates.toolchains import Toolchains
from orchestrator.gates.trials import RUN_DEADLINE_S, HostTrials
from orchestrator.gates.turns import turn
from orchestrator.gates.verdicts import GateVerdict, verdict_of
from orchestrator.gates.why import lost_verdict, not_run, ran_verdict
from orchestrator.wire import Checkout, GateCommand, GateRan, RunGates

if TYPE_CHECKING:
    from orchestrator.site import Site

RETRY_PAUSE_S = 0.5
"""Before the first retry, doubled for each further one: what failed is to come back meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """`written` is set once the fact is."""

    fact: GateRetried
    words: str
    written: threading.Event = field(default_factory=threading.Event)


Told = GateVerdict | Retried | str
"""What a run tells: a verdict, a retry, or words for whoever asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What all jobs of one request share."""

    desk: Desk
    use_cache: bool
    session: GateSession | None
    toolchains: Toolchains
    over: threading.Event
    tell: Callable[[Told], None]


class JobRun:
    """The gates of one job, in one thread."""

    def __init__(self, asked: Asked, job: Job) -> None:
        self._asked = asked
        self._job = job
        self._home = asked.desk.home
        self._failed_setup: GateRan | None = None

    def run(self) -> None:
        """Tell a verdict for every gate.

        Raises:
            HostUnreachable: the host did not answer in the first place.
            Refused: nobody wants it any more, or a file that is to be copied is missing.
        """
        left = [gate for gate in self._job.gates if not self._told_known(gate)]
        # Those that may have to wait for a GPU keep no other from running.
        for gate in sorted(left, key=lambda gate: (gate.run is not None, gate.gpu)):
            self._asked.tell(self._settled(gate))

    def _told_known(self, gate: Gate) -> bool:
        known = self._known(gate, self._key(gate)) if self._asked.use_cache else None
        if known is not None:
            self._asked.tell(known)
        return known is not None

    def _key(self, gate: Gate) -> Key:
        return key_of(self._home, self._job, gate, self._asked.toolchains.of(self._job, gate))

    def _known(self, gate: Gate, key: Key) -> GateVerdict | None:
        session = self._asked.session
        red = session.red(key) if session is not None else None
        if red is not None:
            return replace(red, commit=self._job.commit, tree=self._job.tree, cached=True)
        return kept_verdict(self._home, self._job, gate, key)

    def _settled(self, gate: Gate) -> GateVerdict:
        key = self._key(gate)
        if not runs_commands(gate):
            return self._learnt(gate, key, checked(self._home, self._job, gate))
        if self._failed_setup is not None:
            return not_run(self._job, gate, self._failed_setup)
        patience = self._patience(gate)
        running = self._home.state.gates / "turns" / key.digest
        with turn(running, patience.waiting_for("the same run"), join=self._asked.use_cache) as mine:
            known = verdict_from(mine.said, self._job, gate, key)
            if known is None and self._asked.use_cache:
                known = self._known(gate, key)  # whoever had the turn before may just have found out
            if known is None:
                known = self._learnt(gate, key, self._run(gate, key, patience))
                if known.outcome is not Outcome.INFRASTRUCTURE:
                    mine.tell(content_of(key, known))
            return known

    def _learnt(self, gate: Gate, key: Key, verdict: GateVerdict) -> GateVerdict:
        keep(self._home, key, gate, verdict)
        if self._asked.session is not None:
            self._asked.session.learn(key, verdict)
        return verdict

    def _run(self, gate: Gate, key: Key, patience: Patience) -> GateVerdict:
        """Run it, and again where it came to no verdict, as often as the plan allows."""
        attempt = 1
        while True:
            verdict = replace(self._attempt(gate, key, attempt, patience), attempts=attempt)
            if verdict.outcome is not Outcome.INFRASTRUCTURE or attempt > gate.retries:
                return verdict
            self._say_again(gate, verdict, attempt)
            patience.wait(RETRY_PAUSE_S * 2.0 ** (attempt - 1))
            attempt += 1

    def _attempt(self, gate: Gate, key: Key, attempt: int, patience: Patience) -> GateVerdict:
        try:
            site = self._asked.desk.site(self._job.host)
            with place_for(self._asked.desk, self._job, gate, patience) as (lane, gpus):
                return self._placed(site, gate, key, attempt, lane, gpus)
        except HostUnreachable as lost:
            if attempt == 1:
                raise
            return lost_verdict(self._job, gate, lost.message)

    def _placed(
        self, site: Site, gate: Gate, key: Key, attempt: int, lane: str, gpus: tuple[int, ...]
    ) -> GateVerdict:
        items: list[GateRan] = []
        try:
            _bring_commit(site, self._job)
            if gate.check is not None:
                return self._tried(site, gate, key, attempt, lane, gpus)
            request = self._request(site, gate, lane, gpus, f"{key.digest[:12]}.{attempt}")
            site.call(request, deadline_s=RUN_DEADLINE_S, on_item=items.append)
        except (HostUnreachable, CommandFailed) as lost:
            if not items:
                return lost_verdict(self._job, gate, lost.message)
        return self._judged(gate, items)

    def _tried(
        self, site: Site, gate: Gate, key: Key, attempt: int, lane: str, gpus: tuple[int, ...]
    ) -> GateVerdict:
        """A built-in check that runs commands."""
        about = trials_about(self._home, self._job, gate, self._asked.toolchains.of(self._job, gate))
        run = f"{key.digest[:12]}{attempt:x}"
        trials = HostTrials(
            site,
            self._job,
            gate,
            lane=lane,
            run=run,
            about=about if self._asked.use_cache else f"{about}-{run}-{time.time_ns()}",
            gpus=gpus,
        )
        began = time.monotonic()
        try:
            verdict = checked(self._home, self._job, gate, trials)
        except NoVerdict as why:
            outcome = Outcome.RED if why.is_red else Outcome.INFRASTRUCTURE
            verdict = verdict_of(self._job, gate, outcome, message=why.message)
        return replace(verdict, seconds=time.monotonic() - began, log=trials.log)

    def _judged(self, gate: Gate, items: list[GateRan]) -> GateVerdict:
        ran = next((item for item in items if item.gate == gate.name), None)
        if ran is not None:
            return ran_verdict(self._job, gate, ran)
        if not items:
            return lost_verdict(self._job, gate, "it was not run, and the host does not say why")
        if items[0].infrastructure is None:
            self._failed_setup = items[0]
        return not_run(self._job, gate, items[0])

    def _request(self, site: Site, gate: Gate, lane: str, gpus: tuple[int, ...], run: str) -> RunGates:
        job, base = self._job, base_seen(self._home, self._job, gate)
        env = {"ORCHESTRATOR_BASE": base} if base is not None else {}
        env |= visible_devices(gpus)
        checkout = Checkout(
            name=lane,
            commit=job.commit,
            tree=job.tree,
            setup=job.setup,
            locks=locks_of(self._home, job.tree) if job.setup else "",
            copy=copied_files(self._home.root, job.copy),
            env=dict(job.env),
        )
        command = GateCommand(
            gate=gate.name, command=gate.run or "", timeout_s=gate.timeout_s, run=run, env=env
        )
        return RunGates(place=site.place, checkout=checkout, gates=(command,))

    def _say_again(self, gate: Gate, verdict: GateVerdict, attempt: int) -> None:
        """Tell of a retry, and wait until it is written down."""
        fact = GateRetried(
            wave=verdict.wave,
            workstream=verdict.workstream,
            gate=gate.name,
            commit=verdict.commit,
            attempt=attempt,
            reason=verdict.why,
            log=verdict.log or "",
        )
        words = f"{gate.name} of {verdict.subject}: {verdict.finding} (run {attempt} of {gate.retries + 1})"
        retried = Retried(fact=fact, words=f"{words}; once more")
        self._asked.tell(retried)
        while not retried.written.wait(0.05):
            if self._asked.over.is_set():
                raise Refused("interrupted.")

    def _patience(self, gate: Gate) -> Patience:
        who = f"{gate.name} of {self._job.subject}"
        return Patience(
            self._asked.desk, self._asked.over, lambda what: self._asked.tell(f"{who} waits for {what}")
        )


def _bring_commit(site: Site, job: Job) -> None:
    """A tip that stands only here, its host has not seen yet."""
    if site.is_local or job.workstream is None:
        return
    ref = site.remote_ref(job.workstream.branch)
    if git.refs(site.home.git, ref).get(ref) != job.commit:
        site.send([job.commit], {})
