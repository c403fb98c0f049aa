from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any, get_args

import pytest

from orchestrator.core import facts as f
from orchestrator.core.facts import Fact
from orchestrator.reports.story import concerns, in_words, moves

RED = f.GateFinished(
    wave=1,
    workstream="a",
    gate="tests",
    commit="c" * 40,
    tree="t",
    ok=False,
    seconds=2.25,
    cached=False,
    log="/log",
    message="exit status 1\nlast line",
)
BEGUN = f.LandingBegun(
    wave=1,
    base="main",
    base_before="0" * 40,
    candidate="9" * 40,
    tag="p/wave1",
    tag_object="a" * 40,
    tips={"a": "c" * 40},
    refs=(
        f.RefStep(ref="refs/tags/p/wave1", old=None, new="a" * 40),
        f.RefStep(ref="refs/heads/integration/wave1", old="1" * 40, new="9" * 40),
    ),
)


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (f.LandingAsked(wave=1, by="ada"), "ada asked to land it"),
        (RED, "tests on cccccccccccc: red (2.2 s): exit status 1; log /log"),
        (
            f.WaveProposed(
                wave=1,
                base="main",
                base_before="0" * 40,
                tips={"a": "c" * 40},
                generated=("CHANGELOG.md",),
                conflicts=("a: conflicts with main in x (content)",),
            ),
            "saw main at 000000000000, a at cccccccccccc; would write CHANGELOG.md; "
            "a: conflicts with main in x (content)",
        ),
        (
            BEGUN,
            "begins to move refs/tags/p/wave1 made at aaaaaaaaaaaa; "
            "refs/heads/integration/wave1 111111111111 → 999999999999; "
            "refs/heads/main 000000000000 → 999999999999",
        ),
        (f.LandingRefused(wave=1, reasons=("a is red", "b is red")), "not landed: a is red; b is red"),
        (f.StartAsked(workstream="a", by="ada"), "ada asked to start it"),
        (
            replace(RED, ok=True, outcome="red", severity="warn"),
            "tests on cccccccccccc: red, only a warning (2.2 s): exit status 1; log /log",
        ),
        (replace(RED, ok=True, message=""), "tests on cccccccccccc: green (2.2 s)"),
        (
            replace(RED, outcome="infrastructure", message="it was killed by SIGKILL"),
            "tests on cccccccccccc: no verdict (2.2 s): it was killed by SIGKILL; log /log",
        ),
        (
            f.RollbackBegun(
                wave=1,
                base="main",
                base_before="0" * 40,
                base_after="9" * 40,
                form="commit",
                landed=("a",),
                refs=(
                    f.RefStep(ref="refs/heads/integration/wave1", old="1" * 40, new=None),
                    f.RefStep(ref="refs/heads/still", old="2" * 40, new="2" * 40),
                ),
            ),
            "begins to move refs/heads/integration/wave1 deleted, was 111111111111; "
            "refs/heads/main 000000000000 → 999999999999",
        ),
        (
            f.LaunchEnded(
                workstream="a",
                launch=f.LaunchId("a-1"),
                exit_code=None,
                signal="SIGKILL",
                cause="exited",
                ended=0.0,
                elapsed_s=2.5,
            ),
            "a-1 ended after 2.5 s: killed by SIGKILL",
        ),
    ],
)
def test_facts_of_a_landing_are_told_in_words(fact: Fact, words: str) -> None:
    assert in_words(fact) == words


SAMPLES: dict[str, Any] = {
    "int": 1,
    "int | None": None,
    "float": 1.0,
    "float | None": 1.0,
    "bool": True,
    "str": "word",
    "str | None": None,
    "LaunchId": "a-1",
    "tuple[str, ...]": ("a", "b"),
    "tuple[int, ...]": (0,),
    "tuple[RefStep, ...]": (),
    "dict[str, str]": {"a": "c" * 40},
    "dict[str, float]": {"loss": 0.5},
}


@pytest.mark.parametrize("kind", get_args(Fact), ids=lambda kind: kind.__name__)
def test_every_kind_of_fact_has_words(kind: type[Fact]) -> None:
    values = {field.name: SAMPLES[str(field.type)] for field in fields(kind)}
    fact = kind(**values | ({"outcome": "red"} if "outcome" in values else {}))
    words = in_words(fact)
    assert words
    assert not re.search(r"\w=|[\[{]|None", words), words


def test_an_old_journal_knows_of_tag_and_base() -> None:
    old = f.LandingBegun(
        wave=1, base="main", base_before="c0", candidate="c9", tag="p/wave1", tag_object="a9", tips={}
    )
    assert [(step.ref, step.old, step.new) for step in moves(old)] == [
        ("refs/tags/p/wave1", None, "a9"),
        ("refs/heads/main", "c0", "c9"),
    ]


@pytest.mark.parametrize(
    ("fact", "belongs"),
    [
        (RED, True),
        (f.LandingAsked(wave=2, by="ada"), False),
        (f.StartAsked(workstream="a", by="ada"), True),
        (f.StartAsked(workstream="z", by="ada"), False),
        (f.DaemonStopped(pid=1, why="down"), False),
    ],
)
def test_a_wave_has_its_own_facts_and_those_of_its_workstreams(fact: Fact, belongs: bool) -> None:
    assert concerns(fact, 1, ("a", "b")) is belongs
