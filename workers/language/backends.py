"""What answers: one interface over an API and a local model, and how far its figures may be trusted."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from workers.cli import WorkerError
from workers.language.prompts import Message


class Label(StrEnum):
    LIVE = "live"  # the model itself answered
    TINY = "tiny"  # the same classes in a small configuration, trained here
    SCRIPTED = "scripted"  # a server on this machine, which may say anything
    NOT_RUN = "not_run"


class Stop(StrEnum):
    END = "end"
    LENGTH = "length"
    REFUSED = "refused"


class ModelUnavailable(WorkerError):
    """No key, no weights, or nobody answers: nothing was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    text: str
    stop: Stop
    input_tokens: int
    output_tokens: int


class LanguageModel(Protocol):
    @property
    def identity(self) -> str:
        """Names model and settings; answers are cached under it."""

    @property
    def label(self) -> Label: ...

    @property
    def row(self) -> str:
        """The row of the results that these figures belong to."""

    def complete(self, messages: Sequence[Message]) -> Completion:
        """Raises ModelUnavailable."""
