"""Where the value of an expression comes from: the input, the object's state, chance, or nowhere.

An abstract reading, never an execution. It errs towards "from the input": a function is only said to
ignore what it is given when no way from a parameter to the answer can be seen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from orchestrator.source.known import (
    BUILTINS,
    DRAWN,
    DRAWN_INTO,
    FILLED,
    GROWS,
    HASH_ROOTS,
    LOOKS_UP,
    PURE_ROOTS,
    RANDOM_ROOTS,
    REPLIES,
    SIZE_CALLS,
    SIZE_METHODS,
    SIZES,
    SPREAD,
    UNCHANGED,
    WORLD,
)
from orchestrator.source.liveness import truth
from orchestrator.source.naming import dotted, tail
from orchestrator.source.nodes import alike, walk

INPUT, STATE, RANDOM, SIZE, HASH, ASKED = 1, 2, 4, 8, 16, 32
"""A value's sources, as bits. SIZE: only how many, of what type, or whether at all. HASH: a digest of it,
which says no more of it than that it is another. ASKED: besides STATE, what something unknown answered.
None: a constant."""


class Value(NamedTuple):
    """`same` is the parameter it still is, `call` the one function whose answer it is.

    `template`: a fixed text, perhaps with values pasted in. `fixed`: one of some texts of the code.
    """

    mask: int = 0
    same: str = ""
    call: str = ""
    template: bool = False
    fixed: bool = False


OF = tuple(Value(mask) for mask in range(2 * ASKED))
"""By its sources, a value of which nothing else is known: most are, and each is made once."""

CONSTANT = OF[0]
_TEXT = Value(template=True, fixed=True)
_NEUTRAL: Mapping[type[ast.operator], float] = {ast.Mult: 1, ast.Div: 1, ast.Add: 0, ast.Sub: 0}


@dataclass(slots=True)
class Scope:
    """What names mean inside one function. `constants` are those of the module and of `self`.

    Of `self`, a name with `()` behind it is a layer that does nothing.
    """

    constants: frozenset[str]
    imports: Mapping[str, str]
    names: dict[str, Value] = field(default_factory=dict)
    receiver: str = ""

    def value(self, node: ast.expr | None) -> Value:
        match node:
            case None:
                return CONSTANT
            case ast.Constant(value=value):
                return _TEXT if isinstance(value, str) else CONSTANT
            case ast.Name():
                return self._name(node.id)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Call():
                return self._call(node)
            case ast.BinOp():
                return self._operation(node)
            case ast.JoinedStr():
                return self._pasted(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.IfExp():
                return self._choice(node)
            case ast.Lambda() | ast.Yield() | ast.YieldFrom():
                self.lends(node)
                return OF[STATE]
            case ast.UnaryOp(op=ast.Not()):
                return OF[self.test(node)]
            case ast.NamedExpr(target=target):
                self.names[target.id] = found = self.value(node.value)
                return found
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node)
            case ast.Subscript():
                return self._element(node)
            case ast.Await():
                return self.value(node.value)
            case ast.BoolOp():
                return OF[self.mask(node.values)]
            case ast.Dict(values=items) | ast.List(elts=items) | ast.Tuple(elts=items):
                return self._display(items)
        return OF[self.mask(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))]

    def mask(self, nodes: Iterable[ast.expr | None]) -> int:
        found = 0
        for node in nodes:
            found |= self.value(node).mask
        return found

    def test(self, node: ast.expr) -> int:
        """The sources a condition decides on; asking whether there is anything decides on its size only."""
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.test(operand)
            case ast.Attribute(value=ast.Name(id=name)) if name == self.receiver and not self._is_given():
                return self.value(node).mask
            case ast.Name() | ast.Attribute():
                return _sized(self.value(node).mask)
            case ast.BoolOp(values=values):
                found = 0
                for value in values:
                    found |= self.test(value)
                return found
        return self.value(node).mask

    def decided(self, test: ast.expr) -> bool | None:
        """What a condition comes to that asks for an attribute which is None from first to last."""
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.decided(operand)
                return None if inner is None else not inner
            case ast.Compare(left=held, ops=[op], comparators=[ast.Constant(value=None)]):
                never = f"{dotted(held)} is None" in self.constants
                return isinstance(op, (ast.Is, ast.Eq)) if never else None
            case ast.Attribute():
                return False if f"{dotted(test)} is None" in self.constants else None
        return None

    def _is_given(self) -> bool:
        """Whether there is anything but the object that an answer could depend on."""
        return any(value.same for value in self.names.values())

    def bind(self, target: ast.expr, value: Value) -> None:
        match target:
            case ast.Name(id=name):
                self.names[name] = value
            case ast.Tuple(elts=items) | ast.List(elts=items):
                for item in items:
                    self.bind(item, OF[value.mask])
            case ast.Starred(value=inner):
                self.bind(inner, OF[value.mask])
            case ast.Subscript(slice=key):
                self.stain(target, value.mask | self.value(key).mask & ~SIZE)
            case ast.Attribute():
                self.stain(target, value.mask)

    def stain(self, node: ast.expr, mask: int) -> None:
        """What is put into an element is in the whole from now on."""
        while isinstance(node, (ast.Subscript, ast.Attribute, ast.Call, ast.Starred)):
            node = node.func if isinstance(node, ast.Call) else node.value
        if isinstance(node, ast.Name) and node.id in self.names:
            self.names[node.id] = OF[self.names[node.id].mask | mask]

    def fills(self, call: ast.Call) -> None:
        """A call may leave something in the local values it is given, or is made on."""
        drawn = tail(call.func) in DRAWN_INTO or ".init." in self.root(call.func)
        given = RANDOM if drawn else self._arguments(call) | STATE
        for node in (call.func, *call.args, *(k.value for k in call.keywords)):
            self.stain(node, given)

    def lends(self, node: ast.AST) -> int:
        """What a function inside uses of ours it may also change; the answer is what it sees."""
        seen = 0
        for name in {n.id for n in walk(node) if isinstance(n, ast.Name)} & set(self.names):
            seen |= self.names[name].mask
            if not self.names[name].same:
                self.names[name] = OF[self.names[name].mask | STATE]
        return seen

    def grows(self, call: ast.Call) -> bool:
        """Whether the call only puts something into a local collection; notes what."""
        match call.func:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if attr in GROWS and name in self.names:
                before = self.names[name]
                added = self._arguments(call)
                self.names[name] = OF[before.mask | added]
                return not before.mask & INPUT or bool(before.call)
        return False

    def _name(self, name: str) -> Value:
        if name in self.names:
            return self.names[name]
        if name in self.constants or name in self.imports or name in BUILTINS:
            return CONSTANT
        return OF[STATE]

    def _attribute(self, node: ast.Attribute) -> Value:
        own = isinstance(node.value, ast.Name) and node.value.id == self.receiver
        if node.attr in SIZES and not own:
            return OF[_sized(self.value(node.value).mask)]
        if own:
            if "rng" in node.attr.lower():
                return OF[RANDOM]
            constant = f"self.{node.attr}" in self.constants
            return CONSTANT if constant else OF[STATE]
        held = self.value(node.value)
        if node.attr in GROWS and not held.same:  # `add = found.append`: it will be called
            self.stain(node.value, STATE)
        return OF[held.mask]

    def _element(self, node: ast.Subscript) -> Value:
        whole = self.value(node.value).mask
        if not whole:  # a look-up in a constant table depends on the key
            return Value(self.value(node.slice).mask, fixed=True)
        return OF[whole | self.value(node.slice).mask & ~SIZE]

    def _choice(self, node: ast.IfExp) -> Value:
        if (way := truth(node.test)) is not None:
            return self.value(node.body if way else node.orelse)
        body, orelse = self.value(node.body), self.value(node.orelse)
        if body.same and (body == orelse or _is_nothing(node.orelse)):
            return body
        fixed = body.fixed and orelse.fixed
        return Value(self.test(node.test) | body.mask | orelse.mask, fixed=fixed)

    def _display(self, items: Sequence[ast.expr]) -> Value:
        """A record of constants is none the better for telling a length too."""
        mask = self.mask(items)
        made = any(isinstance(i, ast.Constant) and i.value not in (None, True, False) for i in items)
        return OF[mask & ~SIZE if made else mask]

    def _pasted(self, node: ast.JoinedStr) -> Value:
        return Value(
            self.mask(part.value for part in node.values if isinstance(part, ast.FormattedValue)),
            template=True,
        )

    def _comparison(self, node: ast.Compare) -> Value:
        mask = self.mask([node.left, *node.comparators])
        nothing = any(isinstance(c, ast.Constant) and c.value is None for c in node.comparators)
        return OF[_sized(mask) if nothing else mask]

    def _operation(self, node: ast.BinOp) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Mult) and (_is(node.left, 0) or _is(node.right, 0)):
            return CONSTANT
        if isinstance(node.op, ast.Sub) and alike(node.left, node.right):
            return CONSTANT
        neutral = _NEUTRAL.get(type(node.op)) if left.same else None
        if neutral is not None and _is(node.right, neutral):
            return left
        if isinstance(node.op, ast.Mult) and _is_display(node.left):  # [0.0] * len(x)
            return OF[left.mask]
        if isinstance(node.op, ast.Mod) and left.mask & ~SIZE == HASH:  # a bucket
            return OF[HASH]
        template = isinstance(node.op, (ast.Add, ast.Mod)) and (left.template or right.template)
        return Value(left.mask | right.mask, template=template)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Value:
        outer, chosen = dict(self.names), 0
        for part in node.generators:
            self.bind(part.target, OF[self.value(part.iter).mask])
            chosen |= self.mask(part.ifs)
        items = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        mask = chosen | self.mask(items)
        self.names = outer
        return OF[mask]

    def _arguments(self, call: ast.Call) -> int:
        inner = (a.value if isinstance(a, ast.Starred) else a for a in call.args)
        return self.mask([*inner, *(k.value for k in call.keywords)])

    def _call(self, call: ast.Call) -> Value:
        name, given = tail(call.func), self._arguments(call)
        root = self.root(call.func)
        if name in (SIZE_CALLS if isinstance(call.func, ast.Name) else SIZE_METHODS):
            kept = given & STATE if name == "len" else 0  # how much the object holds is its state
            return OF[_sized(given | self._receiver(call)) | kept]
        if name in FILLED:
            return CONSTANT
        if name in REPLIES:
            return OF[given]
        if name in {"full", "full_like", "new_full"}:
            return self._full(call)
        if self._draws(call, name, root):
            return OF[RANDOM]
        if name in SPREAD:
            return OF[RANDOM | given]
        if name in {"default_rng", "Random", "RandomState", "Generator"}:
            return OF[RANDOM]
        if self._is_identity(call.func):
            return self.value(call.args[0]) if len(call.args) == 1 else OF[given]
        if name in UNCHANGED and (same := self._unchanged(call)).same:
            return same
        return self._unknown_call(call, name, root, given)

    def _is_identity(self, func: ast.expr) -> bool:
        """A layer of the object that hands on what it is given: `self.net = nn.Identity()`."""
        match func:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name == self.receiver:
                return f"self.{attr}()" in self.constants
        return False

    def _full(self, call: ast.Call) -> Value:
        keyword = [k.value for k in call.keywords if k.arg in {"fill_value", "value"}]
        filled = self.mask(keyword or call.args[1:2])
        return OF[filled]

    def _draws(self, call: ast.Call, name: str, root: str) -> bool:
        if name not in DRAWN:
            return root.split(".")[0] in RANDOM_ROOTS and name not in SPREAD and name[:1].islower()
        if not isinstance(call.func, ast.Attribute):
            return bool(root) or name not in {"sample", "choice", "choices"}
        held = self.value(call.func.value).mask
        return not held & INPUT and (bool(root) or bool(held & RANDOM))

    def _unchanged(self, call: ast.Call) -> Value:
        """`x.clone()` and `torch.tensor(x)` are still x."""
        if isinstance(call.func, ast.Attribute) and (held := self.value(call.func.value)).same:
            return held
        free = isinstance(call.func, ast.Name) or bool(self.root(call.func))
        return self.value(call.args[0]) if free and len(call.args) == 1 else CONSTANT

    def _unknown_call(self, call: ast.Call, name: str, root: str, given: int) -> Value:
        own = self._own(call.func)
        held = self._receiver(call)
        if root:
            if "distributions" in root:
                return OF[given | RANDOM]
            if root.split(".")[0] in HASH_ROOTS and given & INPUT:
                return OF[given & ~INPUT | HASH]
            made = name[:1].isupper() and not name.endswith("Tensor")
            pure = root.split(".")[0] in PURE_ROOTS and not made and not WORLD & set(root.split("."))
            return OF[given] if pure else Value(given | STATE | ASKED, call=own)
        if isinstance(call.func, ast.Name):
            known = name in BUILTINS or name[:1].isupper() or name == "print"
            made = known and (bool(call.args) or bool(call.keywords) or name in BUILTINS)
            return Value(given if made else given | STATE | ASKED, call=own)
        format_text = name in {"format", "join"} and isinstance(call.func, ast.Attribute)
        template = format_text and self.value(call.func.value).template  # type: ignore[attr-defined]
        asked = ASKED if held & STATE and name not in LOOKS_UP else 0
        return Value((given if held else given & ~SIZE) | held | asked, call=own, template=template)

    def _receiver(self, call: ast.Call) -> int:
        if isinstance(call.func, ast.Call):  # what a call gives is called
            return self.value(call.func).mask
        if not isinstance(call.func, ast.Attribute) or self.root(call.func):
            return 0
        held = call.func.value
        if isinstance(held, ast.Name) and held.id == self.receiver:
            return STATE
        return self.value(held).mask

    def _made(self, name: str) -> str:
        """The class of which a local name holds an object."""
        made = self.names[name].call if name in self.names else ""
        return made if "." not in made and _is_class(made) else ""

    def root(self, func: ast.expr) -> str:
        """The full name of something imported: `torch.nn.functional.relu` of `F.relu`; else empty."""
        name, _, rest = dotted(func).partition(".")
        if name in self.names or name not in self.imports:
            return ""
        return f"{self.imports[name]}.{rest}" if rest else self.imports[name]

    def _own(self, func: ast.expr) -> str:
        """A function whose body may be read too: of this object, of its class's parents, of this module."""
        match func:
            case ast.Name(id=name) if name not in self.names and name not in BUILTINS:
                return name
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name == self.receiver:
                return f"self.{attr}"
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if self._made(name):
                return f"{self._made(name)}.{attr}"
            case ast.Attribute(value=ast.Call(func=ast.Name(id=name)), attr=attr) if _is_class(name):
                return f"{name}.{attr}"
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id=name), attr=part), attr=attr) if (
                name == self.receiver
            ):
                return f"self.{part}.{attr}"
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if (
                _is_class(name) and name not in self.names
            ):
                return "" if name in self.imports else f"{name}.{attr}"
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in self.imports:
                return f"{name}.{attr}"
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=attr):
                return f"super.{attr}"
        return ""


def _is_class(name: str) -> bool:
    return name[:1].isupper() and not name.isupper()


def _sized(mask: int) -> int:
    return mask & RANDOM | (SIZE if mask & (INPUT | SIZE) else 0)


def _is(node: ast.expr, number: float) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value == number


def _is_nothing(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_display(node: ast.expr) -> bool:
    return isinstance(node, (ast.List, ast.Tuple))
