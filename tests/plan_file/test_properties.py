from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.plan_file import PlanErrors, load_plan, starter_text
from orchestrator.plan_file.durations import parse_duration

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True)
printable = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1).filter(
    str.strip
)
words = st.sampled_from(
    [
        "version",
        "project",
        "waves",
        "workstreams",
        "branch",
        "needs",
        "gates",
        "run",
        ":",
        "-",
        "?",
        "&",
        "*",
        "<<",
        "{",
        "}",
        "[",
        "]",
        "'",
        '"',
        "|",
        ">",
        "#",
        "!",
        "%",
        "@",
        "1",
        "no",
        "~",
    ]
)
fragments = st.lists(words | st.just("\n") | st.text(max_size=4), max_size=40).map(" ".join)


def workstream(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"branch": st.just(f"work/{name}")},
        optional={
            "env": st.dictionaries(st.from_regex(r"[A-Z][A-Z_]{0,5}", fullmatch=True), printable, max_size=2),
            "run": printable,
            "ports": st.integers(0, 100),
            "priority": st.integers(-9, 9),
            "heartbeat": st.fixed_dictionaries(
                {"every": st.just("5s"), "stale": st.sampled_from(["1m", "2h"])}
            ),
            "gates": st.lists(st.sampled_from(["tests", "clean-merge", "docs"]), unique=True),
        },
    )


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    unique = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    numbers = sorted(draw(st.sets(st.integers(1, 20), min_size=1, max_size=len(unique))))
    waves: dict[int, Any] = {number: {"workstreams": {}} for number in numbers}
    for at, name in enumerate(unique):
        number = numbers[at * len(numbers) // len(unique)]
        body = draw(workstream(name))
        if at:
            body["needs"] = draw(st.lists(st.sampled_from(unique[:at]), max_size=2, unique=True))
        waves[number]["workstreams"][name] = body
    return {"version": 1, "project": "p", "gates": {"tests": {"run": "make"}}, "waves": waves}


@quick
@given(
    st.binary(max_size=200)
    | fragments.map(str.encode)
    | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace"))
)
def test_nothing_but_plan_errors_comes_of_any_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "waves.yaml"
    path.write_bytes(content)
    with pytest.raises(PlanErrors) as caught:
        load_plan(path)
    lines = str(caught.value).split("\n")
    assert len(lines) == len(caught.value.problems)
    assert all(line.startswith(f"{path}:") for line in lines)


@quick
@given(plans(), st.data())
def test_one_wrong_value_is_a_problem_and_never_a_crash(
    tmp_path: Path, plan: dict[str, Any], data: st.DataObject
) -> None:
    target: Any = plan
    while isinstance(target, dict) and target and data.draw(st.booleans()):
        inner = [value for value in target.values() if isinstance(value, dict) and value]
        if not inner:
            break
        target = data.draw(st.sampled_from(inner))
    key = data.draw(
        st.sampled_from(list(target)) | st.sampled_from(["needs", "host", "stages", "gates", "x"])
    )
    target[key] = data.draw(
        st.sampled_from([None, True, 1, -1.5, "x", "", [], [[]], {}, {"x": []}, [None], {1: 2}])
    )
    path = tmp_path / "waves.yaml"
    path.write_text(yaml.safe_dump(plan, sort_keys=False))
    try:
        load_plan(path)
    except PlanErrors as error:
        assert error.problems


@quick
@given(plans())
def test_a_valid_plan_says_what_was_written(tmp_path: Path, written: dict[str, Any]) -> None:
    path = tmp_path / "waves.yaml"
    path.write_text(yaml.safe_dump(written, sort_keys=False, allow_unicode=True), encoding="utf-8")
    plan = load_plan(path)
    read = {
        number: {name: _as_written(plan.workstreams[name]) for name in wave.workstreams}
        for number, wave in plan.waves.items()
    }
    expected = {
        number: {
            name: {
                "branch": keys["branch"],
                "env": keys.get("env", {}),
                "run": keys.get("run"),
                "ports": keys.get("ports", 0),
                "priority": keys.get("priority", 0),
                "needs": keys.get("needs", []),
                "gates": keys.get("gates", []),
            }
            for name, keys in wave["workstreams"].items()
        }
        for number, wave in written["waves"].items()
    }
    assert read == expected


def _as_written(work: Any) -> dict[str, Any]:
    return {
        "branch": work.branch,
        "env": dict(work.env),
        "run": work.stages[0].run if work.stages else None,
        "ports": work.ports,
        "priority": work.priority,
        "needs": list(work.needs.workstreams),
        "gates": [gate.name for gate in work.gates],
    }


@quick
@given(
    st.text(max_size=80),
    st.from_regex(r"[a-z0-9]{1,9}(/[a-z0-9]{1,9}){0,3}", fullmatch=True)
    | st.sampled_from(["no", "1.10", "null", "integration", "project/first", "demo"]),
    st.booleans(),
)
def test_the_starter_loads_for_every_repository(
    tmp_path: Path, project: str, base: str, has_remote: bool
) -> None:
    path = tmp_path / "waves.yaml"
    path.write_text(starter_text(project, base, has_remote), encoding="utf-8")
    plan = load_plan(path)
    assert (plan.base, plan.not_built, plan.remote) == (base, (), "origin" if has_remote else None)


@pytest.mark.parametrize(
    "text, seconds", [("30s", 30), ("5m", 300), ("1.5h", 5400), ("1d", 86400), ("0s", 0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "5 w", "-5s", "1e3s", "infs", "5s ", "5m30s", "٣s", "1.s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)
