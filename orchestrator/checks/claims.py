"""What branches claim to hold, and what that takes: the files a project commits beside its code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.plan_file.problems import PlanErrors, Problem, quoted, unknown
from orchestrator.plan_file.source import read_mapping
from orchestrator.plan_file.tree import Place, Source, Tree, Unquoted, found

SPEC_FILE = ".component_spec.yaml"
BRANCHES_FILE = ".branch_specifications.json"

_KEYS = (
    "type",
    "required_imports",
    "required_classes",
    "required_methods",
    "required_functions",
    "forbidden_patterns",
    "min_lines_of_code",
    "description",
)
_BRANCH_KEYS = ("components", "description")


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """`methods` are pairs of a class (empty: any class of the component) and a method."""

    name: str
    line: int = 0
    type: str = ""
    imports: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    methods: tuple[tuple[str, str], ...] = ()
    functions: tuple[str, ...] = ()
    forbidden: tuple[re.Pattern[str], ...] = ()
    least_lines: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The classes and functions that its files define."""
        owners = (owner for owner, _ in self.methods if owner)
        return tuple(dict.fromkeys((*self.classes, *owners, *self.functions)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    name: str
    components: tuple[str, ...] = ()
    description: str = ""


@dataclass(slots=True)
class _Reader:
    source: Source
    problems: list[Problem] = field(default_factory=list)

    def texts(self, place: Place, value: Tree | None) -> tuple[str, ...]:
        items = value if isinstance(value, list) else [] if value is None else [value]
        if isinstance(value, dict):
            self.problems.append(self.source.problem(place, f"{found(value)}; a list of names is wanted"))
            return ()
        return tuple(
            text
            for index, item in enumerate(items)
            for text in self.text((*place, index) if isinstance(value, list) else place, item)
        )

    def text(self, place: Place, value: Tree | None) -> Iterator[str]:
        if isinstance(value, str) and value.strip():
            yield value
        elif value is not None and not _is_nothing(value):
            quote = f"; quote it: {quoted(value.raw)}" if isinstance(value, Unquoted) and value.raw else ""
            self.problems.append(self.source.problem(place, f"{found(value)}; text is wanted{quote}"))

    def component(self, name: str, value: Tree) -> Component:
        place: Place = (name,)
        if not isinstance(value, dict):
            if not _is_nothing(value):
                self.problems.append(
                    self.source.problem(place, f"{found(value)}; a mapping of keys is wanted")
                )
            return Component(name=name, line=self.source.line(place))
        for key in value:
            if key not in _KEYS:
                self.problems.append(
                    self.source.key_problem((name, key), unknown("key", key, _KEYS, "allowed"))
                )
        return Component(
            name=name,
            line=self.source.line(place),
            type="".join(self.text((name, "type"), value.get("type"))).lower(),
            imports=self.texts((name, "required_imports"), value.get("required_imports")),
            classes=self.texts((name, "required_classes"), value.get("required_classes")),
            methods=tuple(self._methods((name, "required_methods"), value.get("required_methods"))),
            functions=self.texts((name, "required_functions"), value.get("required_functions")),
            forbidden=tuple(self._patterns((name, "forbidden_patterns"), value.get("forbidden_patterns"))),
            least_lines=self._lines((name, "min_lines_of_code"), value.get("min_lines_of_code")),
        )

    def _methods(self, place: Place, value: Tree | None) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            for owner, names in value.items():
                for name in self.texts((*place, owner), names):
                    yield owner, name
            return
        for name in self.texts(place, value):
            owner, _, method = name.rpartition(".")
            yield owner, method

    def _patterns(self, place: Place, value: Tree | None) -> Iterator[re.Pattern[str]]:
        for index, text in enumerate(self.texts(place, value)):
            try:
                yield re.compile(text, re.MULTILINE)
            except re.error as error:
                message = f"{quoted(text)} is no regular expression: {error}"
                self.problems.append(self.source.problem((*place, index), message))

    def _lines(self, place: Place, value: Tree | None) -> int:
        number = value.value if isinstance(value, Unquoted) else None
        if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
            return number
        if value is not None and not _is_nothing(value):
            self.problems.append(self.source.problem(place, f"{found(value)}; a number of lines is wanted"))
        return 0


def _is_nothing(value: Tree) -> bool:
    return isinstance(value, Unquoted) and value.value is None and value.kind == "nothing"


def parse_spec(path: str, text: str) -> dict[str, Component]:
    """Raises:
    PlanErrors: with everything that is wrong with the file.
    """
    if not text.strip():
        raise PlanErrors([Problem(Path(path), 1, 1, "no component is described here")])
    source, problems = read_mapping(Path(path), text)
    reader = _Reader(source, problems)
    components = {name: reader.component(name, value) for name, value in source.root.items()}
    if reader.problems:
        raise PlanErrors(reader.problems)
    return components


def parse_branches(path: str, text: str) -> dict[str, Branch]:
    """Raises:
    PlanErrors: the file is no JSON, or not of the form `{"branch": {"components": […], "description": "…"}}`.
    """
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise PlanErrors([Problem(Path(path), error.lineno, error.colno, f"no JSON: {error.msg}")]) from error
    except (ValueError, RecursionError) as error:
        raise PlanErrors([Problem(Path(path), 1, 1, str(error) or "nested too deeply")]) from error
    if not isinstance(document, dict):
        raise PlanErrors([Problem(Path(path), 1, 1, "an object of branches is wanted")])
    problems = [
        Problem(Path(path), _line_of(text, name), 1, message)
        for name, value in document.items()
        for message in _branch_problems(name, value)
    ]
    if problems:
        raise PlanErrors(problems)
    return {
        name: Branch(
            name=name,
            components=tuple(value.get("components") or ()),
            description=value.get("description") or "",
        )
        for name, value in document.items()
    }


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ValueError(f"duplicate key {quoted(twice)}")
    return dict(pairs)


def _branch_problems(name: str, value: object) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{quoted(name)}: an object with 'components' and 'description' is wanted"
        return
    for key in value:
        if key not in _BRANCH_KEYS:
            yield f"{quoted(name)}: {unknown('key', key, _BRANCH_KEYS, 'allowed')}"
    components = value.get("components")
    if components is not None and not (
        isinstance(components, list) and all(isinstance(c, str) for c in components)
    ):
        yield f"{quoted(name)}: 'components' is a list of names"
    if not isinstance(value.get("description") or "", str):
        yield f"{quoted(name)}: 'description' is text"


def _line_of(text: str, name: str) -> int:
    position = text.find(json.dumps(name))
    return text.count("\n", 0, max(position, 0)) + 1


def unknown_component(name: str, spec: Iterable[str] | Mapping[str, Component]) -> str:
    return unknown("component", name, spec, "described")
