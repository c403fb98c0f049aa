"""What only looks like code: imports that never run, code in strings, errors of a model made to vanish."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from orchestrator.source.facts import Sign
from orchestrator.source.liveness import docstring, live
from orchestrator.source.naming import dotted, tail, words
from orchestrator.source.nodes import Nodes, walk
from orchestrator.source.parsing import Module

DEAD_IMPORT, CODE_IN_STRING = "redflags/dead-import", "redflags/code-in-string"
SWALLOWED = "redflags/swallowed-error"

_MODEL_CALLS = {"forward", "predict", "generate", "encode", "decode", "infer", "detect", "embed", "create"}
_MODEL_CALLS |= {"from_pretrained", "post", "complete", "chat", "invoke", "extract_features", "predict_proba"}
_MODEL_CALLS |= {"inference", "transcribe", "tokenize", "completion", "track", "classify"}
_MODEL_WORDS = {
    "model",
    "llm",
    "encoder",
    "decoder",
    "detector",
    "tokenizer",
    "extractor",
    "backbone",
    "classifier",
}
_MODEL_WORDS |= {"tracker", "network", "predictor", "pipeline", "transformer"}
_MADE = {
    "rand",
    "randn",
    "zeros",
    "ones",
    "zeros_like",
    "ones_like",
    "randn_like",
    "rand_like",
    "uniform",
    "random",
}
_MADE |= {"normal", "choice", "randint", "full"}
_NOISE = {"print", "debug", "info", "warning", "warn", "error", "exception", "log"}
_HANDLES_ALL = {"Exception", "BaseException", ""}


def signs(module: Module) -> Iterator[Sign]:
    yield from _dead_imports(module.nodes)
    yield from _code_strings(module)
    for node in module.nodes.of(ast.Try):
        yield from _swallowed(node)
    for owner in module.nodes.of(ast.ClassDef):
        if any(tail(base).endswith("HTTPRequestHandler") for base in owner.bases):
            yield from _deaf_server(owner)
        yield from _catches_all(owner)


def _catches_all(owner: ast.ClassDef) -> Iterator[Sign]:
    """Whatever is asked of it, it has an answer, and always the same."""
    for method in owner.body:
        if (
            isinstance(method, ast.FunctionDef)
            and method.name == "__getattr__"
            and len(method.args.args) == 2
        ):
            asked = method.args.args[1].arg
            nodes = [n for statement in method.body for n in walk(statement)]
            reads = any(
                isinstance(n, ast.Name) and n.id in (asked, "super", "getattr", "self") for n in nodes
            )
            made = any(isinstance(n, ast.Return) and isinstance(n.value, ast.Lambda) for n in nodes)
            if made and not reads and not any(isinstance(n, ast.Raise) for n in nodes):
                text = f"{owner.name} answers every name with the same function"
                yield Sign("redflags/constant-answer", method.lineno, owner.name, text)


def _deaf_server(owner: ast.ClassDef) -> Iterator[Sign]:
    """A server that answers what it is sent without reading it: nobody is asked behind it."""
    for method in owner.body:
        if isinstance(method, ast.FunctionDef) and method.name == "do_POST":
            named = {n.attr for n in walk(method) if isinstance(n, ast.Attribute)}
            calls = {
                n.func.attr
                for n in walk(method)
                if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
            }
            own = {n.name for n in owner.body if isinstance(n, ast.FunctionDef)} & calls
            if "write" in named and not named & {"rfile", "server"} and not own:
                text = f"{owner.name} answers requests without reading them"
                yield Sign("redflags/canned-answer", method.lineno, owner.name, text)


def _dead_imports(nodes: Nodes) -> Iterator[Sign]:
    for root in nodes.dead:
        for node in walk(root):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = ", ".join(alias.name for alias in node.names)
                what = f"{node.module}.{names}" if isinstance(node, ast.ImportFrom) else names
                yield Sign(DEAD_IMPORT, node.lineno, what, f"the import of {what} never runs")


def _code_strings(module: Module) -> Iterator[Sign]:
    texts = {
        t.id: a.value.value
        for a in module.nodes.of(ast.Assign)
        for t in a.targets
        if isinstance(t, ast.Name) and isinstance(a.value, ast.Constant) and isinstance(a.value.value, str)
    }
    for call in module.nodes.of(ast.Call):
        if dotted(call.func) in {"exec", "eval", "compile", "builtins.exec"} and call.args:
            given = call.args[0]
            text = texts.get(given.id) if isinstance(given, ast.Name) else getattr(given, "value", None)
            if isinstance(text, str) and (names := defined_in(text)):
                yield _code_sign(call.lineno, names, "is executed from a string")
    docs = {id(docstring(n.body)) for n in module.nodes.owners()}
    for bare in module.nodes.of(ast.Expr):
        text = bare.value.value if isinstance(bare.value, ast.Constant) else None
        if id(bare) not in docs and isinstance(text, str) and (names := defined_in(text)):
            yield _code_sign(bare.lineno, names, "stands in a string that nobody reads")
    yield from _unread_texts(module)


def _unread_texts(module: Module) -> Iterator[Sign]:
    kept = [s for s in module.tree.body if isinstance(s, ast.Assign) and isinstance(s.value, ast.Constant)]
    if not kept:
        return
    used = {n.id for n in module.nodes.of(ast.Name) if isinstance(n.ctx, ast.Load)} | _exported(module)
    for statement in kept:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                if name not in used and not name.startswith("__") and (names := defined_in(text)):
                    yield _code_sign(statement.lineno, names, "stands in a string that nobody reads")


def _exported(module: Module) -> set[str]:
    found: set[str] = set()
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets
        ):
            found |= {
                n.value for n in walk(node.value) if isinstance(n, ast.Constant) and isinstance(n.value, str)
            }
    return found


def _code_sign(line: int, names: Sequence[str], how: str) -> Sign:
    listed = ", ".join(names[:4])
    return Sign(CODE_IN_STRING, line, listed, f"the code of {listed} {how}")


def defined_in(text: str) -> list[str]:
    """The classes and functions with a body that a text holds, read as Python."""
    if "\n" not in text or len(text) > 200_000 or not ("def " in text or "class " in text):
        return []
    try:
        tree = ast.parse(_dedented(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [node.name for node in tree.body if isinstance(node, kinds)]


def _dedented(text: str) -> str:
    import textwrap

    return textwrap.dedent(text.lstrip("\n"))


def _swallowed(node: ast.Try) -> Iterator[Sign]:
    call = next((name for statement in node.body for name in _model_calls(statement)), "")
    for handler in node.handlers if call else ():
        kind = handler.type
        caught = [tail(k) for k in kind.elts] if isinstance(kind, ast.Tuple) else [tail(kind) if kind else ""]
        if _HANDLES_ALL & set(caught) and (how := _vanishes(live(handler.body))):
            yield Sign(SWALLOWED, handler.lineno, call, f"whatever goes wrong in {call}() {how}")


def _model_calls(statement: ast.stmt) -> Iterator[str]:
    for node in walk(statement):
        if isinstance(node, ast.Call):
            name = tail(node.func)
            if name in _MODEL_CALLS or _MODEL_WORDS & set(words(name)[-1:]):
                plain = isinstance(node.func, ast.Name) and name in {
                    "create",
                    "post",
                    "complete",
                    "encode",
                    "decode",
                }
                text = (
                    isinstance(node.func, ast.Attribute) and name in {"encode", "decode"} and _is_text(node)
                )
                if not plain and not text:
                    yield name


def _is_text(call: ast.Call) -> bool:
    """`text.encode("utf-8")`, `raw.decode()`: no model."""
    codec = [a.value for a in call.args if isinstance(a, ast.Constant)]
    held = words(dotted(call.func.value)) if isinstance(call.func, ast.Attribute) else []
    return not call.args or any(isinstance(c, str) for c in codec) or not _MODEL_WORDS & set(held)


def _vanishes(body: Sequence[ast.stmt]) -> str:
    """How a handler hides that something went wrong; empty when it does not."""
    rest = [s for s in body if not _is_message(s)]
    if all(isinstance(s, (ast.Pass, ast.Continue)) or _is_ellipsis(s) for s in rest):
        return "is passed over in silence" if len(rest) == len(body) else ""
    made = [s for s in rest if isinstance(s, (ast.Return, ast.Assign)) and _is_made(s.value)]
    return "becomes a made-up answer" if len(made) == len(rest) else ""


def _is_message(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and tail(node.value.func) in _NOISE


def _is_ellipsis(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_made(node: ast.expr | None) -> bool:
    match node:
        case ast.Constant(value=value):
            return (isinstance(value, (int, float)) and not isinstance(value, bool) and bool(value)) or (
                isinstance(value, str)
                and " " in value
                and "error" not in value.lower()
                and "fail" not in value.lower()
            )
        case ast.Call(func=func):
            return tail(func) in _MADE
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return bool(items) and all(map(_is_made, items))
        case ast.Dict(values=values):
            return (
                bool(values)
                and any(map(_is_made, values))
                and all(isinstance(v, ast.Constant) for v in values)
            )
    return False
