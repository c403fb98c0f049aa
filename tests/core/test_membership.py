from __future__ import annotations

from orchestrator.core.membership import Members

CHAIN = Members(names=("d", "a", "b", "c"), needs={"d": ("c",), "b": ("a", "elsewhere"), "c": ("b",)})


def test_needs_are_followed_both_ways() -> None:
    assert CHAIN.with_needs(["c"]) == {"a", "b", "c"}
    assert CHAIN.with_dependents(["b"]) == {"b", "c", "d"}
    assert CHAIN.with_needs([]) == frozenset()


def test_the_order_is_kept_but_for_needs() -> None:
    assert CHAIN.needs_first() == ("a", "b", "c", "d")
    assert CHAIN.in_order({"c", "d"}) == ("d", "c")
    assert Members(names=("b", "a")).needs_first() == ("b", "a")


def test_a_circle_is_one_piece() -> None:
    circle = Members(names=("a", "b", "c"), needs={"a": ("b",), "b": ("a",)})
    assert circle.needs_first() == ("b", "a", "c")
    assert circle.with_needs(["a"]) == circle.with_dependents(["a"]) == {"a", "b"}
