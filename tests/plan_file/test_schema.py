"""The JSON Schema, read as an editor would: structure only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from orchestrator.plan_file import json_schema, starter_text

INTERFACE = Path(__file__).parent.parent / "data" / "plans" / "interface.yaml"
SCHEMA = json_schema()
KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
}


def misfits(value: Any, schema: dict[str, Any], place: str = "") -> Iterator[str]:
    """Where a value does not fit the schema, for the part of the standard that ours uses."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    if "anyOf" in schema and all(any(misfits(value, option)) for option in schema["anyOf"]):
        yield f"{place}: none of anyOf"
    if "type" in schema and not isinstance(value, KINDS[schema["type"]]):
        yield f"{place}: no {schema['type']}"
    elif isinstance(value, dict):
        yield from misfits_of_keys(value, schema, place)
    elif isinstance(value, list):
        for item in value:
            yield from misfits(item, schema.get("items", {}), f"{place}[]")
    elif value not in schema.get("enum", [value]) or value != schema.get("const", value):
        yield f"{place}: not allowed"
    elif isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{place}: no match"


def misfits_of_keys(value: dict[Any, Any], schema: dict[str, Any], place: str) -> Iterator[str]:
    for key in schema.get("required", []):
        if key not in value:
            yield f"{place}: lacks {key}"
    for key, inner in value.items():
        matching = [
            rule
            for pattern, rule in schema.get("patternProperties", {}).items()
            if re.search(pattern, str(key))
        ]
        rules = [schema.get("properties", {}).get(key), *matching, schema.get("additionalProperties")]
        rule = next(rule for rule in rules if rule is not None)
        if rule is False:
            yield f"{place}: no key {key}"
        elif rule is not True:
            yield from misfits(inner, rule, f"{place}.{key}")


def test_the_schema_is_json_and_has_a_name() -> None:
    assert SCHEMA["$schema"].startswith("https://json-schema.org/draft/2020-12")
    assert SCHEMA["title"] == "waves.yaml, the plan of orchestrator"
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_correct_plans_fit() -> None:
    for text in (INTERFACE.read_text(), starter_text("demo", "main", True)):
        assert list(misfits(yaml.safe_load(text), SCHEMA)) == []


def test_mistakes_do_not_fit() -> None:
    plan = {
        "version": 2,
        "waves": {"x": {}, 1: {"workstreams": {"A": {}, "a": {"heartbeat": {"every": 30}, "gaps": None}}}},
        "gates": {"g": {"check": "no-such", "setting": [1]}},
    }
    assert sorted(misfits(plan, SCHEMA)) == [
        ".gates.g.check: not allowed",
        ".version: not allowed",
        ".waves.1.workstreams.a.heartbeat.every: no string",
        ".waves.1.workstreams.a: lacks branch",
        ".waves.1.workstreams.a: no key gaps",
        ".waves.1.workstreams: no key A",
        ".waves: no key x",
        ": lacks project",
    ]


def test_every_key_is_described() -> None:
    sections = [SCHEMA, *SCHEMA["$defs"].values()]
    assert [
        key
        for section in sections
        for key, rule in section["properties"].items()
        if "description" not in rule
    ] == []
