"""Which parameters of a function can reach what it answers, or what it leaves behind.

Read without order and without branches taken: an assignment anywhere may have happened. So a parameter
that is said not to reach the answer does not reach it on any way.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from orchestrator.source.liveness import FUNCTIONS, FunctionNode, live
from orchestrator.source.nodes import walk

_GROWS = {"append", "extend", "add", "insert", "appendleft", "put", "write", "setdefault", "add_scalar"}
_SIZES = {"shape", "dtype", "device", "ndim", "size", "dim", "numel"}
_SEES_ALL = {"locals", "vars", "eval", "exec"}


@dataclass(slots=True)
class Ways:
    """`sources`: what each name is made of. `answers` and `effects`: what goes out, and how."""

    sources: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    answers: set[str] = field(default_factory=set)
    effects: set[str] = field(default_factory=set)
    returns: bool = False
    open: bool = False
    now: dict[str, str] = field(default_factory=dict)

    def begin(self, name: str, value: ast.expr) -> None:
        """From here on the name means something else, made of `value` alone."""
        made_of = _names(self, value)
        if name not in _names_in([value]):
            self.now[name] = f"{name}@{len(self.now)}:{value.lineno}"
            self.sources[self.now[name]] |= made_of

    def called(self, names: Iterable[str]) -> set[str]:
        """The names as they stand now."""
        return {self.now.get(name, name) for name in names}


def reaching(function: FunctionNode) -> frozenset[str]:
    """The names that go into the answer of the function; of one without an answer, into its effects."""
    ways = ways_of(function)
    seen = closure(ways, ways.answers if ways.returns else ways.answers | ways.effects)
    if ways.open:
        seen |= {a.arg for a in _arguments(function)}
    return frozenset(seen)


def closure(ways: Ways, names: Iterable[str]) -> set[str]:
    """These names and all that they are made of."""
    found = list(names)
    seen = set(found)
    for name in found:
        new = ways.sources[name] - seen
        seen |= new
        found += new
        if name == "self":  # anything it holds
            found += [n for n in [*ways.sources] if n.startswith("self.") and n not in seen]
            seen |= set(found)
    return seen


def ways_of(function: FunctionNode) -> Ways:
    ways = Ways()
    inner = {
        n.id
        for part in walk(function)[1:]
        if isinstance(part, (*FUNCTIONS, ast.Lambda))
        for n in walk(part)
        if isinstance(n, ast.Name)
    }
    for statement in live(function.body):
        _statement(ways, statement, frozenset())
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in inner:
                ways.begin(name, value)
    return ways


def content_of(function: FunctionNode) -> list[str]:
    """The parameters that must be given, by name."""
    args = function.args
    needed = [*args.posonlyargs, *args.args]
    needed = needed[: len(needed) - len(args.defaults)]
    return [a.arg for a in needed if a.arg not in ("self", "cls")]


def reads_sizes_only(function: FunctionNode, content: Iterable[str]) -> bool:
    """Of what it must be given it asks no more than how much it is, or of what kind."""
    needed = set(content_of(function)) & set(content)
    if not needed:
        return False
    sized: set[int] = set()
    for node in (n for statement in function.body for n in walk(statement)):
        match node:
            case ast.Attribute(value=ast.Name() as held, attr=attr) if attr in _SIZES:
                sized.add(id(held))
            case ast.Call(func=ast.Name(id="len" | "isinstance"), args=[ast.Name() as held, *_]):
                sized.add(id(held))
            case ast.Name(id=name) if name in needed:
                if id(node) not in sized:
                    return False
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in _SEES_ALL:
                return False
    return True


def _arguments(function: FunctionNode) -> Iterator[ast.arg]:
    args = function.args
    yield from (*args.posonlyargs, *args.args, *args.kwonlyargs)
    yield from (a for a in (args.vararg, args.kwarg) if a is not None)


def _follow(ways: Ways, body: Iterable[ast.stmt], control: frozenset[str]) -> None:
    for statement in live(list(body)):
        _statement(ways, statement, control)


def _statement(ways: Ways, node: ast.stmt, control: frozenset[str]) -> None:
    match node:
        case ast.Return(value=value):
            ways.returns |= value is not None and not _is_nothing(value)
            ways.answers |= _names(ways, value) | control
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                _gives(ways, target, _names(ways, value) | control)
        case ast.AnnAssign(target=target, value=value) | ast.AugAssign(target=target, value=value):
            _gives(ways, target, _names(ways, value) | control)
        case ast.Expr(value=value):
            _expression(ways, value, control)
        case ast.If(test=test, body=body, orelse=orelse) | ast.While(test=test, body=body, orelse=orelse):
            tested = control | _names(ways, test)
            _follow(ways, body, tested)
            _follow(ways, orelse, tested)
        case ast.For(target=target, iter=items) | ast.AsyncFor(target=target, iter=items):
            _gives(ways, target, _names(ways, items) | control)
            _follow(ways, [*node.body, *node.orelse], control)
        case ast.With(items=contexts, body=body) | ast.AsyncWith(items=contexts, body=body):
            for item in contexts:
                if item.optional_vars is not None:
                    _gives(ways, item.optional_vars, _names(ways, item.context_expr))
            _follow(ways, body, control)
        case ast.Try():
            for block in (node.body, *(h.body for h in node.handlers), node.orelse, node.finalbody):
                _follow(ways, block, control)
        case ast.Match(subject=subject, cases=cases):
            for case in cases:
                for captured in (n for n in walk(case.pattern) if getattr(n, "name", None)):
                    ways.sources[captured.name] |= _names(ways, subject)  # type: ignore[attr-defined]
                _follow(ways, case.body, control | _names(ways, subject))
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            _inner(ways, node)
        case ast.Raise(exc=raised):
            ways.effects |= _names(ways, raised)


def _inner(ways: Ways, node: ast.stmt) -> None:
    """A function inside is made of all it sees, and may have changed all it sees."""
    seen = _names(ways, node)
    ways.sources[getattr(node, "name", "")] |= seen
    for name in seen:
        ways.sources[name] |= seen - {name}


def _expression(ways: Ways, node: ast.expr, control: frozenset[str]) -> None:
    inner = node.value if isinstance(node, ast.Await) else node
    if isinstance(inner, (ast.Yield, ast.YieldFrom)):
        ways.returns = True
        ways.answers |= _names(ways, inner.value) | control
        return
    _names(ways, inner)  # notes what is named or handed out within
    if isinstance(inner, ast.Call):
        given = ways.called(_names_in([*inner.args, *(k.value for k in inner.keywords)]))
        ways.effects |= given | control
        holder = (
            ways.now.get(root := _root(inner.func), root) if isinstance(inner.func, ast.Attribute) else ""
        )
        grows = isinstance(inner.func, ast.Attribute) and inner.func.attr in _GROWS
        for name in ({holder} if grows else {holder, *given}) - {""}:  # each may be changed by the others
            ways.sources[name] |= given | control | ({holder} - {""})


def _gives(ways: Ways, target: ast.expr, made_of: set[str] | frozenset[str]) -> None:
    match target:
        case ast.Tuple(elts=items) | ast.List(elts=items):
            for item in items:
                _gives(ways, item, made_of)
        case ast.Starred(value=inner):
            _gives(ways, inner, made_of)
        case ast.Attribute() | ast.Subscript():
            root = _root(target)
            ways.sources[ways.now.get(root, root)] |= made_of | ways.called(_names_in([target]))
            ways.effects |= set(made_of)
        case ast.Name(id=name):
            ways.sources[ways.now.get(name, name)] |= made_of


def _names(ways: Ways, node: ast.AST | None) -> set[str]:
    if node is None:
        return set()
    found = set()
    for one in _counting(node):
        match one:
            case ast.Attribute(value=ast.Name(id="self"), attr=attr):
                found.add(f"self.{attr}")
            case ast.Name(id=name):
                found.add(name)
                ways.open |= name in _SEES_ALL
            case ast.NamedExpr(target=target, value=value):
                ways.sources[target.id] |= ways.called(_names_in([value]))
            case ast.Yield() | ast.YieldFrom():
                ways.returns = True
                ways.answers |= ways.called(_names_in([one.value]))
            case ast.Call(func=ast.Name(id="super"), args=[]):
                found.add("self")
    return ways.called(found)


def _counting(root: ast.AST) -> list[ast.AST]:
    """All nodes but those that are multiplied by zero."""
    found = [root]
    for node in found:
        if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and _is_zero(node)):
            found += ast.iter_child_nodes(node)
    return found


def _is_zero(node: ast.BinOp) -> bool:
    return any(isinstance(n, ast.Constant) and n.value == 0 for n in (node.left, node.right))


def _names_in(nodes: Iterable[ast.AST | None]) -> set[str]:
    every = [n for node in nodes if node is not None for n in walk(node)]
    held = {f"self.{n.attr}" for n in every if isinstance(n, ast.Attribute) and _is_self(n.value)}
    return held | {n.id for n in every if isinstance(n, ast.Name)}


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _root(node: ast.expr) -> str:
    """The name that a chain of attributes, elements and calls begins with; `self.x` of the object's own."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
        if isinstance(node, ast.Attribute) and _is_self(node.value):
            return f"self.{node.attr}"
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_nothing(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
