"""What forges and editors need of a finding, of every rule that there is."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from orchestrator.checks.finding import Finding
from orchestrator.checks.rules import RULES
from orchestrator.checks.sarif import sarif_document

PLACES = [("src/net.py", 3), ("a b/\u00e9%#?.py", 1), ("bad\udcff.py", 0), ("whole.py", None), (None, None)]


def told(rule: str, path: str | None, line: int | None, **more: Any) -> dict[str, Any]:
    found = Finding(gate="g", workstream="a", rule=rule, message="m", path=path, line=line, **more)
    return found.document()


@pytest.mark.parametrize(("path", "line"), PLACES)
def test_every_rule_has_all_that_sarif_requires(path: str | None, line: int | None) -> None:
    every = [*RULES, "ruff/F401", "outside", "undone", "modify/delete", "content"]
    document = sarif_document({"findings": [told(rule, path, line) for rule in every]})
    assert (document["version"], len(document["runs"])) == ("2.1.0", 1)
    driver, results = document["runs"][0]["tool"]["driver"], document["runs"][0]["results"]
    assert driver["name"] == "orchestrator" and {rule["id"] for rule in driver["rules"]} == set(every)
    for rule in driver["rules"]:
        assert all(rule[key]["text"] for key in ("shortDescription", "fullDescription", "help"))
    for rule, result in zip(every, results, strict=True):
        assert (result["ruleId"], result["level"]) == (rule, "error") and result["message"]["text"]
        for place in result.get("locations", ()):
            spot = place["physicalLocation"]
            uri = spot["artifactLocation"]["uri"]
            assert unquote(uri, "utf-8", "surrogateescape") == path and uri.isascii() and " " not in uri
            assert spot.get("region", {"startLine": 1})["startLine"] >= 1
        assert ("locations" in result) == (path is not None)


def test_what_was_allowed_is_suppressed() -> None:
    one = told("redflags/fake-name", "x.py", 1) | {"allowed": "from the paper"}
    document = sarif_document({"findings": [], "suppressed": [one, one | {"by_file": True}]})
    kinds = [r["suppressions"][0]["kind"] for r in document["runs"][0]["results"]]
    assert kinds == ["inSource", "external"]
