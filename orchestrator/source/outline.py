"""What a module defines, imports and uses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from orchestrator.source.attributes import constant_attributes, constants_of, idle_layers
from orchestrator.source.bodies import read_function
from orchestrator.source.facts import Class, Facts, Function, Import, Kind
from orchestrator.source.liveness import FUNCTIONS, FunctionNode, docstring, live
from orchestrator.source.members import follows, parts_of, remembers
from orchestrator.source.naming import dotted, tail
from orchestrator.source.nodes import Nodes, statements, walk
from orchestrator.source.parsing import Module

ImportNode = ast.Import | ast.ImportFrom
_NAME = re.compile(r"[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)*")
_MOST_NAMES = 400
_OF_TEXTS = {
    "strip",
    "rstrip",
    "lstrip",
    "format",
    "split",
    "lower",
    "upper",
    "replace",
    "startswith",
    "endswith",
}
_OF_TEXTS |= {"encode", "join", "items", "keys", "values", "copy", "removeprefix", "removesuffix"}
_GENERATED = re.compile(
    r"^#.*(@generated|do not (edit|modify)|(auto-?|automatically )generated|generated (by|from) )", re.I
)


def outline(module: Module) -> Facts:
    """Everything but the signs and comments.

    Raises:
        RecursionError: an expression is nested too deeply.
    """
    imports = _imports(module.nodes)
    targets = {i.name: i.target for i in imports if i.live and not i.typing_only}
    constants = frozenset(constants_of(module.tree.body))
    top = list(_top(module.tree.body))
    asked = frozenset(_asked_parts(module.nodes))
    idles = any(tail(call.func) == "Identity" for call in module.nodes.of(ast.Call))
    return Facts(
        imports=imports,
        classes=tuple(
            _class(n, constants, targets, idles, _patches(top, n.name), asked)
            for n in top
            if isinstance(n, ast.ClassDef)
        ),
        functions=tuple(
            read_function(n, constants=constants, imports=targets, method=False)
            for n in top
            if isinstance(n, FUNCTIONS)
        ),
        aliases=tuple(_aliases(top)),
        exported=tuple(_exported(top)),
        bound=tuple(dict.fromkeys(_bound([*top, *module.nodes.typing]))),
        uses=tuple(sorted(_uses(module.nodes, targets))[:_MOST_NAMES]),
        mentions=tuple(sorted(_mentions(module.nodes))[:_MOST_NAMES]),
        calls=tuple(sorted({tail(n.func) for n in module.nodes.of(ast.Call)} - {""})[:_MOST_NAMES]),
        held_calls=tuple(sorted(_held_calls(module.nodes))),
        is_program=_is_program(top),
        is_generated=any(_GENERATED.match(line) for line in module.text[:2000].splitlines()[:12]),
    )


def _top(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of the module itself, those in its `if`s, `try`s and `with`s too."""
    for statement in live(body):
        yield statement
        match statement:
            case ast.If(body=body, orelse=orelse) | ast.For(body=body, orelse=orelse):
                yield from _top([*body, *orelse])
            case ast.With(body=body):
                yield from _top(body)
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
                yield from _top([*body, *orelse, *final])
                for handler in handlers:
                    yield from _top(handler.body)


def _imports(nodes: Nodes) -> tuple[Import, ...]:
    used = _used_names(nodes)
    running: Iterable[ImportNode] = [*nodes.of(ast.Import), *nodes.of(ast.ImportFrom)]
    return (
        *(
            Import(name, target, node.lineno, name in used, True, False)
            for node, name, target in _bound_by(running)
        ),
        *(
            Import(name, target, node.lineno, False, False, False)
            for node, name, target in _within(nodes.dead)
        ),
        *(
            Import(name, target, node.lineno, name in used, True, True)
            for node, name, target in _within(nodes.typing)
        ),
    )


def _within(roots: Iterable[ast.stmt]) -> Iterator[tuple[ImportNode, str, str]]:
    for root in roots:
        yield from _bound_by(n for n in walk(root) if isinstance(n, (ast.Import, ast.ImportFrom)))


def _bound_by(statements: Iterable[ImportNode]) -> Iterator[tuple[ImportNode, str, str]]:
    for node in statements:
        yield from ((node, name, target) for name, target in _bindings(node))


