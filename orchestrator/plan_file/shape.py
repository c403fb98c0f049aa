"""What pydantic finds wrong with the shape of a plan, in the user's words and at the user's line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestrator.plan_file.document import Defaults, Document, Section, WorkstreamSection
from orchestrator.plan_file.problems import Problem, quoted, unknown
from orchestrator.plan_file.tree import Place, Source, found

_OWN_KEYS = set(WorkstreamSection.keys()) - set(Defaults.keys())


def shape_problems(source: Source) -> Iterator[Problem]:
    try:
        Document.model_validate(source.root)
    except ValidationError as error:
        yield from (_problem(source, details) for details in error.errors(include_url=False))


def _problem(source: Source, error: ErrorDetails) -> Problem:
    place = error["loc"]
    match error["type"]:
        case "extra_forbidden":
            return source.key_problem(place, _unknown_key(place))
        case "missing":
            return source.key_problem(place[:-1], f"the key {quoted(str(place[-1]))} is missing")
        case "value_error" if place[-1] == "[key]":
            return source.key_problem(place[:-1], str(error["ctx"]["error"]))
        case "value_error":
            return source.problem(place, str(error["ctx"]["error"]))
        case "list_type":
            return source.problem(place, f"{found(error['input'])}; a list is wanted: [first, second]")
        case "too_short":
            return source.key_problem(
                place, f"{quoted(str(place[-1]))} is empty; at least one entry is wanted"
            )
        case _:
            return source.problem(place, f"{found(error['input'])}; a mapping of keys is wanted")


def _unknown_key(place: Place) -> str:
    key = str(place[-1])
    if place[0] == "defaults" and len(place) == 2 and key in _OWN_KEYS:
        return f"{quoted(key)} has no default; each workstream names its own"
    section = _section(place[:-1])
    return unknown("key", key, section.keys() if section else [], "allowed")


def _section(place: Place) -> type[Section] | None:
    """The model that reads the mapping at `place`."""
    kind: Any = Document
    for step in place:
        if isinstance(kind, type) and issubclass(kind, Section):
            fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
            kind = _bare(fields[str(step)])
        else:
            kind = _bare(get_args(kind)[-1])
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _bare(kind: Any) -> Any:
    """The type without `None`."""
    if get_origin(kind) in (dict, list) or not get_args(kind):
        return kind
    return next(argument for argument in get_args(kind) if argument is not type(None))
