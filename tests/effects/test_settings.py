import pytest

from orchestrator.errors import UsageError
from orchestrator.settings import POLL_S, poll_s


def test_the_interval_of_looks_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORCHESTRATOR_POLL_S", raising=False)
    assert poll_s() == POLL_S
    monkeypatch.setenv("ORCHESTRATOR_POLL_S", "0.2")
    assert poll_s() == 0.2


@pytest.mark.parametrize("value", ["", "x", "nan", "0", "-1", "inf", "1e9"])
def test_an_interval_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ORCHESTRATOR_POLL_S", value)
    with pytest.raises(UsageError, match=r"ORCHESTRATOR_POLL_S=.* is no number of seconds") as raised:
        poll_s()
    assert raised.value.hint == "unset ORCHESTRATOR_POLL_S"
