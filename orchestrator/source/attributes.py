"""Names of a module, and attributes of a class, that only ever hold what stands in the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from orchestrator.source.liveness import FUNCTIONS, FunctionNode
from orchestrator.source.naming import dotted, tail
from orchestrator.source.nodes import statements, walk

_GROWING = (ast.List, ast.Dict, ast.Set)
_CHANGES = {
    "append",
    "extend",
    "add",
    "insert",
    "update",
    "pop",
    "setdefault",
    "clear",
    "remove",
    "appendleft",
}


def constants_of(body: Sequence[ast.stmt]) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and is_literal(statement.value):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            yield from (t.id for t in targets if isinstance(t, ast.Name))


def is_literal(node: ast.expr | None) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.UnaryOp(operand=inner):
            return is_literal(inner)
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return all(map(is_literal, items))
        case ast.Dict(keys=keys, values=values):
            return all(map(is_literal, [*keys, *values]))
    return False


def constant_attributes(node: ast.ClassDef, body: Sequence[ast.stmt]) -> frozenset[str]:
    """Attributes that every assignment in the class sets to a literal."""
    constant = {f"self.{name}" for name in constants_of(body)}
    declared = set(constant)
    variable: set[str] = set()
    given: set[str] = set()
    for method in (n for n in body if isinstance(n, FUNCTIONS)):
        receiver = method.args.args[0].arg if method.args.args else ""
        for name, value in _attribute_assignments(method, receiver):
            (constant if value is not None else variable).add(f"self.{name}")
            if not (isinstance(value, ast.Constant) and value.value is None):
                given.add(f"self.{name}")
    never = {f"{name} is None" for name in constant - variable - given - declared}
    return frozenset(constant - variable) | never | _tables(node)


def _tables(node: ast.ClassDef) -> frozenset[str]:
    """Attributes that hold a display of literals from `__init__` on, and are only looked up in."""
    written: dict[str, int] = {}
    for assign in (n for n in statements(node) if isinstance(n, ast.Assign) and is_literal(n.value)):
        shown = isinstance(assign.value, (ast.List, ast.Dict, ast.Tuple)) and bool(walk(assign.value)[3:])
        names = [t.attr for t in assign.targets if isinstance(t, ast.Attribute) and shown]
        written |= {name: written.get(name, 0) + 1 for name in names}
    if not written:
        return frozenset()
    looked = set(map(id, _looked_up(node))) - set(map(id, _grown(node)))
    elsewhere: set[str] = set()
    for one in (n for n in walk(node) if isinstance(n, ast.Attribute) and n.attr in written):
        if isinstance(one.ctx, ast.Load) and id(one) not in looked:
            elsewhere.add(one.attr)
        written[one.attr] -= isinstance(one.ctx, ast.Store)
    return frozenset(f"self.{name}" for name, left in written.items() if not left and name not in elsewhere)


def _looked_up(node: ast.ClassDef) -> Iterator[ast.expr]:
    for one in walk(node):
        match one:
            case ast.Subscript(value=value, ctx=ast.Load()) | ast.For(iter=value):
                yield value
            case ast.Attribute(value=value, attr="get" | "items" | "keys" | "values"):
                yield value
            case ast.Compare(comparators=values):
                yield from values
            case ast.Call(func=func, args=values) if tail(func) in {"len", "choice", "enumerate", "sorted"}:
                yield from values


def _grown(node: ast.ClassDef) -> Iterator[ast.expr]:
    """Tables of which an entry is added to: `self.targets["mail"].append(…)`."""
    for one in walk(node):
        match one:
            case ast.Attribute(value=ast.Subscript(value=value), attr=attr) if attr in _CHANGES:
                yield value


def idle_layers(node: ast.ClassDef) -> frozenset[str]:
    """Attributes that are only ever `nn.Identity()`, in the form `self.name()`."""
    idle: set[str] = set()
    other: set[str] = set()
    for assign in (n for n in statements(node) if isinstance(n, ast.Assign)):
        hands_on = isinstance(assign.value, ast.Call) and tail(assign.value.func) == "Identity"
        names = {f"self.{t.attr}()" for t in assign.targets if isinstance(t, ast.Attribute)}
        (idle if hands_on else other).update(names)
    return frozenset(idle - other)


def _attribute_assignments(method: FunctionNode, receiver: str) -> Iterator[tuple[str, ast.expr | None]]:
    """What is assigned to, and the literal that it is set to; None for anything else."""
    for node in statements(method):
        match node:
            case ast.Assign(targets=targets, value=value):
                literal = is_literal(value) and not isinstance(value, _GROWING)
            case ast.AnnAssign(target=target, value=value):
                targets, literal = [target], is_literal(value) and not isinstance(value, _GROWING)
            case ast.AugAssign(target=target) | ast.For(target=target):
                targets, literal, value = [target], False, None
            case _:
                continue
        for target in targets:
            for item in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
                if isinstance(item, ast.Attribute) and dotted(item.value) == receiver:
                    yield item.attr, value if literal and item is target else None
