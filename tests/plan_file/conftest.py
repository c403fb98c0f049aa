from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.core.plan import Plan
from orchestrator.plan_file import PlanErrors, load_plan


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "repository" / "waves.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def load(write: Callable[[str | bytes], Path]) -> Callable[[str], Plan]:
    return lambda text: load_plan(write(text))


@pytest.fixture
def complaints(write: Callable[[str | bytes], Path], tmp_path: Path) -> Callable[[str | bytes], list[str]]:
    """What is wrong with /place/repository/waves.yaml, without that name in front."""

    def complaints(content: str | bytes) -> list[str]:
        with pytest.raises(PlanErrors) as caught:
            load_plan(write(content))
        text = str(caught.value).replace(str(tmp_path), "/place")
        return text.replace("/place/repository/waves.yaml:", "").split("\n")

    return complaints