def _bindings(node: ImportNode) -> Iterator[tuple[str, str]]:
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0], alias.name)
        else:
            module = "." * node.level + (node.module or "")
            joined = f"{module}{alias.name}" if module.endswith(".") else f"{module}.{alias.name}"
            yield alias.asname or alias.name, joined


def _used_names(nodes: Nodes) -> set[str]:
    """Names that do something: a bare mention, or one kept in `_`, is no use."""
    idle: set[int] = set()
    for node in nodes.of(ast.Expr):
        idle |= {id(n) for n in walk(node.value)} if dotted(node.value) else set()
    for assign in nodes.of(ast.Assign):
        thrown = all(isinstance(t, ast.Name) and not t.id.strip("_") for t in assign.targets)
        values = assign.value.elts if isinstance(assign.value, ast.Tuple) else [assign.value]
        if thrown and all(dotted(value) for value in values):
            idle |= {id(n) for n in walk(assign.value)}
    return {n.id for n in nodes.of(ast.Name) if isinstance(n.ctx, ast.Load) and id(n) not in idle}


def _uses(nodes: Nodes, targets: dict[str, str]) -> set[str]:
    found = set()
    for node in chain(nodes.of(ast.Attribute), nodes.of(ast.Name)):
        name, _, rest = dotted(node).partition(".")
        if name in targets:
            # `import torch.nn` binds `torch`
            target = targets[name]
            whole = target if not target.startswith(f"{name}.") else name
            found.add(f"{whole}.{rest}" if rest else whole)
    return found


def _held_calls(nodes: Nodes) -> set[str]:
    """What is called on a part of something: `create` and what leads there in `self.client.chat.create()`."""
    found = set()
    for call in nodes.of(ast.Call):
        name = dotted(call.func)
        if name.count(".") > 1:
            found |= set(name.split(".")[2:])
    return found


def _asked_parts(nodes: Nodes) -> Iterator[str]:
    """Attributes of an object that are called, or of which more than a text's methods are called."""
    for call in nodes.of(ast.Call):
        match call.func:
            case ast.Attribute(value=ast.Name(id="self"), attr=part):
                yield part
            case ast.Attribute() as func if func.attr not in _OF_TEXTS:
                parts = dotted(func).split(".")
                if parts[0] == "self" and len(parts) > 2:
                    yield parts[1]


def _mentions(nodes: Nodes) -> set[str]:
    """Strings that could name a class or a module, as registries and configurations do."""
    texts = (n.value for n in nodes.of(ast.Constant) if isinstance(n.value, str) and len(n.value) < 100)
    return {t for t in texts if ("." in t or ":" in t or not t.islower()) and _NAME.fullmatch(t)}


def _patches(top: Sequence[ast.stmt], owner: str) -> list[Function]:
    """`I3D.forward = quick` behind the class: what its objects will really run."""
    found = []
    for statement in top:
        match statement:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=name), attr=attr)], value=value):
                pass
            case ast.Expr(
                value=ast.Call(
                    func=ast.Name(id="setattr"),
                    args=[ast.Name(id=name), ast.Constant(value=str(attr)), value],
                )
            ):
                pass
            case _:
                continue
        if name == owner and isinstance(value, ast.Name):
            found.append(Function(attr, statement.lineno, Kind.FORWARDS, "", value.id, False, 1, False))
    return found


def _class(
    node: ast.ClassDef,
    constants: frozenset[str],
    imports: dict[str, str],
    idles: bool,
    patches: Sequence[Function],
    asked: frozenset[str],
) -> Class:
    body = live(node.body[1:] if docstring(node.body) else node.body)
    own = constants | constant_attributes(node, body)
    if idles:
        own |= idle_layers(node)
    methods = [
        read_function(n, constants=own, imports=imports, method=True)
        for n in body
        if isinstance(n, FUNCTIONS)
    ]
    methods += _assigned_methods(body)
    methods = [m for m in methods if m.name not in {p.name for p in patches}] + list(patches)
    bases = tuple(dotted(b.value if isinstance(b, ast.Subscript) else b) or "?" for b in node.bases)
    metas = {tail(k.value) for k in node.keywords if k.arg == "metaclass"}
    inits = [n for n in body if isinstance(n, FUNCTIONS) and n.name == "__init__"]
    declared = any(base.rpartition(".")[2] in {"ABC", "Protocol"} for base in bases)
    return Class(
        name=node.name,
        line=node.lineno,
        bases=bases,
        methods=tuple(methods),
        fields=sum(isinstance(n, (ast.Assign, ast.AnnAssign, ast.ClassDef)) for n in body),
        abstract=declared or "ABCMeta" in metas,
        stores=any(map(_stores, inits)),
        asks_given=any(_keeps(init) & asked for init in inits) if asked else False,
        only_keeps=all(map(_only_keeps, inits)),
        decorated=bool(node.decorator_list),
        parts=parts_of(node),
        remembers=not follows(node) or remembers(node),
    )


