"""A random walk of faults and commands on the real product, beside a model of what must hold after each step.

The model knows three things of a workstream: whether it is meant to run, how often its worker must have
been started, and that no two of them may ever live at the same time.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from random import Random

from faults import victims
from faults.figures import Answer, Options, none_of, plain
from faults.scene import FOREVER, Scene, scene
from tests.support.eventually import eventually

_SETTLED_WITHIN_S = 90.0
_MOST_KILLS = 4
"""Of one workstream's workers: each pause before a restart is twice the one before."""

STEPS = 60
STREAMS = {"far1": "g0", "far2": "g0", "near": "local"}


class Walk:
    """`taken` is the way so far. A step leaves everything settled, but for what a cut link hides."""

    def __init__(self, stage: Scene, random: Random, streams: Mapping[str, str] = STREAMS) -> None:
        """`streams` are the workstreams, each with its host."""
        self.taken: list[str] = []
        self._stage = stage
        self._random = random
        self._streams = streams
        self._starts = dict.fromkeys(streams, 1)
        self._stopped: set[str] = set()
        self._kills: Counter[str] = Counter()
        self._hidden = ""
        """What keeps the host from being seen; empty where nothing does."""

    def begin(self) -> None:
        stage = self._stage
        stage.plan(
            *(stage.line(name, where, stage.command(FOREVER)) for name, where in self._streams.items()),
            defaults="restart: {limit: 99, backoff: 1s}",
        )
        stage.project.ok("up", within_s=300)
        self.check()

    def step(self) -> None:
        """Raises: AssertionError: what the model says does not hold."""
        act = self._random.choice(self._possible())
        self.taken.append(act.__name__.strip("_"))
        act()
        self.check()

    def end(self) -> None:
        self._heal()
        self.check()
        self._stage.project.ok("down", within_s=120)
        left = self._stage.left_over()
        assert not left, f"after down: {left}"

    def check(self, within_s: float = _SETTLED_WITHIN_S) -> None:
        """Raises: AssertionError: something does not come to be as the model has it."""
        with suppress(AssertionError):
            eventually(lambda: not self._wrong(), within_s, every_s=0.2)
        wrong = self._wrong()
        assert not wrong, "; ".join(wrong)

    def _wrong(self) -> list[str]:
        statuses = self._stage.statuses()
        found = [f"{self._stage.doubles()} second workers"] if self._stage.doubles() else []
        if not self._hidden:
            away = [host for host in set(self._streams.values()) if not self._stage.reachable(host)]
            found += [f"{host} is not reachable" for host in away]
        for name, where in self._streams.items():
            state = statuses[name]["state"]
            seen = not (self._hidden and where == "g0")
            starts, lives = len(self._stage.runs(name, "start")), len(self._stage.workers(name))
            if name in self._stopped:
                found += [f"{name} is {state}, {lives} live"] if state != "stopped" or lives else []
            elif not seen:
                found += (
                    [f"{name}, unseen, is {state}"] if state not in ("running", "backoff", "starting") else []
                )
            elif (state, lives, starts) != ("running", 1, self._starts[name]):
                found.append(f"{name} is {state}, {lives} live, {starts} starts of {self._starts[name]}")
        return found

    # --- what may happen ------------------------------------------------------------------------------

    def _possible(self) -> list[Callable[[], None]]:
        always = [self._kill_agent, self._kill_daemon]
        if self._hidden:
            return [*always, self._heal, self._heal]
        open_to_all = [self._cut, self._freeze, self._drop, self._restart, self._stop, self._up]
        killable = any(self._kills[name] < _MOST_KILLS for name in self._running())
        return always + open_to_all + ([self._kill_worker, self._kill_supervisor] * 2 if killable else [])

    def _running(self) -> list[str]:
        return [name for name in self._streams if name not in self._stopped]

    def _one_to_kill(self) -> str:
        return self._random.choice([n for n in self._running() if self._kills[n] < _MOST_KILLS])

    def _kill_worker(self) -> None:
        name = self._one_to_kill()
        self.taken[-1] += f" of {name}"
        self._expect_again(name)
        assert victims.kill(self._stage.workers(name)) == 1

    def _kill_supervisor(self) -> None:
        name = self._one_to_kill()
        self.taken[-1] += f" of {name}"
        self._expect_again(name)
        own = f"/{name}-"
        assert victims.kill(one for one in self._stage.supervisors() if own in one.argv[-1]) == 1

    def _expect_again(self, name: str) -> None:
        self._kills[name] += 1
        self._starts[name] += 1

    def _kill_agent(self) -> None:
        victims.kill(self._stage.agents())

    def _kill_daemon(self) -> None:
        self._stage.project.kill_daemon()
        self._stage.project.run("up", *(["near"] if self._hidden else []))
        for name in ["near"] if self._hidden else list(self._stopped):
            if name in self._stopped:
                self._started(name)

    def _cut(self) -> None:
        self._hide("cut")
        self._stage.hosts[0].link.cut()

    def _freeze(self) -> None:
        self._hide("frozen")
        self._stage.hosts[0].freeze()

    def _hide(self, how: str) -> None:
        self._hidden = how
        time.sleep(self._random.uniform(0.0, 1.0))

    def _heal(self) -> None:
        if self._hidden == "cut":
            self._stage.hosts[0].link.heal()
        elif self._hidden:
            self._stage.hosts[0].thaw()
        self._hidden = ""

    def _drop(self) -> None:
        self._stage.hosts[0].drop()

    def _restart(self) -> None:
        if running := self._running():
            name = self._random.choice(running)
            self.taken[-1] += f" {name}"
            self._starts[name] += 1
            self._stage.project.run("restart", name)

    def _stop(self) -> None:
        if running := self._running():
            name = self._random.choice(running)
            self.taken[-1] += f" {name}"
            self._stopped.add(name)
            self._stage.project.run("stop", name)

    def _up(self) -> None:
        self._stage.project.run("up")
        for name in list(self._stopped):
            self._started(name)

    def _started(self, name: str) -> None:
        self._stopped.discard(name)
        self._starts[name] += 1


def measure(options: Options) -> Iterator[Answer]:
    steps = 3 if options.few else STEPS
    with scene(1, namespaces=options.namespaces, poll_s=0.2) as stage:
        walk = Walk(stage, options.random("walk"))
        broken = 0
        try:
            walk.begin()
            for _ in range(steps):
                walk.step()
            walk.end()
        except AssertionError as error:
            broken = 1
            print(f"after {', '.join(walk.taken)}: {error}", file=sys.stderr)
        yield plain("random walk: steps", len(walk.taken))
        yield none_of("random walk: ways that the model forbids", broken, 1)
        yield none_of("random walk: two live workers of one workstream", stage.doubles())
