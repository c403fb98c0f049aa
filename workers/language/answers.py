"""What a language model answers: JSON with a family, three expressions and a description in fixed slots."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from workers.data.trajectories import FAMILIES
from workers.language.expressions import Expression, ExpressionError, parse

AXES = ("x", "y", "z")
SLOTS: Mapping[str, tuple[str, ...]] = {
    "sense": ("clockwise", "counterclockwise", "none"),
    "plane": ("xy", "xz", "yz", "none"),
    "speed": ("slow", "medium", "fast"),
}
MAX_ANSWER_CHARACTERS = 20_000
MAX_TEXT_CHARACTERS = 500


class Mode(StrEnum):
    DIRECT = "direct"  # the model gives every number
    SKELETON_FIT = "skeleton+fit"  # it gives the family; least squares gives the numbers


class BadAnswer(ValueError):
    """Why an answer counts as wrong before it is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    family: str
    expressions: tuple[Expression, ...]  # x, y, z; none in mode skeleton+fit
    slots: Mapping[str, str]
    text: str


def read_answer(text: str, mode: Mode) -> Answer:
    """Raises BadAnswer: no JSON object of the agreed form is in the text."""
    found = _first_object(text)
    family = found.get("family")
    if family not in FAMILIES:
        raise BadAnswer(f"family {family!r:.40} is none of {', '.join(FAMILIES)}")
    described = found.get("description")
    slots = described if isinstance(described, dict) else {}
    said = slots.get("text") if isinstance(described, dict) else described
    return Answer(
        family=family,
        expressions=_expressions(found) if mode is Mode.DIRECT else (),
        slots={name: value for name in SLOTS if (value := slots.get(name)) in SLOTS[name]},
        text=_one_line(said) if isinstance(said, str) else "",
    )


def _expressions(found: Mapping[str, Any]) -> tuple[Expression, ...]:
    parsed = []
    for axis in AXES:
        text = found.get(axis)
        if isinstance(text, int | float) and not isinstance(text, bool):
            text = repr(text)
        if not isinstance(text, str):
            raise BadAnswer(f"{axis} is missing")
        try:
            parsed.append(parse(text))
        except ExpressionError as error:
            raise BadAnswer(f"{axis}: {error}") from None
    return tuple(parsed)


def _first_object(text: str) -> Mapping[str, Any]:
    """Find a JSON object that has a family, also amid prose or in a code fence."""
    text = text[:MAX_ANSWER_CHARACTERS]
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        try:
            found, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and "family" in found:
            return found
        start = text.find("{", start + 1)
    raise BadAnswer("no JSON object with a family")


def _one_line(text: str) -> str:
    """A model's words as a table can hold them."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text[:MAX_TEXT_CHARACTERS])
    return " ".join(plain.split())
