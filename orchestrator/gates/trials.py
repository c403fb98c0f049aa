"""Runs the commands of a built-in check in its job's checkout, and remembers what they came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from orchestrator import git
from orchestrator.agent.files import load_json, write_json
from orchestrator.checks.trials import NoVerdict, Outcome, Trial
from orchestrator.codec import WireError, build
from orchestrator.copying import copied_files
from orchestrator.core.leases import visible_devices
from orchestrator.core.plan import Gate
from orchestrator.errors import CommandFailed
from orchestrator.gates.jobs import Job
from orchestrator.gates.keys import digest_of, locks_of
from orchestrator.site import Site
from orchestrator.wire import Checkout, GateCommand, GateRan, Overlay, RunGates

RUN_DEADLINE_S = 12 * 3600.0
"""For a call that may wait for another run in the same checkout; each command has its own time limit."""


class HostTrials:
    """`lane` names the checkout, `run` the logs, `about` stands for all that is the same for every trial."""

    def __init__(
        self, site: Site, job: Job, gate: Gate, *, lane: str, run: str, about: str, gpus: tuple[int, ...]
    ) -> None:
        self._site = site
        self._job = job
        self._gate = gate
        self._lane = lane
        self._run = run
        self._about = about
        self._gpus = gpus
        self.log: str | None = None

    def run(self, trial: Trial) -> Outcome:
        kept = self._place(trial)
        found = _remembered(kept)
        if found is None:
            found = self._now(trial)
            if found.exit_code == 0 or (trial.keeps_failures and not found.timed_out):
                kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                write_json(kept, asdict(found))
        self.log = found.log or self.log
        return found

    def _now(self, trial: Trial) -> Outcome:
        items: list[GateRan] = []
        try:
            self._site.call(self._request(trial), deadline_s=RUN_DEADLINE_S, on_item=items.append)
        except CommandFailed as lost:
            if not items:
                raise NoVerdict(lost.message) from lost
        if not items:
            raise NoVerdict("it was not run, and the host does not say why")
        ran = items[0]
        self.log = ran.log
        if ran.infrastructure is not None:
            raise NoVerdict(ran.infrastructure)
        if ran.gate == "setup":
            raise NoVerdict(f"not run: the set-up failed\n{ran.tail}", is_red=True)
        return Outcome(
            exit_code=ran.exit_code,
            timed_out=ran.timed_out,
            tail=ran.tail,
            log=ran.log,
            changed=ran.changed,
            files=ran.files,
        )

    def _request(self, trial: Trial) -> RunGates:
        job, home = self._job, self._site.home
        source = trial.source or trial.commit
        overlay = Overlay(source=source, paths=trial.paths, texts=trial.texts)
        checkout = Checkout(
            name=self._lane,
            commit=trial.commit,
            setup=job.setup,
            locks=locks_of(home, job.tree) if job.setup else "",
            copy=copied_files(home.root, job.copy),
            env=dict(job.env),
            overlay=overlay if trial.source or trial.texts else None,
        )
        command = GateCommand(
            gate=self._gate.name,
            command=trial.command,
            timeout_s=self._gate.timeout_s,
            run=f"{self._run}{digest_of(trial.name)[:6]}.1",
            env={**visible_devices(self._gpus), **trial.env},
            wanted=trial.wanted,
        )
        return RunGates(place=self._site.place, checkout=checkout, gates=(command,))

    def _place(self, trial: Trial) -> Path:
        """Named after the trees that it sees: two commits of the same content are one trial."""
        here = self._site.home
        names = [trial.commit, *([trial.source] if trial.source else [])]
        trees: Mapping[str, str | None] = git.find_trees(here.git, names)
        laid = git.tree_entries(here.git, trial.source, *trial.paths) if trial.source and trial.paths else ()
        seen = {
            "tree": trees[trial.commit],
            "laid": [(entry.path, entry.mode, entry.id) for entry in laid],
            "command": trial.command,
            "texts": trial.texts,
            "env": trial.env,
            "wanted": trial.wanted,
            "about": self._about,
        }
        return here.state.gates / "trials" / f"{digest_of(seen)[:40]}.json"


def _remembered(place: Path) -> Outcome | None:
    try:
        return build(Outcome, load_json(place))
    except (WireError, CommandFailed):
        return None
