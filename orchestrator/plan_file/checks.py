"""What the keys of a plan may say about each other.

Every check reads the tree as written and passes over what has the wrong shape, so that one mistake
hides no other.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from orchestrator.core.plan import DEFAULT_ROOT, LOCAL, Heartbeat
from orchestrator.plan_file.branches import branch_problems
from orchestrator.plan_file.document import GateSection
from orchestrator.plan_file.members import (
    Member,
    members,
    plan_text,
    repository_of,
    wave_place,
    waves,
    whole,
    worktree_path,
)
from orchestrator.plan_file.ordering import order_problems
from orchestrator.plan_file.outward import outward_problems
from orchestrator.plan_file.problems import PATH_LETTERS, Problem, nearest, quoted, unknown
from orchestrator.plan_file.tree import Place, Source, Tree, Unquoted, found, items, mapping
from orchestrator.plan_file.values import BUILT_IN_CHECKS, read_duration, read_gpus

# So near a known key, a setting is that key mistyped.
_MISTYPED = 0.8
_LOCAL_LACKS = ("ssh", "identity", "jump", "root")


def cross_problems(source: Source) -> Iterator[Problem]:
    everyone = tuple(members(source.root))
    yield from _twice_named(source, everyone)
    yield from _host_problems(source)
    yield from _gate_problems(source)
    yield from _gate_name_problems(source)
    yield from _agent_problems(source)
    yield from _work_problems(source, everyone)
    yield from _gpu_problems(source, everyone)
    yield from _worktree_problems(source, everyone)
    yield from outward_problems(source)
    yield from branch_problems(source, everyone)
    yield from order_problems(source, everyone)


def _twice_named(source: Source, everyone: Iterable[Member]) -> Iterator[Problem]:
    first: dict[str, Member] = {}
    for member in everyone:
        other = first.setdefault(member.name, member)
        if other is not member:
            line = source.line(other.place)
            message = f"{quoted(member.name)} is already a workstream of wave {other.wave}, on line {line}"
            yield source.key_problem(member.place, f"{message}; names are unique in the plan")


def _host_problems(source: Source) -> Iterator[Problem]:
    hosts = mapping(source.root.get("hosts"))
    for name, host in hosts.items():
        keys = mapping(host)
        if name == LOCAL:
            for key in [key for key in _LOCAL_LACKS if key in keys]:
                message = f"'local' is this machine and has no {quoted(key)}; give the host another name"
                yield source.key_problem(("hosts", name, key), message)
        elif "ssh" not in keys:
            yield source.key_problem(("hosts", name), "the key 'ssh' is missing; only 'local' needs none")
    for place in _places_of(source, "host"):
        host_name = _at(source.root, place)
        if isinstance(host_name, str) and host_name not in {*hosts, LOCAL}:
            yield source.problem(place, unknown("host", host_name, {*hosts, LOCAL}))


def _gate_problems(source: Source) -> Iterator[Problem]:
    for name, gate in mapping(source.root.get("gates")).items():
        place: Place = ("gates", name)
        if not isinstance(gate, dict):
            continue
        if ("run" in gate) == ("check" in gate):
            has = "both 'run' and 'check'" if "run" in gate else "neither 'run' nor 'check'"
            yield source.key_problem(place, f"the gate {quoted(name)} has {has}; it has exactly one of them")
        yield from _input_problems(source, place, gate)
        yield from _setting_problems(source, place, gate)


def _input_problems(source: Source, place: Place, gate: dict[str, Tree]) -> Iterator[Problem]:
    """`inputs` must narrow something down."""
    if "inputs" not in gate:
        return
    fault = None
    if gate["inputs"] == []:
        fault = "no inputs; leave the key out where all files count"
    elif "check" in gate:
        fault = "'inputs' beside 'check'; a built-in check knows itself what it looks at"
    elif gate.get("scope") == "commits":
        fault = "'inputs' with the scope 'commits', which depends on commits; leave one of them out"
    if fault:
        yield source.key_problem((*place, "inputs"), fault)


def _setting_problems(source: Source, place: Place, gate: dict[str, Tree]) -> Iterator[Problem]:
    known = GateSection.keys()
    for key in [key for key in gate if key not in known]:
        if "check" not in gate or nearest(key, known, _MISTYPED):
            yield source.key_problem((*place, key), unknown("key", key, known, "allowed"))
        else:
            yield from _unreadable(source, (*place, key), gate[key])


def _unreadable(source: Source, place: Place, value: Tree) -> Iterator[Problem]:
    match value:
        case Unquoted(value=None):
            quote = f"quote it: {quoted(value.raw)}" if value.raw else "leave the key out"
            yield source.problem(place, f"{found(value)}; {quote}")
        case list():
            for index, item in enumerate(value):
                yield from _unreadable(source, (*place, index), item)
        case dict():
            for key, item in value.items():
                yield from _unreadable(source, (*place, key), item)


def _gate_name_problems(source: Source) -> Iterator[Problem]:
    known = {*mapping(source.root.get("gates")), *BUILT_IN_CHECKS}
    of_waves = (wave_place(number, "gates") for number in waves(source.root))
    for place in (*_places_of(source, "gates"), *of_waves):
        for item_place, name in items(place, _at(source.root, place)):
            if isinstance(name, str) and name not in known:
                yield source.problem(item_place, unknown("gate", name, known))


def _agent_problems(source: Source) -> Iterator[Problem]:
    agents = mapping(source.root.get("agents"))
    for place in _places_of(source, "agent"):
        name = _at(source.root, place)
        if isinstance(name, str) and name not in agents:
            yield source.problem(place, unknown("agent", name, agents))


def _work_problems(source: Source, everyone: Iterable[Member]) -> Iterator[Problem]:
    for place in [("defaults",), *(member.place for member in everyone)]:
        keys = mapping(_at(source.root, place))
        kinds = [key for key in keys if key in ("run", "stages", "agent")]
        for key in kinds[1:]:
            message = (
                f"{quoted(key)} beside {quoted(kinds[0])}; a workstream has one of run, stages and agent"
            )
            yield source.key_problem((*place, key), message)
        yield from _stage_problems(source, (*place, "stages"), keys.get("stages"))
    for member in everyone:
        yield from _merged_problems(source, member)


def _stage_problems(source: Source, place: Place, stages: Tree | None) -> Iterator[Problem]:
    names: set[str] = set()
    for item_place, stage in items(place, stages):
        name = mapping(stage).get("name")
        if isinstance(name, str) and name in names:
            yield source.problem(
                (*item_place, "name"), f"a second stage {quoted(name)}; names of stages are unique"
            )
        elif isinstance(name, str):
            names.add(name)
    if stages == []:
        yield source.problem(place, "no stages; leave the key out for a plain shell")


def _merged_problems(source: Source, member: Member) -> Iterator[Problem]:
    keys = member.merged
    if "brief" in member.own and "agent" not in keys:
        message = "'brief' without 'agent'; it is what a role under agents is told"
        yield source.key_problem(member.key_place("brief"), message)
    if "resume" in keys and "run" not in keys:
        message = "'resume' without 'run'; it is the command that starts 'run' again"
        yield source.key_problem(member.key_place("resume"), message)
    beat = mapping(keys.get("heartbeat"))
    every, stale = (
        _seconds(beat.get("every"), Heartbeat().every_s),
        _seconds(beat.get("stale"), Heartbeat().stale_s),
    )
    if every >= stale:
        message = (
            f"a worker would be stale ({stale:g}s) before its next beat ({every:g}s); make 'stale' longer"
        )
        yield source.problem(member.key_place("heartbeat"), message)


def _seconds(value: Tree | None, otherwise: float) -> float:
    try:
        return otherwise if value is None else read_duration(value)
    except ValueError:
        return otherwise


def _gpu_problems(source: Source, everyone: Iterable[Member]) -> Iterator[Problem]:
    hosts = mapping(source.root.get("hosts"))
    has = {name: _gpus_of(mapping(hosts.get(name))) for name in {*hosts, LOCAL}}
    for member in everyone:
        fault = _too_few(member.count("gpu"), member.name, member.host, has)
        if fault:
            yield source.problem(member.key_place("gpu"), fault)
    yield from _gate_gpu_problems(source, everyone, has)


def _gate_gpu_problems(
    source: Source, everyone: Iterable[Member], has: Mapping[str, int | None]
) -> Iterator[Problem]:
    """A wave's gates run on this machine, those of a workstream on its host."""
    gates = mapping(source.root.get("gates"))
    used = [(m.key_place("gates"), m.merged.get("gates"), m.host) for m in everyone]
    used += [(wave_place(n, "gates"), wave.get("gates"), LOCAL) for n, wave in waves(source.root).items()]
    seen = set()
    for place, names, host in used:
        for item_place, name in items(place, names):
            gate = mapping(gates.get(name)) if isinstance(name, str) else {}
            where = LOCAL if gate.get("scope") == "wave" else host
            fault = _too_few(whole(gate.get("gpu")), f"gate {name}", where, has)
            if fault and (item_place, where) not in seen:
                seen.add((item_place, where))
                yield source.problem(item_place, fault)


