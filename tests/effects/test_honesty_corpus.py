"""How many fakes are found, and how much honest code is blamed."""

from __future__ import annotations

import pytest

from tests.support.honesty import FAKES, GENUINE, LEAST_RECALL, MOST_FALSE_ALARMS, alarmed, missed, samples


@pytest.mark.parametrize(("name", "least"), FAKES.items())
def test_fakes_are_found(name: str, least: int) -> None:
    fakes = samples(name)
    overlooked = missed(fakes)
    assert len(fakes) >= least
    assert 1 - len(overlooked) / len(fakes) >= LEAST_RECALL, overlooked


@pytest.mark.parametrize(("name", "least"), GENUINE.items())
def test_honest_code_is_left_alone(name: str, least: int) -> None:
    genuine = samples(name)
    alarms = alarmed(genuine)
    assert len(genuine) >= least
    assert len(alarms) / len(genuine) <= MOST_FALSE_ALARMS, alarms


@pytest.mark.parametrize("name", [*FAKES, *GENUINE])
def test_no_sample_is_counted_twice(name: str) -> None:
    every = [tuple(sample.files.values()) for sample in samples(name)]
    assert len(set(every)) == len(every)
