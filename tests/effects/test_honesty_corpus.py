"""How many fakes are found, and how much honest code is blamed."""

from __future__ import annotations

import pytest

from tests.support.honesty import LEAST_RECALL, MOST_FALSE_ALARMS, alarmed, missed, samples


def test_fakes_are_found() -> None:
    fakes = samples("fakes.yaml")
    overlooked = missed(fakes)
    assert len(fakes) >= 60
    assert 1 - len(overlooked) / len(fakes) >= LEAST_RECALL, overlooked


def test_honest_code_is_left_alone() -> None:
    genuine = samples("genuine.yaml")
    alarms = alarmed(genuine)
    assert len(genuine) >= 60
    assert len(alarms) / len(genuine) <= MOST_FALSE_ALARMS, alarms


@pytest.mark.parametrize("name", ["fakes.yaml", "genuine.yaml"])
def test_no_sample_is_counted_twice(name: str) -> None:
    every = [tuple(sample.files.values()) for sample in samples(name)]
    assert len(set(every)) == len(every)