def _assigned_methods(body: Sequence[ast.stmt]) -> Iterator[Function]:
    """`decode = encode_frames` in a class: a method under a second name."""
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=other)):
                yield Function(name, statement.lineno, 6, "", f"self.{other}", False, 1, False)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() as made):
                kind, found = (
                    (0, "")
                    if any(isinstance(n, ast.Call) for n in walk(made))
                    else (2, "is a lambda without any work")
                )
                yield Function(name, statement.lineno, kind, found, "", False, 1, False)


def _stores(init: FunctionNode) -> bool:
    """Whether the constructor keeps what it is given, as it is."""
    names = _given(init)
    return any(_is_given(value, names) for value in _kept(init))


def _keeps(init: FunctionNode) -> set[str]:
    """The attributes that hold what the constructor was given."""
    names = _given(init)
    return {
        target.attr
        for node in statements(init)
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        and node.value is not None
        and _is_given(node.value, names)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute)
    }


def _only_keeps(init: FunctionNode) -> bool:
    names = _given(init)
    return all(_is_given(value, names) or _is_handed_on(value, names) for value in _kept(init))


def _given(init: FunctionNode) -> set[str]:
    return {a.arg for a in (*init.args.args[1:], *init.args.kwonlyargs)}


def _kept(init: FunctionNode) -> Iterator[ast.expr]:
    """What the constructor assigns to attributes."""
    for node in statements(init):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            pairs = [(target, node.value) for target in targets]
            if isinstance(targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(targets[0].elts, node.value.elts, strict=False))
            yield from (value for target, value in pairs if isinstance(target, ast.Attribute))


def _is_given(value: ast.expr, names: set[str]) -> bool:
    match value:
        case ast.Name(id=name):
            return name in names
        case ast.BoolOp(values=values):
            return any(_is_given(one, names) for one in values)
        case ast.IfExp(body=body, orelse=orelse):
            return _is_given(body, names) or _is_given(orelse, names)
    return False


def _is_handed_on(value: ast.expr, names: set[str]) -> bool:
    """`Inner(dim, depth=depth)` of the constructor's own parameters."""
    if not isinstance(value, ast.Call) or not tail(value.func)[:1].isupper():
        return False
    return all(_is_given(one, names) for one in (*value.args, *(k.value for k in value.keywords)))


def _aliases(top: Sequence[ast.stmt]) -> Iterator[tuple[str, str, int]]:
    for statement in top:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if other := dotted(value):
                yield name, other, statement.lineno


def _exported(top: Sequence[ast.stmt]) -> Iterator[tuple[str, int]]:
    for statement in top:
        match statement:
            case ast.Assign(
                targets=[ast.Name(id="__all__")], value=ast.List(elts=items) | ast.Tuple(elts=items)
            ):
                for item in items:
                    if isinstance(item, ast.Constant) and isinstance(item.value, str):
                        yield item.value, item.lineno


def _bound(top: Sequence[ast.stmt]) -> Iterator[str]:
    for statement in top:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield statement.name
            case ast.Import() | ast.ImportFrom():
                yield from (name for name, _ in _bindings(statement))
            case ast.If() | ast.Try() | ast.With() | ast.For():
                yield from _stored(statement.target) if isinstance(statement, ast.For) else ()
                yield from (
                    name
                    for i in getattr(statement, "items", ())
                    if i.optional_vars
                    for name in _stored(i.optional_vars)
                )
            case _:
                yield from _stored(statement)


def _stored(node: ast.AST) -> Iterator[str]:
    yield from (n.id for n in walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


def _is_program(top: Sequence[ast.stmt]) -> bool:
    for statement in top:
        match statement:
            case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
                return True
    return False
