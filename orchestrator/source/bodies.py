"""What a function's body amounts to: real work, a stub, a constant, chance, its own input."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from orchestrator.source.facts import Function, Kind
from orchestrator.source.flow import reads_sizes_only
from orchestrator.source.liveness import FunctionNode, docstring, live
from orchestrator.source.naming import dotted, tail, words
from orchestrator.source.passing import passes_through
from orchestrator.source.pretences import is_canned, is_filler, is_shape_of_kernel
from orchestrator.source.values import ASKED, HASH, INPUT, RANDOM, SIZE, STATE, Scope, Value

_NOISE = {"print", "sleep", "debug", "info", "warning", "warn", "error", "exception", "critical", "log"}
_NOISE |= {
    "manual_seed",
    "manual_seed_all",
    "seed",
    "set_description",
    "set_postfix",
    "echo",
    "super",
    "flush",
}
_QUIET_CONTEXTS = {"no_grad", "inference_mode", "autocast", "suppress", "catch_warnings", "nullcontext"}
_COUNTS = {"n", "num", "count", "size", "shape", "length", "batch", "seed", "device", "dtype", "dim", "k"}
_COUNTS |= {"max", "min", "top", "steps", "width", "height", "channels", "number", "verbose", "debug"}
_NOT_DONE = ("not implemented", "notimplemented", "todo", "implement me", "unimplemented", "not yet")


ONLY_SETS = "does nothing but set attributes to constants"
UNREAD = "never looks at what it is given"
FILLS_IN = "only fills fixed text in"
BY_CHANCE = "answers by chance where it has no better"
DEAF = "looks at no more than the size of what it is given"
SIZES = "only depends on how much it is given"
HASHES = "answers with a hash of what it is given"
_SENDS = {"post", "put", "patch", "delete", "send", "sendall", "sendmail", "execute", "write", "publish"}
_KEEPS = {"append", "extend", "add", "insert", "update", "setdefault"}
_COPIES = {"list", "tuple", "dict", "set", "sorted", "copy", "deepcopy", "len", "min", "max"}


@dataclass(slots=True)
class _Reading:
    """What was seen of one body. `returned` holds each answer with whether it is a guard's.

    `counts`: it moves a counter of the object, which is no work on what it is given. `by_chance`: one of
    the answers is nothing but chance.
    """

    scope: Scope
    returned: list[tuple[Value, ast.expr, bool]] = field(default_factory=list)
    acts: bool = False
    calls: bool = False
    sets: bool = False
    refuses: bool = False
    yields: bool = False
    counts: bool = False
    by_chance: bool = False
    asks: bool = False


def read_function(
    node: FunctionNode, *, constants: frozenset[str], imports: dict[str, str], method: bool
) -> Function:
    """What the function amounts to; one that is nested too deeply to be judged counts as real."""
    try:
        return _read(node, constants, imports, method)
    except RecursionError:
        return Function(node.name, node.lineno, Kind.REAL, "", "", True, 1, False)


def _read(node: FunctionNode, constants: frozenset[str], imports: dict[str, str], method: bool) -> Function:
    inputs, receiver = _parameters(node, method)
    scope = Scope(constants=constants, imports=imports, receiver=receiver)
    scope.names = {name: Value(INPUT, same=name) for name in inputs}
    if receiver:
        scope.names[receiver] = Value(STATE)
    body = live(node.body[1:] if docstring(node.body) else node.body)
    reading = _Reading(scope)
    _run(reading, body, 0)
    kind, found, target = _judged(node, reading, inputs)
    return Function(
        name=node.name,
        line=node.lineno,
        kind=kind,
        found=found,
        target=target,
        acts=reading.acts or reading.counts,
        inputs=sum(_carries(name) for name in inputs),
        passes_through=passes_through(node, body, inputs, imports),
    )


def _parameters(node: FunctionNode, method: bool) -> tuple[list[str], str]:
    given = node.args
    names = [a.arg for a in (*given.posonlyargs, *given.args)]
    decorators = {tail(d) for d in node.decorator_list}
    receiver = names.pop(0) if method and names and "staticmethod" not in decorators else ""
    names += [a.arg for a in given.kwonlyargs]
    names += [a.arg for a in (given.vararg, given.kwarg) if a is not None]
    return names, receiver


def _carries(name: str) -> bool:
    """Whether a parameter carries content, by its name: counts, sizes and switches do not."""
    return not name.startswith("_") and not _COUNTS & set(words(name))


def _run(reading: _Reading, body: Sequence[ast.stmt], control: int) -> None:
    for statement in body:
        _step(reading, statement, control)


def _step(reading: _Reading, node: ast.stmt, control: int) -> None:
    scope = reading.scope
    match node:
        case ast.Return():
            value = scope.value(node.value)
            _answer(reading, value, node.value, control)
        case ast.Expr(value=value):
            _expression(reading, value)
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            _assign(reading, node, control)
        case ast.If():
            _either(reading, node, control)
        case ast.For() | ast.AsyncFor():
            _each(reading, node, control)
        case ast.While():
            for _ in range(2):
                _run(reading, live(node.body), control | scope.test(node.test))
        case ast.With() | ast.AsyncWith():
            _contexts(reading, node)
            _run(reading, live(node.body), control)
        case ast.Try():
            for block in (node.body, *(h.body for h in node.handlers), node.orelse, node.finalbody):
                _run(reading, live(block), control)
        case ast.Match():
            for case in node.cases:
                _run(reading, live(case.body), control | scope.value(node.subject).mask)
        case ast.Raise():
            reading.refuses |= not control or _is_refusal(node)
            reading.acts |= bool(control & (INPUT | STATE)) and not _is_refusal(node)
        case ast.Assert():
            reading.refuses |= isinstance(node.test, ast.Constant) and not node.test.value
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            scope.names[node.name] = Value(STATE | scope.lends(node))
        case ast.Global() | ast.Nonlocal() | ast.Import() | ast.ImportFrom():
            _imported(scope, node)


def _either(reading: _Reading, node: ast.If, control: int) -> None:
    if (way := reading.scope.decided(node.test)) is not None:
        _run(reading, live(node.body if way else node.orelse), control)
    else:
        _branches(reading, node, control | reading.scope.test(node.test))


def _each(reading: _Reading, node: ast.For | ast.AsyncFor, control: int) -> None:
    items = reading.scope.value(node.iter).mask
    reading.scope.bind(node.target, Value(items))
    for _ in range(2):
        _run(reading, live(node.body), control | (items & RANDOM))
    _run(reading, live(node.orelse), control)


def _imported(scope: Scope, node: ast.stmt) -> None:
    if isinstance(node, ast.Import):
        names = {
            a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
        }
    elif isinstance(node, ast.ImportFrom) and not node.level:
        names = {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    else:
        return
    scope.imports = {**scope.imports, **names}


def _branches(reading: _Reading, node: ast.If, control: int) -> None:
    """Both ways; afterwards a name may hold what either left in it."""
    scope, before = reading.scope, dict(reading.scope.names)
    _run(reading, live(node.body), control)
    taken, scope.names = scope.names, dict(before)
    _run(reading, live(node.orelse), control)
    for name, value in taken.items():
        other = scope.names.get(name, value)
        scope.names[name] = value if value == other else Value(value.mask | other.mask)


def _answer(reading: _Reading, value: Value, node: ast.expr | None, control: int) -> None:
    nothing = node is None or (isinstance(node, ast.Constant) and node.value is None)
    guard = bool(control) and (nothing or _is_empty(node))
    if node is not None and not nothing:
        reading.by_chance |= value.mask & ~SIZE == RANDOM
        mixed = value._replace(mask=value.mask | control & (INPUT | STATE | RANDOM))
        reading.returned.append((mixed, node, guard))


def _is_empty(node: ast.expr | None) -> bool:
    match node:
        case ast.Constant(value=value):
            return not value
        case ast.List(elts=[]) | ast.Tuple(elts=[]) | ast.Dict(keys=[]):
            return True
        case ast.UnaryOp(operand=ast.Constant()):
            return True
    return False


def _expression(reading: _Reading, node: ast.expr) -> None:
    inner = node.value if isinstance(node, ast.Await) else node
    if isinstance(inner, (ast.Yield, ast.YieldFrom)):
        reading.yields = True
        value = reading.scope.value(inner.value)
        if inner.value is not None:
            reading.returned.append((value, inner.value, False))
    elif isinstance(inner, ast.Call):
        if not reading.scope.grows(inner) and not _is_noise(inner):
            reading.acts = True
            reading.asks |= tail(inner.func) not in _KEEPS
            reading.scope.fills(inner)
    else:
        reading.scope.value(inner)


def _is_noise(call: ast.Call) -> bool:
    """Calls that leave nothing behind but a message; `super().__init__()` alone makes no object work."""
    name = dotted(call.func)
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call):
        made = call.func.attr in {"__init__", "__post_init__"} and not (call.args or call.keywords)
        return tail(call.func.value.func) == "super" and made
    return tail(call.func) in _NOISE and (name.count(".") <= 2)


def _contexts(reading: _Reading, node: ast.With | ast.AsyncWith) -> None:
    for item in node.items:
        call = item.context_expr
        value = reading.scope.value(call)
        if item.optional_vars is not None:
            reading.scope.bind(item.optional_vars, value)
        quiet = isinstance(call, ast.Call) and tail(call.func) in _QUIET_CONTEXTS
        reading.acts |= item.optional_vars is not None and not quiet


def _assign(reading: _Reading, node: ast.Assign | ast.AnnAssign | ast.AugAssign, control: int) -> None:
    scope = reading.scope
    if isinstance(node, ast.AnnAssign) and node.value is None:
        return
    value = scope.value(node.value)
    if control:
        value = value._replace(mask=value.mask | control & (INPUT | STATE | RANDOM))
    reading.calls |= isinstance(node.value, (ast.Call, ast.Await)) and bool(value.mask & STATE)
    reading.acts |= bool(value.mask & ASKED) and _sends(node.value)
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    for target in targets:
        if isinstance(node, ast.AugAssign):
            value = Value(value.mask | scope.value(target).mask, template=value.template)
        if _is_kept(scope, target):
            reading.sets = True
            reading.asks |= bool(value.mask & ASKED)
            counted = isinstance(node, ast.AugAssign) and isinstance(node.value, ast.Constant)
            reading.counts |= counted
            reading.acts |= not counted and (bool(value.mask & ~SIZE) or isinstance(node, ast.AugAssign))
        scope.bind(target, value)


def _sends(node: ast.expr | None) -> bool:
    """`reply = requests.post(…)` has done something, whatever becomes of the reply."""
    inner = node.value if isinstance(node, ast.Await) else node
    return isinstance(inner, ast.Call) and tail(inner.func) in _SENDS and bool(inner.args or inner.keywords)


def _is_kept(scope: Scope, target: ast.expr) -> bool:
    """Whether an assignment outlives the call."""
    while isinstance(target, (ast.Attribute, ast.Subscript)):
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            return True
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            return bool(scope.value(target.value).mask & (INPUT | STATE))
        target = target.value
    return False


def _is_refusal(node: ast.Raise) -> bool:
    raised = node.exc
    if raised is None:
        return False
    name = tail(raised.func) if isinstance(raised, ast.Call) else tail(raised)
    if name in {"NotImplementedError", "NotImplemented"}:
        return True
    said = [a.value for a in getattr(raised, "args", ()) if isinstance(a, ast.Constant)]
    return any(isinstance(text, str) and text.lower().startswith(_NOT_DONE) for text in said)


def _judged(node: FunctionNode, reading: _Reading, inputs: Sequence[str]) -> tuple[Kind, str, str]:
    decorators = {tail(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list}
    if is_shape_of_kernel(node):
        return Kind.REAL, "", ""
    if "abstractmethod" in decorators or "overload" in decorators or "abstractproperty" in decorators:
        return Kind.ABSTRACT, "is abstract", ""
    answers = [(value, text) for value, text, guard in reading.returned if not guard]
    if not answers:
        return _without_answer(reading)
    values = [value for value, _ in answers]
    changes = reading.acts or reading.counts
    if all(_is_name(text, "NotImplemented") for _, text in answers):
        return Kind.STUB, "only returns NotImplemented", ""
    if not any(value.mask & (INPUT | STATE) or value.mask == SIZE for value in values):
        return _from_nowhere(answers)
    if node.name == "__getitem__" and all(is_filler(reading.scope, value, text) for value, text in answers):
        return Kind.CONSTANT, f"gives the same data whatever the index ({_short(answers[-1][1])})", ""
    if all(value.same for value in values) and not changes:
        return Kind.IDENTITY, f"returns its argument {values[0].same} unchanged", ""
    if len(values) == 1 and values[0].call and not changes:
        return Kind.FORWARDS, "", values[0].call
    if is_canned(node, answers, inputs, reading.asks):
        return Kind.CANNED, f"answers with fixed text: {_short(answers[0][1])}", ""
    if all(value.mask == SIZE for value in values):
        return Kind.REAL, SIZES, ""
    if reads_sizes_only(node, [name for name in inputs if _carries(name)]):
        return Kind.REAL, DEAF, ""
    if not reading.acts and not reading.calls and _is_deaf(node, [text for _, text in answers], inputs):
        return Kind.REAL, UNREAD, ""
    if not changes and all(value.template and not value.mask & STATE for value in values):
        return Kind.REAL, FILLS_IN, ""
    return Kind.REAL, BY_CHANCE if reading.by_chance else "", ""


def _is_deaf(node: FunctionNode, answers: Iterable[ast.expr], inputs: Sequence[str]) -> bool:
    """It must be given something, names none of it, and hands out only what the object held before.

    An answer that is called for, but for a copy, or the object itself may come of work done elsewhere.
    """
    given = [*node.args.posonlyargs, *node.args.args]
    needed = {a.arg for a in given[: len(given) - len(node.args.defaults)]} & set(inputs)
    named = {n.id for statement in node.body for n in ast.walk(statement) if isinstance(n, ast.Name)}
    if not any(map(_carries, needed)) or named & set(inputs):
        return False
    every = [n for answer in answers for n in ast.walk(answer)]
    called = {
        tail(n.func) if isinstance(n, ast.Call) else "" for n in every if isinstance(n, (ast.Call, ast.Await))
    }
    return called <= _COPIES and not any(isinstance(answer, ast.Name) for answer in answers)


def _without_answer(reading: _Reading) -> tuple[Kind, str, str]:
    if reading.acts or reading.counts or reading.calls:
        return Kind.REAL, "", ""
    if reading.refuses:
        return Kind.STUB, "does nothing but raise an error", ""
    if reading.returned:
        return Kind.CONSTANT, f"only returns {_short(reading.returned[0][1])}", ""
    return Kind.STUB, ONLY_SETS if reading.sets else "does nothing", ""


def _from_nowhere(answers: Sequence[tuple[Value, ast.expr]]) -> tuple[Kind, str, str]:
    drawn = any(value.mask & RANDOM for value, _ in answers)
    what = _short(answers[-1][1])
    if any(value.mask & HASH for value, _ in answers):
        return Kind.REAL, HASHES, ""
    if drawn:
        return Kind.RANDOM, f"returns random values ({what})", ""
    return Kind.CONSTANT, f"returns the same whatever it is given ({what})", ""


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _short(node: ast.expr) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else f"{text[:57]}…"
