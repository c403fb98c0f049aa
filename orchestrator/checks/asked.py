"""The settings of a gate, read one by one; what cannot be read is a finding, never a default."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TypeVar

from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.plan_file.problems import unknown

T = TypeVar("T")


class Settings:
    """`faults` grows as settings are read: look at it last."""

    def __init__(self, subject: Subject, known: Collection[str]) -> None:
        self._subject = subject
        self._given = subject.settings
        self.faults: list[Finding] = [
            self._fault(unknown("setting", key, known, "allowed")) for key in self._given if key not in known
        ]

    def given(self, key: str) -> object:
        """As the plan has it."""
        return self._given.get(key)

    def flag(self, key: str, otherwise: bool = False) -> bool:
        value = self._given.get(key, otherwise)
        return (
            value if isinstance(value, bool) else bool(self._bad(key, "true or false is wanted", otherwise))
        )

    def text(self, key: str, otherwise: str = "") -> str:
        value = self._given.get(key, otherwise)
        return value if isinstance(value, str) else str(self._bad(key, "a text is wanted", otherwise))

    def texts(self, key: str, *, otherwise: tuple[str, ...] = ()) -> tuple[str, ...]:
        """One text stands for a list of it."""
        value = self._given.get(key, otherwise)
        items = [value] if isinstance(value, str) else value
        if isinstance(items, (list, tuple)) and all(isinstance(item, str) for item in items):
            return tuple(items)
        self._bad(key, "a list of texts is wanted", None)
        return otherwise

    def number(self, key: str, otherwise: float) -> float:
        value = self._given.get(key, otherwise)
        if _is_finite(value):
            return float(value)  # type: ignore[arg-type]
        self._bad(key, "a number is wanted", None)
        return otherwise

    def share(self, key: str, when_true: float) -> float | None:
        """A number of per cent; `true` for the usual one, absent or `false` for none."""
        value = self._given.get(key, False)
        if isinstance(value, bool):
            return when_true if value else None
        found = self.number(key, -1.0)
        if 0 <= found <= 100:
            return found
        self._bad(key, "a number from 0 to 100 is wanted", None)
        return when_true

    def numbers(self, key: str) -> dict[str, float]:
        """A mapping of names to numbers."""
        value = self._given.get(key, {})
        if isinstance(value, dict) and all(_is_finite(number) for number in value.values()):
            return {str(name): float(number) for name, number in value.items()}
        self._bad(key, "a mapping of names to numbers is wanted", None)
        return {}

    def choices(self, key: str, meanings: Mapping[str, T]) -> dict[str, T]:
        """A mapping of names to one of some words."""
        value = self._given.get(key, {})
        if isinstance(value, dict) and all(word in meanings for word in value.values()):
            return {str(name): meanings[word] for name, word in value.items()}
        self._bad(key, f"a mapping of names to one of {', '.join(meanings)} is wanted", None)
        return {}

    def fail(self, message: str) -> None:
        self.faults.append(self._fault(message))

    def _bad(self, key: str, wanted: str, answer: object) -> object:
        self.faults.append(self._fault(f"the setting {key} is {self._given[key]!r}; {wanted}"))
        return answer

    def _fault(self, message: str) -> Finding:
        return finding(self._subject, "checks/setting", message)


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
