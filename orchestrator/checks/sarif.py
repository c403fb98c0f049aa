"""Findings as SARIF 2.1.0, the form that forges and editors show beside the code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator import __version__
from orchestrator.checks.rules import described

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif_document(gates: dict[str, Any]) -> dict[str, Any]:
    """From what `gate run --json` prints; allowed findings are there as suppressed."""
    found = [*gates["findings"], *gates.get("suppressed", ())]
    driver = {
        "name": "orchestrator",
        "version": __version__,
        "rules": [_rule(name) for name in sorted({one["rule"] for one in found})],
    }
    results = [_result(one) for one in found]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _rule(name: str) -> dict[str, Any]:
    known = described(name)
    return {
        "id": name,
        "shortDescription": {"text": known.title},
        "fullDescription": {"text": known.why},
        "help": {"text": known.mend},
        "defaultConfiguration": {"level": "error"},
    }


def _result(one: dict[str, Any]) -> dict[str, Any]:
    result = {
        "ruleId": one["rule"],
        "level": "error",
        "message": {"text": one["message"]},
        "properties": {"gate": one["gate"], "workstream": one["workstream"]},
        **dict(_locations(one)),
    }
    if "allowed" in one:
        kind = "external" if one.get("by_file") else "inSource"
        result["suppressions"] = [{"kind": kind, "status": "accepted", "justification": one["allowed"]}]
    return result


def _locations(one: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if one["path"] is None:
        return
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(one["path"]), "uriBaseId": "%SRCROOT%"}}
    if one["line"]:
        place["region"] = {"startLine": one["line"]}
    yield "locations", [{"physicalLocation": place}]


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path.encode("utf-8", "surrogateescape"))
