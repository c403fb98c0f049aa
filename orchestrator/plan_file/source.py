"""The tree of a plan: YAML's own reading of each scalar, with nothing constructed from tags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from orchestrator.plan_file.composing import compose, read_text
from orchestrator.plan_file.problems import PlanErrors, Problem, quoted
from orchestrator.plan_file.tree import Mark, Marks, Place, Source, Tree, Unquoted

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
# "=" and "<<" are text wherever they are not a key.
_TEXT_TAGS = {_TAG + "str", _TAG + "value", _MERGE}
# Eighteen digits are more than any key means, and fewer than int() refuses.
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})?\.[0-9]{0,18}([eE][-+]?[0-9]{1,2})?")
_BOOLEANS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_UNSAFE = re.compile("[\x00\ud800-\udfff]")


def read_source(path: Path) -> tuple[Source, str, list[Problem]]:
    """The tree of a plan, its text, and what is wrong with single keys and scalars.

    Raises:
        PlanErrors: with one problem, when there is no tree to speak of.
    """
    text = read_text(path)
    node = compose(path, text)
    mark = _mark(node)
    if not isinstance(node, yaml.MappingNode):
        message = "a plan is a mapping of keys, beginning with 'version: 1'"
        raise PlanErrors([Problem(path, mark.line, mark.column, message)])
    source, problems = _source(path, node)
    return source, text, problems


def read_mapping(path: Path, text: str) -> tuple[Source, list[Problem]]:
    """The tree of another YAML file of ours, read as strictly as a plan.

    Raises:
        PlanErrors: it is no YAML, or no mapping.
    """
    node = compose(path, text)
    mark = _mark(node)
    if not isinstance(node, yaml.MappingNode):
        raise PlanErrors([Problem(path, mark.line, mark.column, "a mapping of keys is wanted")])
    return _source(path, node)


def _source(path: Path, node: yaml.MappingNode) -> tuple[Source, list[Problem]]:
    builder = _Builder(path)
    root = builder.mapping(node, ())
    builder.marks[()] = Marks(_mark(node), _mark(node))
    return Source(path, root, builder.marks), builder.problems


class _Builder:
    def __init__(self, path: Path) -> None:
        self.marks: dict[Place, Marks] = {}
        self.problems: list[Problem] = []
        self._path = path

    def mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Tree]:
        tree: dict[str, Tree] = {}
        for key, (key_node, value_node) in self._pairs(node, place).items():
            self.marks[(*place, key)] = Marks(_mark(key_node), _mark(value_node))
            tree[key] = self._value(value_node, (*place, key))
        return tree

    def _value(self, node: yaml.Node, place: Place) -> Tree:
        match node:
            case yaml.MappingNode(tag="tag:yaml.org,2002:map"):
                return self.mapping(node, place)
            case yaml.SequenceNode(tag="tag:yaml.org,2002:seq"):
                return self._sequence(node, place)
            case yaml.ScalarNode():
                return self._scalar(node)
        self._complain(node, f"the tag {quoted(node.tag)}; plans have no tags")
        return {} if isinstance(node, yaml.MappingNode) else []

    def _sequence(self, node: yaml.SequenceNode, place: Place) -> list[Tree]:
        for index, item in enumerate(node.value):
            self.marks[(*place, index)] = Marks(_mark(item), _mark(item))
        return [self._value(item, (*place, index)) for index, item in enumerate(node.value)]

    def _scalar(self, node: yaml.ScalarNode) -> str | Unquoted:
        unsafe = _UNSAFE.search(node.value)
        if unsafe:
            self._complain(node, f"text with the character {quoted(unsafe[0])}; no program can be given that")
        elif not node.tag.startswith(_TAG):
            self._complain(node, f"the tag {quoted(node.tag)}; plans have no tags")
        if node.tag in _TEXT_TAGS or unsafe or not node.tag.startswith(_TAG):
            return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", node.value)
        return _unquoted(node.tag.removeprefix(_TAG), node.value)

    def _pairs(self, node: yaml.MappingNode, place: Place) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """The keys of a mapping as text, with those that `<<` brings in after its own."""
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: list[yaml.MappingNode] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged += self._merged(value_node)
                continue
            key = self._key(key_node, place)
            if key in own:
                first = own[key][0].start_mark.line + 1
                self._complain(key_node, f"duplicate key {quoted(key)}; it is already on line {first}")
            elif key is not None:
                own[key] = key_node, value_node
        for other in merged:
            for key, pair in self._pairs(other, place).items():
                own.setdefault(key, pair)
        return own

    def _merged(self, node: yaml.Node) -> Iterator[yaml.MappingNode]:
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(source, yaml.MappingNode):
                yield source
            else:
                self._complain(source, "'<<' takes a mapping, or a list of mappings")

    def _key(self, node: yaml.Node, place: Place) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._complain(node, "a key that is a list or a mapping; keys are text")
            return None
        value = self._scalar(node)
        if isinstance(value, str):
            return value
        if (place == ("waves",) and value.kind == "a number") or (place == ("notify",) and value.raw == "on"):
            return value.raw
        reading = f"the key {quoted(value.raw)} is {value.kind} in YAML"
        message = f"{reading}; quote it: {quoted(value.raw)}" if value.raw else "an empty key; keys are text"
        self._complain(node, message)
        return None

    def _complain(self, node: yaml.Node, message: str) -> None:
        mark = _mark(node)
        self.problems.append(Problem(self._path, mark.line, mark.column, message))


def _mark(node: yaml.Node) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)


def _unquoted(tag: str, raw: str) -> Unquoted:
    match tag:
        case "null":
            return Unquoted(raw, "nothing")
        case "bool":
            return Unquoted(raw, "a boolean", _BOOLEANS.get(raw.lower()))
        case "int" | "float":
            return _number(raw)
        case "timestamp":
            return Unquoted(raw, "a date")
        case _:
            return Unquoted(raw, f"of the tag '!!{tag}'")


def _number(raw: str) -> Unquoted:
    if _WHOLE.fullmatch(raw):
        return Unquoted(raw, "a number", int(raw))
    if _DECIMAL.fullmatch(raw):
        return Unquoted(raw, "a number", float(raw))
    if ":" in raw:
        return Unquoted(raw, "a number to the base 60")
    return Unquoted(raw, "a special number")
