"""Methods whose name promises work, and whose answer has nothing to do with what they were given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from orchestrator.source.bodies import BY_CHANCE, DEAF, HASHES, SIZES
from orchestrator.source.facts import Class, Function, Kind, Sign
from orchestrator.source.index import Definition, Index
from orchestrator.source.listing import SourceFile
from orchestrator.source.naming import words, words_of

CONSTANT, RANDOM = "redflags/constant-answer", "redflags/random-answer"
UNCHANGED, CANNED, EMPTY = "redflags/unchanged-input", "redflags/canned-answer", "redflags/empty-method"
BLIND_LOSS = "redflags/loss-ignores-input"

VERBS = words_of(
    """
    encode decode forward predict detect track extract embed tokenize detokenize classify quantize compress
    decompress infer segment reconstruct caption generate complete chat score estimate align loss evaluate
    scan locate recognize summarize translate transcribe
    """
)
_CHANGES = words_of(
    "encode decode tokenize detokenize quantize compress decompress embed extract detect caption"
)
_KNOWS = words_of(
    "forward predict detect track extract classify infer segment reconstruct caption score estimate evaluate"
)
"""What these say of their input must come of it, and neither of chance nor of a digest."""
MEASURES = words_of(
    """
    accuracy acc mse mae rmse mape f1 precision recall auc iou giou psnr ssim perplexity bleu purity loss
    overlap dice distance similarity error correctness
    """
)
"""Last words of what tells how near two things are."""
_SIZED = words_of("dtype shape device size sizes type dim dims length rank")
_TELLS = {"compute", "result", "value"}
"""What tells the state of a metric that was fed before."""
_LEARNS = words_of("forward predict estimate score evaluate infer")
"""These may answer with what was learned before, whatever they are given: a mean, a learned query."""
_DRAWS = words_of(
    "noise random sample samples synthetic data dataset batch trajectory trajectories augment mask"
)
_STATUS = re.compile(r" \((-?\d|\(-?\d, -?\d\))\)$")
"""What a parent asks for that gets the work elsewhere: how many bytes were used, and an error number."""
_GIVEN_BY_SIZE = words_of("mask masks grid anchors positions indices")
"""Last words of what is made to measure: `generate_square_mask(length)`."""
NEUTRAL = words_of(
    """
    null noop no nop identity passthrough pass empty base mixin interface disabled constant zero always
    trivial baseline none raw plain default
    """
)
"""Words in the name of a class that own up to doing nothing."""


def judge(index: Index, file: SourceFile) -> Iterator[Sign]:
    facts = index.facts(file)
    for one in facts.classes:
        if not (one.abstract or NEUTRAL & set(words(one.name))):
            owner = Definition(file, one)
            inherited = _is_inherited(index, owner)
            for method in one.methods:
                if not (inherited and method.kind in (Kind.STUB, Kind.IDENTITY)):
                    yield from _judged(index, Definition(file, method), owner, one)
    for function in facts.functions:
        yield from _judged(index, Definition(file, function), None, None)


def _is_inherited(index: Index, owner: Definition) -> bool:
    """Others in the tree build on it, or it leaves methods to them: a base class, whatever it is called."""
    assert isinstance(owner.what, Class)
    if any(
        m.kind in (Kind.ABSTRACT,) or (m.kind == Kind.STUB and "raise" in m.found) for m in owner.what.methods
    ):
        return True
    return owner.what.name in index.inherited


def _judged(index: Index, of: Definition, owner: Definition | None, within: Class | None) -> Iterator[Sign]:
    function = of.what
    assert isinstance(function, Function)
    spoken = words(function.name)
    if not spoken or not (function.inputs or function.name in _TELLS):
        return
    losing = spoken[-1] == "loss" or (
        within is not None and within.name.endswith("Loss") and function.name == "forward"
    )
    measures = spoken[-1] in MEASURES and function.inputs > 1
    if within is not None and function.name in _TELLS and MEASURES & set(words(within.name)[-1:]):
        measures = True
    if spoken[0] not in VERBS and not losing and not measures:
        return
    settled = index.settled(of, owner)
    rule = _rule(settled, spoken, losing, within is None or _is_first(within))
    if rule:
        place = f"{within.name}.{function.name}" if within else function.name
        yield Sign(rule, function.line, place, f"{place} {settled.found}")


def _rule(function: Function, spoken: Sequence[str], losing: bool, is_first: bool) -> str:
    match function.kind:
        case Kind.CONSTANT if not (_is_verdict(function) or _GIVEN_BY_SIZE & set(spoken[-1:])):
            status = not is_first and function.acts and _STATUS.search(function.found)
            return "" if status else BLIND_LOSS if losing else CONSTANT
        case Kind.RANDOM if not _DRAWS & set(spoken):
            return BLIND_LOSS if losing else RANDOM
        case Kind.IDENTITY if spoken[0] in _CHANGES:
            return UNCHANGED
        case Kind.CANNED:
            return CANNED
        case Kind.STUB if "raise" not in function.found and is_first:
            return EMPTY
        case Kind.REAL if function.found in (SIZES, DEAF):
            if losing:
                return BLIND_LOSS
            told = spoken[0] in (_CHANGES | _KNOWS) - _LEARNS and not _SIZED & set(spoken)
            return CONSTANT if told and is_first else ""
        case Kind.REAL if function.found in (BY_CHANCE, HASHES) and not _DRAWS & set(spoken):
            return RANDOM if spoken[0] in _KNOWS | _CHANGES else ""
    return ""


def _is_first(one: Class) -> bool:
    """It overrides nothing that does the work: an empty method there leaves the work undone."""
    return all(base.rpartition(".")[2] in {"object", "Module", "LightningModule"} for base in one.bases)


def _is_verdict(function: Function) -> bool:
    """`return True` says that something was done, or cannot be."""
    return function.found.endswith(("(True)", "(False)", "(self)")) or "only returns None" in function.found
