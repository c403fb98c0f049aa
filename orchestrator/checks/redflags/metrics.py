"""Results that nobody measured: written as numbers, drawn by chance, or counted from the epoch."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from orchestrator.source.facts import Sign
from orchestrator.source.naming import dotted, tail, words
from orchestrator.source.nodes import own, walk
from orchestrator.source.parsing import Module

RULE = "redflags/made-up-metric"

_METRICS = {
    "accuracy",
    "acc",
    "mse",
    "mae",
    "rmse",
    "loss",
    "f1",
    "precision",
    "recall",
    "auc",
    "iou",
    "psnr",
    "ssim",
}
_METRICS |= {"perplexity", "bleu", "purity", "losses", "accuracies", "map"}
_NOT_MEASURED = {
    "target",
    "threshold",
    "min",
    "max",
    "goal",
    "required",
    "weight",
    "weights",
    "lambda",
    "coef",
    "alpha",
}
_NOT_MEASURED |= {
    "smoothing",
    "init",
    "initial",
    "baseline",
    "limit",
    "expected",
    "scale",
    "fn",
    "type",
    "name",
    "tol",
}
_NOT_MEASURED |= {
    "tolerance",
    "default",
    "factor",
    "ratio",
    "best",
    "prev",
    "previous",
    "last",
    "window",
    "bound",
}
_NOT_OURS = {"published", "paper", "reference", "reported", "known", "truth", "defaults", "config", "goals"}
_NOT_OURS |= {"targets", "thresholds", "limits", "bounds", "weights", "baselines", "example", "settings"}
_SINKS = {
    "dump",
    "dumps",
    "safe_dump",
    "write_text",
    "log_metrics",
    "log",
    "write_json",
    "report",
    "save",
    "add_scalar",
}
_SINKS |= {"log_metric", "append_metrics", "writerow", "save_metrics", "write_metrics", "log_dict"}
_RESULTS = {
    "train",
    "fit",
    "evaluate",
    "eval",
    "validate",
    "validation",
    "test",
    "benchmark",
    "training",
    "metrics",
    "main",
    "run",
}
_RANDOM = {"random", "uniform", "gauss", "normal", "randn", "rand", "randint", "normalvariate", "randrange"}
_ARITHMETIC = {
    "min",
    "max",
    "round",
    "abs",
    "float",
    "int",
    "exp",
    "log",
    "sqrt",
    "pow",
    "sin",
    "cos",
    "item",
    "tanh",
    "clip",
}
_SPOKEN = _METRICS | {"metrics"}
_JSON = re.compile(r"[\"'](?P<key>\w+)[\"']\s*:\s*(?P<value>0?\.\d+|\d+\.\d+)")


def signs(module: Module) -> Iterator[Sign]:
    text = module.text.casefold()
    if not any(name in text for name in _METRICS):
        return
    top = _Body(module.tree, own(module.tree))
    tables = top.tables()
    for owner in (module.tree, *module.nodes.functions()):
        nodes = own(owner)
        used = tables and tables.intersection(n.id for n in nodes if isinstance(n, ast.Name))
        if used or not _SPOKEN.isdisjoint(_words_of(nodes)):
            yield from _Body(owner, nodes, {name: top.given[name] for name in sorted(used)}).signs()


def _words_of(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Name(id=name):
                yield from words(name)
            case ast.Constant(value=str(text)) if len(text) < 400:
                yield from words(text)
            case ast.keyword(arg=str(name)):
                yield from words(name)


class _Body:
    """One function's assignments, and which of its values nobody measured."""

    def __init__(
        self,
        owner: ast.AST,
        nodes: Sequence[ast.AST],
        tables: Mapping[str, list[ast.expr]] | None = None,
    ) -> None:
        self.name = getattr(owner, "name", "the module")
        self.nodes = nodes
        self.given: dict[str, list[ast.expr]] = dict(tables or {})
        self.counters: set[str] = set()
        self.filled: set[str] = set()
        for node in self.nodes:
            self._note(node)

    def _note(self, node: ast.AST) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._assigned(target, value)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                self._assigned(target, value)
            case ast.AugAssign(target=target, value=value):
                self._assigned(target, value)
            case ast.For(target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"))):
                self.counters.add(name)
            case ast.For(target=target, iter=items):
                self._assigned(target, ast.Name(id="?", ctx=ast.Load()))
                last = target.elts[-1] if isinstance(target, ast.Tuple) else target
                if isinstance(last, ast.Name) and (rows := self._rows(items)):
                    self.given[last.id] = rows
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="update" | "setdefault")):
                self.filled.add(name)

    def _rows(self, items: ast.expr) -> list[ast.expr]:
        """The records of a table that stands in the code: `for name, row in RESULTS.items()`."""
        match items:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="items" | "values"), args=[]):
                tables = [t.values for t in self.given.get(name, ()) if isinstance(t, ast.Dict)]
            case ast.Name(id=name):
                tables = [t.elts for t in self.given.get(name, ()) if isinstance(t, ast.List)]
            case _:
                return []
        rows = [_as_display(row) for table in tables for row in table]
        return rows if all(isinstance(row, ast.Dict) for row in rows) else []

    def _assigned(self, target: ast.expr, value: ast.expr) -> None:
        match target:
            case ast.Name(id=name):
                self.given.setdefault(name, []).append(_as_display(value))
            case ast.Subscript(value=ast.Name(id=name)):
                self.filled.add(name)
            case ast.Tuple(elts=items) | ast.List(elts=items):
                for item in items:
                    self._assigned(item, ast.Name(id="?", ctx=ast.Load()))

    def tables(self) -> set[str]:
        """Names of the module that hold a table of numbers and are not called somebody else's, or a goal."""
        return {
            name
            for name, values in self.given.items()
            if all(isinstance(value, ast.Dict) for value in values)
            and not set(words(name)) & (_NOT_MEASURED | _NOT_OURS)
        }

    def signs(self) -> Iterator[Sign]:
        told: set[str] = set()
        for key, value, line in (*self._written(), *self._invented()):
            if key not in told:
                told.add(key)
                how = "drawn by chance" if self._drawn(value) else "not measured"
                yield Sign(RULE, line, f"{self.name}: {key}", f"{key} = {ast.unparse(value)[:50]} is {how}")

    def _written(self) -> Iterator[tuple[str, ast.expr, int]]:
        """Metrics that go into a file, a log or an answer."""
        for node in self.nodes:
            match node:
                case ast.Call(func=func, args=args, keywords=keywords) if tail(func) in _SINKS:
                    for given in (*args, *(k.value for k in keywords)):
                        yield from self._entries(given)
                        yield from self._drawn_for_all(given)
                        yield from _written_text(given)
                case ast.Return(value=ast.Dict() as given) if _RESULTS & set(words(self.name)):
                    yield from self._entries(given)
                case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=str(key)))], value=value):
                    if is_metric(key) and self._invented_number(value) and self._is_kept(node):
                        yield key, value, node.lineno

    def _is_kept(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Assign) and any(
            isinstance(n, ast.Call) and tail(n.func) in _SINKS for n in self.nodes
        )

    def _entries(self, given: ast.expr) -> Iterator[tuple[str, ast.expr, int]]:
        if isinstance(given, ast.Name) and given.id not in self.filled:
            dicts = [v for v in self.given.get(given.id, ()) if isinstance(v, ast.Dict)]
        else:
            dicts = (
                [n for n in walk(given) if isinstance(n, ast.Dict)] if not isinstance(given, ast.Name) else []
            )
        for found in dicts:
            for key, value in zip(found.keys, found.values, strict=True):
                name = key.value if isinstance(key, ast.Constant) else None
                if isinstance(name, str) and is_metric(name) and self._invented_number(value):
                    yield name, value, value.lineno

    def _drawn_for_all(self, given: ast.expr) -> Iterator[tuple[str, ast.expr, int]]:
        """`{name: goal * uniform(1, 1.1) for …}` in a function that says that it tells results."""
        held = [n for n in walk(given) if isinstance(n, ast.Name)]
        made = [*walk(given), *(v for n in held for v in self.given.get(n.id, ()))]
        if _RESULTS & set(words(self.name)):
            for one in made:
                if isinstance(one, ast.DictComp) and self._drawn(one.value):
                    others = [
                        n for n in walk(one.value) if isinstance(n, ast.Call) and not _is_random(n.func)
                    ]
                    if all(tail(n.func) in _ARITHMETIC for n in others):
                        yield "metrics", one.value, one.value.lineno

    def _invented(self) -> Iterator[tuple[str, ast.expr, int]]:
        """Metrics computed from nothing but chance and a loop's counter."""
        if not _RESULTS & set(words(self.name)):
            return
        for name, values in self.given.items():
            if is_metric(name) and all(self.made_up(v) for v in values):
                moving = [v for v in values if self._drawn(v) or self._counts(v)]
                if moving:
                    yield name, moving[0], moving[0].lineno

    def _invented_number(self, value: ast.expr) -> bool:
        literal = isinstance(value, ast.Constant)
        return self.made_up(value) and not (literal and value.value in (0, 1, -1))  # type: ignore[attr-defined]

    def made_up(self, node: ast.expr, depth: int = 6) -> bool:
        if not depth:
            return False
        match node:
            case ast.Constant(value=value):
                return isinstance(value, (int, float)) and not isinstance(value, bool)
            case ast.Name(id=name) if name in self.given and name not in self.counters:
                values = self.given[name]
                zero = all(isinstance(v, ast.Constant) and v.value in (0, 0.0, None) for v in values)
                return not zero and all(self.made_up(v, depth - 1) or _names(v, name) for v in values)
            case ast.Name(id=name):
                return name in self.counters
            case (
                ast.UnaryOp(operand=inner) | ast.Subscript(value=inner, slice=ast.UnaryOp() | ast.Constant())
            ):
                return self.made_up(inner, depth)
            case ast.BinOp(left=left, right=right):
                return self._operand(left, depth) and self._operand(right, depth)
            case ast.IfExp(body=body, orelse=orelse):
                return self.made_up(body, depth) and self.made_up(orelse, depth)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return bool(items) and all(self.made_up(item, depth) for item in items)
            case ast.Call(func=func, args=args):
                if _is_random(func):
                    return True
                spread = tail(func) in {"arange", "linspace", "ones", "zeros"}
                if spread:
                    return all(isinstance(a, ast.Constant) for a in args)
                return tail(func) in _ARITHMETIC and bool(args) and all(self.made_up(a, depth) for a in args)
        return False

    def _operand(self, node: ast.expr, depth: int) -> bool:
        """In a formula the number of epochs counts as given, whoever gave it."""
        return self.made_up(node, depth) or (
            isinstance(node, ast.Name) and node.id in {"epochs", "num_epochs", "n_epochs", "epoch"}
        )

    def _drawn(self, node: ast.expr) -> bool:
        return any(isinstance(n, ast.Call) and _is_random(n.func) for n in walk(node))

    def _counts(self, node: ast.expr) -> bool:
        return any(isinstance(n, ast.Name) and n.id in self.counters for n in walk(node))


