"""Judgements that do not depend on what they judge: no way leads from the parameter to the answer."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from orchestrator.checks.redflags.answers import MEASURES
from orchestrator.source.facts import Sign
from orchestrator.source.flow import content_of, reaching
from orchestrator.source.liveness import FUNCTIONS, FunctionNode, docstring, live
from orchestrator.source.naming import dotted, tail, words, words_of
from orchestrator.source.nodes import running as walk
from orchestrator.source.parsing import Module

MADE_UP, UNREAD, NEVER = "redflags/made-up-metric", "redflags/unread-input", "redflags/never-trains"

_COMPARED = words_of(
    """
    pred preds prediction predictions predicted predicts output outputs logits probs yhat hat recon
    reconstruction estimate estimates estimated a b box boxes box1 box2 first second target targets label
    labels truth truths gt expected reference references actual true hypothesis answers answer
    """
)
_EVALUATES = words_of("evaluate eval validate benchmark evaluation validation score")
_JUDGED = words_of(
    """
    model net network detector tracker predictor classifier tokenizer llm extractor estimator encoder agent
    client backbone pipeline
    """
)
_LOOKS = words_of(
    """
    encode decode predict detect track extract embed tokenize classify quantize infer segment
    reconstruct caption generate describe estimate compress decompress forward
    """
)
_COUNTERS = {"epoch", "step", "iteration", "i", "epochs", "steps", "progress", "t"}
_COEFFICIENT = words_of("weight lambda coef alpha beta schedule rate target scale max min")
_WORKERS = {"trainer", "evaluator", "validator"}
_OPENS = words_of("open read_text read_bytes load loads read_csv read_json safe_load literal_eval loadtxt")


def signs(module: Module) -> Iterator[Sign]:
    for owner in module.nodes.of(ast.ClassDef):
        if _WORKERS & set(words(owner.name)[-1:]):
            yield from _of_owner(owner)
    for function in module.nodes.functions():
        spoken = words(function.name)
        if not spoken or _is_declared(function):
            continue
        if spoken[-1] in MEASURES or (spoken[0] == "compute" and MEASURES & set(spoken)):
            yield from _of_measure(function)
            yield from _of_counter(function)
        elif spoken[0] in _EVALUATES:
            yield from _of_evaluation(function)
        elif spoken[0] in _LOOKS and _reads_files(function):
            yield from _of_stored(function)


def _of_measure(function: FunctionNode) -> Iterator[Sign]:
    """Something is compared with something else: both must count."""
    compared = [name for name in content_of(function) if _COMPARED & set(words(name))]
    if len(compared) < 2:
        return
    lost = [name for name in compared if name not in reaching(function)]
    for name in lost[:1]:
        yield _sign(MADE_UP, function, f"does not depend on {name}")


def _of_counter(function: FunctionNode) -> Iterator[Sign]:
    """A curve written as a formula: how far the run is decides how good it is."""
    given = content_of(function)
    if not given or not set(given) <= _COUNTERS or any(_COEFFICIENT & set(words(function.name))):
        return
    named = {n.id for s in function.body for n in walk(s) if isinstance(n, ast.Name)}
    held = any(
        isinstance(n, ast.Attribute) and dotted(n).startswith("self.") for s in function.body for n in walk(s)
    )
    if not held and named <= {
        *given,
        "math",
        "np",
        "numpy",
        "random",
        "min",
        "max",
        "round",
        "abs",
        "float",
        "torch",
    }:
        yield _sign(MADE_UP, function, f"is computed from {given[0]} alone")


def _of_owner(owner: ast.ClassDef) -> Iterator[Sign]:
    """A trainer or evaluator that is given a model, and does nothing with it."""
    inits = [n for n in owner.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    works = [
        n for n in owner.body if isinstance(n, FUNCTIONS) and n.name != "__init__" and not _is_declared(n)
    ]
    if not works or any(tail(base) not in {"object", "Generic"} for base in owner.bases):
        return
    for name in [a.arg for init in inits for a in init.args.args[1:] if a.arg in {"model", "net", "network"}]:
        if sum(isinstance(n, ast.Name) and n.id == name for init in inits for n in walk(init)) != 1:
            continue  # kept, and no more
        if not any(isinstance(n, ast.Attribute) and name in n.attr for work in works for n in walk(work)):
            text = f"{owner.name} keeps the {name} that it is given, and never uses it"
            yield Sign(NEVER, owner.lineno, owner.name, text)


def _of_evaluation(function: FunctionNode) -> Iterator[Sign]:
    judged = [name for name in content_of(function) if _JUDGED & set(words(name)[-1:])]
    counts = reaching(function) if judged else frozenset()
    for name in [name for name in judged if name not in counts][:1]:
        yield _sign(MADE_UP, function, f"tells results that do not depend on {name}")


def _of_stored(function: FunctionNode) -> Iterator[Sign]:
    """Answers kept in a file, whatever is asked."""
    given = content_of(function)
    if given and not set(given) & reaching(function):
        yield _sign(UNREAD, function, f"reads its answer from a file, and never looks at {given[0]}")


def _sign(rule: str, function: FunctionNode, how: str) -> Sign:
    return Sign(rule, function.lineno, function.name, f"{function.name}() {how}")


def _reads_files(function: FunctionNode) -> bool:
    calls = (n for statement in function.body for n in ast.walk(statement) if isinstance(n, ast.Call))
    return any(tail(call.func) in _OPENS for call in calls)


def _is_declared(function: FunctionNode) -> bool:
    """Without a body that does something: a declaration, or a stub that others name."""
    body: Sequence[ast.stmt] = live(function.body[1:] if docstring(function.body) else function.body)
    if any(tail(d) in {"abstractmethod", "overload"} for d in function.decorator_list):
        return True
    return all(
        isinstance(s, (ast.Pass, ast.Raise))
        or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        or (isinstance(s, ast.Return) and (s.value is None or isinstance(s.value, ast.Constant)))
        for s in body
    )
