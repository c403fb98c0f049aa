from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.supervised import Launch, Launched


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Launches of the test's folder; what they left is ended with the test."""
    made: list[Launched] = []

    def make(command: str, **fields: Any) -> Launched:
        made.append(Launched(tmp_path, command, **fields))
        return made[-1]

    yield make
    for each in made:
        each.clean()