def _as_display(value: ast.expr) -> ast.expr:
    """`dict(accuracy=0.9)` as `{"accuracy": 0.9}`."""
    match value:
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=named) if all(k.arg for k in named):
            keys: list[ast.expr | None] = [ast.Constant(value=k.arg, lineno=k.lineno) for k in named]
            return ast.Dict(keys=keys, values=[k.value for k in named])
    return value


def _is_random(func: ast.expr) -> bool:
    name = dotted(func)
    return tail(func) in _RANDOM and (
        "random" in name or name.startswith("rng.") or tail(func) in {"randn", "rand", "uniform", "gauss"}
    )


def _names(node: ast.expr, name: str) -> bool:
    """`loss * 0.9` of `loss` itself."""
    return (
        isinstance(node, ast.BinOp)
        and any(isinstance(n, ast.Name) and n.id == name for n in walk(node))
        and not any(isinstance(n, ast.Call) and not _is_random(n.func) for n in walk(node))
    )


def is_metric(name: str) -> bool:
    found = set(words(name))
    return bool(found & _METRICS) and not found & _NOT_MEASURED


def _written_text(node: ast.expr) -> Iterator[tuple[str, ast.expr, int]]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lstrip().startswith("{"):
        for match in _JSON.finditer(node.value):
            if is_metric(match["key"]):
                yield match["key"], ast.Constant(value=float(match["value"])), node.lineno