def _gpus_of(host: dict[str, Tree]) -> int | None:
    try:
        return len(read_gpus(host.get("gpus", [])))
    except ValueError:
        return None


def _too_few(wanted: int, who: str, host: str, has: Mapping[str, int | None]) -> str | None:
    present = has.get(host)
    if present is None or wanted <= present:
        return None
    gpus = "1 GPU" if wanted == 1 else f"{wanted} GPUs"
    return f"{gpus} for {quoted(who)}; the host {quoted(host)} has {present}; see 'gpus' under hosts"


def _worktree_problems(source: Source, everyone: Iterable[Member]) -> Iterator[Problem]:
    repository = repository_of(source)
    project = plan_text(source.root, "project", "project")
    taken: dict[tuple[str, str], Member] = {}
    for member in everyone:
        host = mapping(mapping(source.root.get("hosts")).get(member.host))
        path = worktree_path(member, repository, project, plan_text(host, "root", DEFAULT_ROOT))
        yield from _misplaced(source, member, path, repository)
        other = taken.setdefault((member.host, path), member)
        if other is not member and other.name != member.name:
            message = f"the worktree {quoted(path, PATH_LETTERS)} is already that of {quoted(other.name)}"
            line = source.line(other.place)
            yield source.problem((*member.place, "worktree"), f"{message} on line {line}; each needs its own")


def _misplaced(source: Source, member: Member, path: str, repository: Path) -> Iterator[Problem]:
    if "worktree" not in member.own or member.host != LOCAL:
        return
    root = posixpath.normpath(repository)
    fault = None
    if Path(root).is_relative_to(path):
        fault = "is the repository itself, or holds it"
    elif Path(path).is_relative_to(f"{root}/.git"):
        fault = "is inside .git"
    if fault:
        message = (
            f"the worktree {quoted(path, PATH_LETTERS)} {fault}; a folder beside the repository is wanted"
        )
        yield source.problem((*member.place, "worktree"), message)


def _places_of(source: Source, key: str) -> Iterator[Place]:
    """Where `key` stands in the defaults and in workstreams."""
    if key in mapping(source.root.get("defaults")):
        yield "defaults", key
    yield from ((*member.place, key) for member in members(source.root) if key in member.own)


def _at(root: Tree, place: Place) -> Tree | None:
    value: Tree | None = root
    for step in place:
        value = mapping(value).get(str(step))
    return value
