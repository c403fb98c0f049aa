"""Every rule of the honest-branch checks: what it means, why it matters, how it is mended."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.checks.rules.of_content import OF_CONTENT
from orchestrator.checks.rules.of_proof import OF_PROOF
from orchestrator.checks.rules.rule import Rule

RULES: Mapping[str, Rule] = {**OF_CONTENT, **OF_PROOF}

_OF_CHECK = {"outside": "paths", "undone": "silent-revert"}
"""Findings of checks that have but one rule."""


def described(rule: str) -> Rule:
    """Rules of other tools, and the kinds of conflicts, have what is said of all of them."""
    family = _OF_CHECK.get(rule) or rule.partition("/")[0]
    return RULES.get(rule) or RULES.get(family) or RULES["clean-merge"]
