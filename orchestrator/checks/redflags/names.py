"""Classes that are called what they are: `SimplifiedI3D`, `FakeTokenizer`."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.source.facts import Sign
from orchestrator.source.index import Index
from orchestrator.source.listing import SourceFile
from orchestrator.source.naming import words

RULE = "redflags/fake-name"

_SHAM = {"simplified", "fake", "mock", "mocked", "dummy", "placeholder"}
_AHEAD = {"stub", "toy", "sham", "bogus", "pseudo"}


def judge(index: Index, file: SourceFile) -> Iterator[Sign]:
    for one in index.facts(file).classes:
        spoken = words(one.name)
        said = _SHAM & set(spoken) or _AHEAD & set(spoken[:1])
        if said and not _is_quantization(spoken):
            yield Sign(RULE, one.line, one.name, f"the class {one.name} calls itself {min(said)}")


def _is_quantization(spoken: tuple[str, ...]) -> bool:
    """Fake quantization is a method of its own."""
    return "fake" in spoken and any(word.startswith("quant") for word in spoken)
