"""Answers that look like work: texts out of the code, fillers in a record, shapes to trace with."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from orchestrator.source.liveness import FunctionNode
from orchestrator.source.naming import tail, words
from orchestrator.source.values import ASKED, RANDOM, SIZE, STATE, Scope, Value

_TEXT_VERBS = {"generate", "complete", "chat", "ask", "query", "answer", "respond", "prompt", "infer"}
_TELLS_OF = {"caption", "transcribe", "summarize", "summarise"}
"""What these say of their input stands in no list."""
_SAID = {"prompt", "prompts", "question", "message", "messages", "instruction", "conversation"}
_ASKED = _SAID | {"query", "text"}
_ASKED |= {
    "trajectory",
    "context",
    "input",
    "inputs",
    "x",
    "data",
    "user_input",
    "user_message",
    "system_prompt",
}
_KERNEL_SHAPES = {"register_fake", "impl_abstract", "register_meta"}


def is_canned(
    node: FunctionNode,
    answers: Iterable[tuple[Value, ast.expr]],
    inputs: Sequence[str],
    asks: bool,
) -> bool:
    """A function that should think, and answers with texts that stand in the code."""
    given = {name.lower() for name in inputs}
    values = [value for value, _ in answers]
    if _TELLS_OF & set(words(node.name)[:1]) and given and all(v.fixed for v in values):
        return True
    if not _TEXT_VERBS & set(words(node.name)[:1]):
        return False
    if _SAID & given and (all(v.fixed for v in values) or not (asks or any(v.mask & ASKED for v in values))):
        return True
    return bool(_ASKED & given) and all(v.template and not v.mask & STATE for v in values)


def is_filler(scope: Scope, answer: Value, node: ast.expr) -> bool:
    """A record of which one part is zeros or chance, and no part comes of what the object holds."""
    items = node.values if isinstance(node, ast.Dict) else getattr(node, "elts", [])
    parts = [scope.value(item).mask for item in items if not isinstance(item, ast.Constant)]
    return len(parts) > 1 and not answer.mask & STATE and any(mask & ~SIZE in (0, RANDOM) for mask in parts)


def is_shape_of_kernel(node: FunctionNode) -> bool:
    """What torch traces with: `@impl(lib, "quantize", "Meta")` and `@op.register_fake`."""
    for one in node.decorator_list:
        if tail(one.func if isinstance(one, ast.Call) else one) in _KERNEL_SHAPES:
            return True
        match one:
            case ast.Call(args=[*_, ast.Constant(value="Meta")]):
                return True
    return False
