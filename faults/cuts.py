"""Links that are cut for 0.1 to 5 s at random, connections that end, and on request a cut of ten minutes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

from faults.figures import Answer, NotRun, Options, none_of, plain
from faults.host import Host
from faults.scene import FOREVER, Scene, scene

_SHORTEST_S, _LONGEST_S = 0.1, 5.0
_LONG_CUT_S = 600.0
_STAGE_S = 6.0
_CUTS_A_STAGE = 8
"""Roughly: a stage lasts longer where its start has to wait for the link."""

_QUIET_S = 120.0


def measure(options: Options) -> Iterator[Answer]:
    hosts = 1 if options.few else options.hosts
    with scene(hosts, namespaces=options.namespaces, poll_s=options.poll_s) as stage:
        each = max(1, options.cuts // hosts)
        chain = 2 + each // _CUTS_A_STAGE
        _begin(stage, chain, _STAGE_S / 6 if options.few else _STAGE_S)
        cut_s = _cut_all(stage, each, options)
        yield plain(f"cuts of {hosts} links, in all", each * hosts)
        yield plain("how long they were cut, in all", sum(cut_s), "s")
        yield from _judged(stage, chain, "cuts")
    if options.long:
        with scene(1, namespaces=options.namespaces) as stage:
            _begin(stage, 2, FOREVER)
            _long_cut(stage)
            yield from _judged(stage, 2, "a cut of 10 min")
    else:
        yield NotRun(what="a cut of 10 min", why="only with --long")


def _begin(stage: Scene, chain: int, stage_s: float) -> None:
    """Each host has a steady worker, and one that goes through many short stages."""
    lines = []
    for one in stage.hosts:
        lines.append(stage.line(f"steady-{one.name}", one.name, stage.command(FOREVER)))
        command = stage.command(int(stage_s / 0.2))
        stages = ", ".join(f"{{name: n{number}, run: '{command}'}}" for number in range(chain))
        name = f"chain-{one.name}"
        lines.append(f"{name}: {{branch: w/{name}, host: {one.name}, stages: [{stages}]}}")
    stage.plan(*lines)
    stage.project.ok("up", within_s=300)


def _cut_all(stage: Scene, each: int, options: Options) -> list[float]:
    """Each host's link on its own, all at the same time; how long each was down in all."""
    randoms = [options.random(f"cuts {one.name}") for one in stage.hosts]
    with ThreadPoolExecutor(len(stage.hosts)) as pool:
        return list(pool.map(lambda one, random: _cut(one, each, random), stage.hosts, randoms))


def _cut(one: Host, times: int, random: Random) -> float:
    down_s = 0.0
    for _ in range(times):
        if random.random() < 0.25:
            one.drop()
        else:
            for_s = _SHORTEST_S * (_LONGEST_S / _SHORTEST_S) ** random.random()
            down_s += for_s
            one.link.cut()
            time.sleep(for_s)
            one.link.heal()
        time.sleep(random.uniform(0.1, 2.0))
    return down_s


def _long_cut(stage: Scene) -> None:
    (one,) = stage.hosts
    one.link.cut()
    threading.Timer(_LONG_CUT_S / 2, stage.let_end).start()
    time.sleep(_LONG_CUT_S)
    one.link.heal()


def _judged(stage: Scene, chain: int, after: str) -> Iterator[Answer]:
    for one in stage.hosts:
        stage.until_reachable(one.name, is_so=True)
    stage.let_end()
    names = list(stage.statuses())
    unfinished = _until_quiet(stage, names)
    ends = sum(len(stage.runs(name, "end")) for name in names)
    starts = [(name, run.stage, run.attempt) for name in names for run in stage.runs(name, "start")]
    again = [attempt for _, _, attempt in starts if attempt != 1]
    yield none_of(f"restarts after {after}", stage.count("RetryChosen") + len(again), len(starts))
    yield none_of(f"lost results after {after}", ends - stage.count("StagePassed"), ends)
    yield none_of(f"duplicate starts after {after}", len(starts) - len(set(starts)) + stage.doubles())
    yield none_of(f"workstreams that did not come to their end after {after}", len(unfinished), len(names))
    yield plain(f"times that a host was called lost, {after}", stage.count("HostLost"))


def _until_quiet(stage: Scene, names: list[str]) -> list[str]:
    """Who is not done, and for a while nobody came further: that a machine is loaded stops no waiting."""
    passed, left = -1, names
    while left and (now := stage.count("StagePassed")) != passed:
        passed = now
        left = stage.missing("done", names, within_s=_QUIET_S)
    return left
