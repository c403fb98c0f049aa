"""Classes that are called what they are: `SimplifiedI3D`, `FakeTokenizer`.

The name is evidence where it is that of a component: a network, a detector, a client. A `FakeTensor` or a
`MockSchema` may be a thing of its own; there it takes a class that does nothing as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.checks.redflags.services import service_of
from orchestrator.source.facts import Class, Kind, Sign
from orchestrator.source.index import Definition, Index
from orchestrator.source.listing import SourceFile
from orchestrator.source.naming import words, words_of

RULE = "redflags/fake-name"

_SHAM = {"simplified", "fake", "mock", "mocked", "dummy", "placeholder"}
_AHEAD = {"stub", "toy", "sham", "bogus", "pseudo"}
_COMPONENTS = words_of(
    """
    tokenizer detector tracker extractor encoder decoder classifier quantizer embedder predictor forecaster
    segmenter captioner model net network llm gpt client api dataset loader dataloader trainer evaluator loss
    criterion metric metrics agent pipeline backbone transformer attention head estimator regressor generator
    discriminator vae policy learner optimizer vision video
    """
)


def judge(index: Index, file: SourceFile) -> Iterator[Sign]:
    for one in index.facts(file).classes:
        spoken = words(one.name)
        said = _SHAM & set(spoken) or _AHEAD & set(spoken[:1])
        if said and not _is_quantization(spoken) and _counts(index, Definition(file, one), spoken, said):
            yield Sign(RULE, one.line, one.name, f"the class {one.name} calls itself {min(said)}")


def _counts(index: Index, of: Definition, spoken: tuple[str, ...], said: set[str]) -> bool:
    assert isinstance(of.what, Class)
    if spoken[-1] in {"error", "exception", "warning"} or {"simplified", "chinese"} <= set(spoken):
        return False
    rest = "".join(word for word in spoken if word not in said)
    network = any(base.rpartition(".")[2].endswith(("Module", "Model")) for base in of.what.bases)
    if "simplified" in said or network or _COMPONENTS & set(spoken) or service_of(rest):
        return True
    return not any(
        index.settled(Definition(heir.file, method), of).kind in (Kind.REAL, Kind.ABSTRACT)
        for heir in index.lineage(of)
        if isinstance(heir.what, Class)
        for method in heir.what.methods
        if method.name != "__init__"
    ) and not (of.what.fields or of.what.decorated)


def _is_quantization(spoken: tuple[str, ...]) -> bool:
    """Fake quantization is a method of its own."""
    return "fake" in spoken and any(word.startswith("quant") for word in spoken)
