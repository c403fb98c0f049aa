"""Networks called by the name of an architecture, without the operation that makes it one.

An I3D convolves over time, a transformer attends, a vector quantizer looks codes up. Read over the file and
all that it imports; a network that is loaded, or comes of a library of models, is not questioned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from orchestrator.source.facts import Class, Facts, Kind, Sign
from orchestrator.source.index import Index
from orchestrator.source.listing import SourceFile
from orchestrator.source.naming import plain

RULE = "redflags/no-core-operation"


class _Core(NamedTuple):
    named: re.Pattern[str]
    done: re.Pattern[str]
    what: str


_CORES = (
    _Core(re.compile(r"^(i3d|c3d|x3d|slowfast)"), re.compile(r"3d|3_d"), "convolves over time and space"),
    _Core(
        re.compile(r"^(magvit|vqvae|vqgan|vectorquant)"),
        re.compile(
            r"argmin|argmax|cdist|gumbel|topk|sign$|searchsorted|bucketize|quantiz|^round$|where|fsq|lfq"
        ),
        "chooses codes of a codebook",
    ),
    _Core(
        re.compile(
            r"^(vit$|(video|vision|time|spatio|trajectory|object)\w*transformer|transformer(encoder|decoder|model)?$)"
        ),
        re.compile(r"attention|attn|attend|transformer|softmax|einsum|bmm|baddbmm"),
        "attends",
    ),
    _Core(
        re.compile(r"^(\w*lstm|\w*gru)(net|model|encoder|decoder|predictor)?$"),
        re.compile(r"lstm|gru|rnn|sigmoid"),
        "recurs",
    ),
)
_MODELS = {
    "torchvision",
    "pytorchvideo",
    "timm",
    "transformers",
    "mmaction",
    "mmcv",
    "x_transformers",
    "diffusers",
}
_LOADS = {
    "load",
    "from_pretrained",
    "create_model",
    "import_module",
    "load_state_dict",
    "instantiate",
    "einsum",
}


def judge(index: Index, file: SourceFile) -> Iterator[Sign]:
    for one in index.facts(file).classes:
        core = next((c for c in _CORES if c.named.search(plain(one.name))), None)
        if core is None or not _is_own_network(index, file, one):
            continue
        near = [index.facts(other) for other in index.closure([file])]
        own = {known.name for facts in near for known in facts.classes}
        if not any(_does(facts, core.done, own) or _is_loaded(facts) for facts in near):
            yield Sign(
                RULE, one.line, one.name, f"nothing {core.what} in {one.name}, or in what it is made of"
            )


def _is_own_network(index: Index, file: SourceFile, one: Class) -> bool:
    """A network that says itself how it works, of layers that it makes."""
    network = any(base.rpartition(".")[2] == "Module" for base in one.bases) and len(one.bases) == 1
    forward = [m for m in one.methods if m.name in ("forward", "encode")]
    return network and any(m.kind in (Kind.REAL, Kind.FORWARDS, Kind.IDENTITY) for m in forward)


def _does(facts: Facts, done: re.Pattern[str], own: set[str]) -> bool:
    """Making an object of the tree's own is no operation yet, whatever its class is called."""
    said = (name for name in (*facts.calls, *facts.uses) if name.rpartition(".")[2] not in own)
    return any(done.search(name.lower()) for name in said)


def _is_loaded(facts: Facts) -> bool:
    return bool(_LOADS & set(facts.calls)) or any(
        i.live and i.used and i.target.split(".")[0] in _MODELS for i in facts.imports
    )
