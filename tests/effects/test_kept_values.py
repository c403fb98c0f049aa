import pickle
from pathlib import PurePosixPath

import pytest

from orchestrator.core.observation import HostSeen
from orchestrator.kept_values import Unusable, code_digest, dumped, loaded


def test_a_value_of_the_core_comes_back() -> None:
    assert loaded(dumped({"gpu": HostSeen(reachable=True)}), "core") == {"gpu": HostSeen(reachable=True)}


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(pickle.dumps(PurePosixPath("/")), id="a class of others"),
        pytest.param(b"corchestrator.core.plan\nannotations\n.", id="no class"),
        pytest.param(b"corchestrator.core.status\nmath.floor\n.", id="through an import"),
        pytest.param(b"corchestrator.core.status\nPlan\n.", id="imported by the room"),
        pytest.param(b"corchestrator.core_else\nPlan\n.", id="a room of a like name"),
        pytest.param(dumped(HostSeen(reachable=True))[:-3], id="torn"),
        pytest.param(b"corchestrator.core.plan\nNoSuchClass\n.", id="a class of other code"),
        pytest.param(b"", id="empty"),
    ],
)
def test_nothing_else_is_made(kept: bytes) -> None:
    with pytest.raises(Unusable):
        loaded(kept, "core")


def test_other_code_has_another_digest() -> None:
    assert code_digest("core") != code_digest("core", "plan_file")
