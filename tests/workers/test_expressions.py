"""A model's text is arithmetic or it is refused; it is never run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.language.answers import BadAnswer, Mode, read_answer
from workers.language.expressions import ExpressionError, parse

T = np.linspace(0, 1.2, 38)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5", 0.5 + 0 * T),
        ("1 - 2*t + 3e0*t**2", 1 - 2 * T + 3 * T**2),
        (" sin(6*t + pi/2) ", np.cos(6 * T)),
        ("-(t+1)**-2 + +t", -((T + 1) ** -2.0) + T),
        ("sqrt(exp(2*t))", np.exp(T)),
    ],
)
def test_arithmetic_has_its_value(text: str, expected: np.ndarray) -> None:

    assert np.allclose(parse(text).at(T), expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "__import__('os').system('true')",
        "t.__class__",
        "lambda: t",
        "[t]",
        "t if t else 1",
        "(t := 2)",
        "f'{t}'",
        "t < 1",
        "t and 1",
        "True",
        "1j",
        "'a'",
        "sin",
        "sin(t, 2)",
        "sin(t=1)",
        "sin(*t)",
        "open(t)",
        "9**9**9**9",
        "t**t",
        "t**6.5",
        "t**-7",
        "1e7",
        "1e999",
        "t % 2",
        "t // 2",
        "t @ t",
        "~t",
        "not t",
        "sin(t",
        "\0",
        "+".join("t" * 70),
        "t" + " " * 300,
        "1" * 299,
        "await t",
        "t; t",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


@pytest.mark.parametrize("text", ["1/(t-t)", "sqrt(-1)", "exp(exp(exp(9*t+9)))", "1/t", "t**-1"])
def test_what_is_not_finite_is_refused_when_it_is_drawn(text: str) -> None:
    with pytest.raises(ExpressionError, match="finite"):
        parse(text).at(T)


ATOMS = st.sampled_from(["t", "pi", "1", "0.5", "2e3", "7"])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda p: f"({p[0]}{p[1]}{p[2]})"),
        st.tuples(st.sampled_from(["sin", "cos", "sqrt", "exp"]), inner).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(inner, st.integers(-6, 6)).map(lambda p: f"({p[0]})**{p[1]}"),
    ),
    max_leaves=6,
)
FUNCTIONS = {"sin": np.sin, "cos": np.cos, "sqrt": np.sqrt, "exp": np.exp, "pi": np.pi}


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS)
def test_what_is_accepted_means_what_python_means(text: str) -> None:
    try:
        found = parse(text).at(T)
    except ExpressionError:
        return
    with np.errstate(all="ignore"):
        try:
            wanted = eval(text, {"__builtins__": {}}, {**FUNCTIONS, "t": T})
        except (
            ZeroDivisionError
        ):  # of Python's own numbers, which know no infinity on the way to a finite value
            return
    assert np.allclose(found, wanted, rtol=1e-9)


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet=st.sampled_from("tpisncoqrxe_0123456789.+-*/()[]{},:='\"\\ \n\0é"), max_size=80)
    | st.text()
)
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        values = parse(text).at(T)
    except ExpressionError:
        return
    assert values.shape == T.shape
    assert np.isfinite(values).all()


RIGHT = {
    "family": "linear",
    "x": "t",
    "y": "2",
    "z": 1.5,
    "description": {"sense": "none", "text": "A\nline."},
}


@pytest.mark.parametrize(
    "frame", ["{}", "Sure! Here it is:\n```json\n{}\n```\nAnything else?", "{{a}} {} {{}}"]
)
def test_json_is_found_amid_prose(frame: str) -> None:
    text = frame.replace("{{", "{").replace("}}", "}") if "a" in frame and "{{" in frame else frame
    answer = read_answer(text.replace("{}", json.dumps(RIGHT), 1), Mode.DIRECT)
    assert (answer.family, answer.slots, answer.text) == ("linear", {"sense": "none"}, "A line.")
    assert [one.text for one in answer.expressions] == ["t", "2", "1.5"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON"),
        (json.dumps(RIGHT)[:40], "no JSON"),
        ("[" * 5000, "no JSON"),
        ('{"family":' * 1500, "no JSON"),
        (json.dumps({**RIGHT, "family": "cubic"}), "cubic"),
        (json.dumps({**RIGHT, "family": ["linear"]}), "linear"),
        (json.dumps({**RIGHT, "y": None}), "y is missing"),
        (json.dumps({**RIGHT, "y": True}), "y is missing"),
        (json.dumps({**RIGHT, "z": "t.__class__"}), "Attribute"),
        ('{"family": "linear", "x": NaN, "y": "t", "z": "t"}', "x"),
    ],
)
def test_a_wrong_answer_says_why(text: str, reason: str) -> None:
    with pytest.raises(BadAnswer, match=reason):
        read_answer(text, Mode.DIRECT)


def test_the_package_never_evaluates_text() -> None:
    for path in (Path(__file__).parents[2] / "workers" / "language").glob("*.py"):
        text = path.read_text()
        assert not any(word in text for word in ("eval(text", " eval(", "exec(", "sympify", "parse_expr"))
