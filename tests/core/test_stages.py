from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.stages import Bound, Improving, parse_requirement, unmet

NAN = math.nan


@pytest.mark.parametrize(
    "text, rule",
    [
        ("loss < 0.1", Bound(metric="loss", comparison="<", limit=0.1, written="0.1")),
        (" acc>=.70 ", Bound(metric="acc", comparison=">=", limit=0.7, written=".70")),
        ("val/loss != -1e-3", Bound(metric="val/loss", comparison="!=", limit=-0.001, written="-1e-3")),
        ("n == 5", Bound(metric="n", comparison="==", limit=5, written="5")),
        ("improving(total_loss)", Improving(metric="total_loss")),
        ("improving( acc )", Improving(metric="acc")),
    ],
)
def test_requirements_are_read(text: str, rule: Bound | Improving) -> None:
    assert parse_requirement(text) == rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "loss",
        "loss <",
        "< 1",
        "loss << 1",
        "loss = 1",
        "loss < x",
        "loss < nan",
        "loss < 1 2",
        "improving()",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no requirement; write 'loss < 0\.1'"):
        parse_requirement(text)


@pytest.mark.parametrize(
    "text, metrics, expected",
    [
        ("acc > 0.70", {"acc": 0.61}, "acc is 0.61, required > 0.70"),
        ("acc > 0.70", {"acc": 0.71}, None),
        ("acc > 0.70", {"acc": 0.7}, "acc is 0.7, required > 0.70"),
        ("acc >= 0.70", {"acc": 0.6999999999}, "acc is 0.6999999999, required >= 0.70"),
        ("acc > 0.70", {}, "acc is missing, required > 0.70"),
        ("loss < 1", {"loss": NAN}, "loss is nan, which is not a finite number, required < 1"),
        ("loss < 1", {"loss": -math.inf}, "loss is -inf, which is not a finite number, required < 1"),
        ("loss != 1", {"loss": 1}, "loss is 1, required != 1"),
        ("n == 5", {"n": 5}, None),
        ("elapsed_s < 7200", {"elapsed_s": 1.0}, "elapsed_s is 9000, required < 7200"),
    ],
)
def test_bounds(text: str, metrics: dict[str, float], expected: str | None) -> None:
    failures = unmet([parse_requirement(text)], metrics, {}, elapsed_s=9000.0)
    assert failures == ((expected,) if expected else ())


@pytest.mark.parametrize(
    "metric, history, expected",
    [
        ("loss", [3, 2, 1], None),
        (
            "loss",
            [9, 9, 1, 1, 2, 0.5],
            "loss is 1.25 on average over the last third, required lower than the 1 of the middle third",
        ),
        ("accel_loss", [3, 2, 1], None),
        ("val_acc", [1, 2, 3], None),
        (
            "top1/F1",
            [1, 2, 2],
            "top1/F1 is 2 on average over the last third, required higher than the 2 of the middle third",
        ),
        ("loss", [3, 2], "loss has 2 values in its history, improving needs at least 3"),
        ("gone", None, "gone has 0 values in its history, improving needs at least 3"),
        ("loss", [NAN, 2, 1], None),
        (
            "loss",
            [3, NAN, 1],
            "loss has values that are not finite numbers in its history, required to improve",
        ),
    ],
)
def test_improving(metric: str, history: list[float] | None, expected: str | None) -> None:
    histories = {} if history is None else {metric: history}
    failures = unmet([Improving(metric=metric)], {}, histories, elapsed_s=0)
    assert failures == ((expected,) if expected else ())


@given(
    st.dictionaries(st.sampled_from("abc"), st.floats() | st.integers()),
    st.lists(st.floats() | st.integers()),
)
def test_no_numbers_make_it_crash(metrics: dict[str, float], history: list[float]) -> None:
    rules = [parse_requirement(text) for text in ("a < 1", "b != 2", "improving(c)")]
    assert len(unmet(rules, metrics, {"c": history}, elapsed_s=0)) <= 3
