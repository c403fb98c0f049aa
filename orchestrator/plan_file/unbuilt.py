"""Keys that this version reads but cannot act on. A line leaves the table when its machinery arrives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.core.plan import NotBuilt
from orchestrator.plan_file.members import members, waves
from orchestrator.plan_file.tree import Place, Source, Tree, mapping, plain

# The values in brackets are those that do work; none: the key itself does not.
_UNBUILT: Mapping[str, Mapping[str, tuple[object, ...]]] = {
    "plan": {},
    "host": {"engine": ("tmux",)},
    "workstream": {},
    "gate": {},
    "wave": {"winner": ()},
}


def not_built(source: Source) -> tuple[NotBuilt, ...]:
    """What of a sound plan waits for machinery."""
    return tuple(
        NotBuilt(place=words, key=text, line=mark.line, column=mark.column)
        for kind, words, place, keys in _sections(source.root)
        for key, text in _unbuilt_keys(kind, keys)
        for mark in (source.key_mark((*place, key)),)
    )


def _sections(root: dict[str, Tree]) -> Iterator[tuple[str, str, Place, dict[str, Tree]]]:
    """Kind, words and place of every mapping of the plan that has keys of its own."""
    yield "plan", "plan", (), root
    for name, host in mapping(root.get("hosts")).items():
        yield "host", f"host {name}", ("hosts", name), mapping(host)
    yield "workstream", "defaults", ("defaults",), mapping(root.get("defaults"))
    for name, gate in mapping(root.get("gates")).items():
        yield "gate", f"gate {name}", ("gates", name), mapping(gate)
    for number, wave in waves(root).items():
        yield "wave", f"wave {number}", ("waves", str(number)), wave
    for member in members(root):
        yield "workstream", f"workstream {member.name}", member.place, member.own


def _unbuilt_keys(kind: str, keys: dict[str, Tree]) -> Iterator[tuple[str, str]]:
    """Each key, and how it is named to people: with its value where other values do work."""
    for key, built in _UNBUILT[kind].items():
        value = plain(keys[key]) if key in keys else None
        if key in keys and value not in built:
            yield key, f"{key}: {value}" if built and value is not True else key
