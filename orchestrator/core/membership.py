"""The workstreams of one landing, and which of them cannot be tried or landed without which others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

Part = frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """`names` are in the order they are folded; `needs` holds for each what it directly needs of them."""

    names: tuple[str, ...]
    needs: Mapping[str, Collection[str]] = field(default_factory=dict)

    def with_needs(self, names: Iterable[str]) -> Part:
        """These, and all they need."""
        return _reach(names, self._direct)

    def with_dependents(self, names: Iterable[str]) -> Part:
        """These, and all that needs one of them."""
        return _reach(names, self._direct_dependents)

    def in_order(self, part: Collection[str]) -> tuple[str, ...]:
        return tuple(name for name in self.names if name in part)

    def needs_first(self) -> tuple[str, ...]:
        """The same order, but each after what it needs."""
        placed: dict[str, None] = {}
        for name in self.names:
            self._place(name, placed, frozenset())
        return tuple(placed)

    def _place(self, name: str, placed: dict[str, None], above: Part) -> None:
        if name in placed or name in above:
            return
        for need in self._direct(name):
            self._place(need, placed, above | {name})
        placed[name] = None

    def _direct(self, name: str) -> Iterator[str]:
        return (other for other in self.names if other in self.needs.get(name, ()))

    def _direct_dependents(self, name: str) -> Iterator[str]:
        return (other for other in self.names if name in self.needs.get(other, ()))


def _reach(names: Iterable[str], following: Callable[[str], Iterable[str]]) -> Part:
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left.extend(following(name))
    return frozenset(found)
