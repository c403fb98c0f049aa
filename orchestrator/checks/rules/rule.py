"""What is said of a rule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    title: str
    why: str
    mend: str


def rule(title: str, why: str, mend: str) -> Rule:
    return Rule(title=title, why=why, mend=mend)
